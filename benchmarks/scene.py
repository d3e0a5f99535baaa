"""A whole Sentinel-2-like scene through a small network: wall time, peak memory, and what the memory bound was.

python benchmarks/scene.py                                     # 10980 x 10980 px, 4 bands of 16 bits, x4
python benchmarks/scene.py --height 2745                       # a quarter of it, for the memory
python benchmarks/scene.py --model srgan-sisr7@champion --bands 3
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import rasterio
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import from_origin

from satsr import load
from satsr.exported import memory
from satsr.exported.runners import Runner
from satsr.resize import imresize
from satsr.seeds import generator
from satsr.upscale.options import Options
from satsr.upscale.scenes.scene import upscale

NAMES = ("B04", "B03", "B02", "B08")
STRIP = 512


def main() -> None:
    """Makes the scene and the network, enlarges, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10980, help="width and height in px")
    parser.add_argument("--height", type=int, help="another height")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--scale", type=int, default=4, choices=(2, 4, 8))
    parser.add_argument("--model", help="any model instead of the small one (its scale and bands count then)")
    parser.add_argument("--window", type=int)
    parser.add_argument("--overlap", type=int, default=32)
    parser.add_argument("--gap", action="store_true", help="leave a corner without data, as at the edge of a swath")
    parser.add_argument("--folder", type=Path, help="where files go (default: a temporary folder)")
    parser.add_argument("--prepare", action="store_true", help="only make the scene and the network")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        height = given.height or given.size
        source = folder / f"scene-{given.size}x{height}x{given.bands}.tif"
        network = folder / f"small-x{given.scale}-{given.bands}.onnx"
        if given.prepare:
            synthesise(source, (height, given.size), given.bands, given.gap)
            small(network, given.bands, given.scale)
            return
        if not (source.exists() and network.exists()):
            # In a process of its own, so that what it takes does not count.
            subprocess.run([sys.executable, *sys.argv, "--prepare", "--folder", str(folder)], check=True)
        options = Options(window=given.window, overlap=given.overlap, overwrite=True, force=True)
        measure(given.model or network, source, folder / "out.tif", options)


def measure(reference: Path | str, source: Path, target: Path, options: Options) -> None:
    """Enlarges and prints the figures."""
    begin, spent = time.monotonic(), (time.process_time(), others())
    model = load(reference, device="cpu")
    model.runner = timed = Timed(model.runner)
    made = upscale(model, source, target, options, say)[0]
    seconds = time.monotonic() - begin
    with rasterio.open(source) as before, rasterio.open(made) as after:
        pixels = before.width * before.height / 1e6
        say(f"result: {after.width} x {after.height} px, {after.count} bands of {after.dtypes[0]}")
    for what, value in (
        ("wall", seconds),
        ("processor", time.process_time() - spent[0]),
        ("of it beside the main thread, mostly the Cloud-Optimised GeoTIFF", others() - spent[1]),
        ("of it network", timed.seconds),
    ):
        say(f"{what}: {value:.1f} s, {value / pixels:.2f} s per megapixel")
    say(
        f"peak memory {memory.peak() / 1e9:.2f} GB; "
        f"{source.stat().st_size / 1e9:.2f} GB became {made.stat().st_size / 1e9:.2f} GB"
    )


def others() -> float:
    """Processor seconds of all threads but the main one."""
    return time.process_time() - time.thread_time()


class Timed:
    """A runner that adds up the main thread's processor time."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.seconds = runner, 0.0
        self.inputs, self.device = runner.inputs, runner.device

    def run(self, inputs: Mapping[str, np.ndarray]) -> npt.NDArray[np.float32]:
        """As the runner."""
        begin = time.thread_time()
        result = self.runner.run(inputs)
        self.seconds += time.thread_time() - begin
        return result


def small(path: Path, bands: int, scale: int) -> None:
    """One convolution and a pixel shuffle, near the nearest neighbour: what is measured is all the rest."""
    weights = generator(0, "benchmark").normal(0, 0.01, (bands, scale**2, bands, 3, 3))
    weights[range(bands), :, range(bands), 1, 1] += 1
    nodes = [
        helper.make_node("Conv", ["x", "weights"], ["phases"], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["phases"], ["sr"], blocksize=scale, mode="CRD"),
    ]
    kernels = numpy_helper.from_array(weights.reshape(-1, bands, 3, 3).astype(np.float32), "weights")
    ends = [("x", ["batch", bands, "height", "width"]), ("sr", None)]
    source, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "small", [source], [result], [kernels])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    facts = {"paper": "benchmark", "kind": "image", "normalisation": "normalise_10k", "scale": scale}
    helper.set_model_props(model, {"satsr": json.dumps(facts)})
    onnx.save(model, path)


def synthesise(path: Path, shape: tuple[int, int], bands: int, gap: bool) -> None:
    """Fields, texture and noise in reflectance x 10000, written strip by strip."""
    height, size = shape
    profile = {"driver": "GTiff", "height": height, "width": size, "count": bands, "dtype": "uint16", "nodata": 0}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1, "predictor": 2}
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000040, 10, 10)}
    with rasterio.open(path, "w", **profile, **layout, **place, bigtiff="IF_SAFER") as target:
        for index, name in enumerate(NAMES[:bands], 1):
            target.set_band_description(index, name)
        for top in range(0, height, STRIP):
            rng = generator(0, "benchmark", top)
            fields = rng.integers(400, 2600, (STRIP // 32 + 1, size // 32 + 1, bands)).repeat(32, 0).repeat(32, 1)
            texture = imresize(rng.normal(0, 120, (STRIP // 2, size // 2 + 1, bands)).astype(np.float32), 2)
            values = fields[:STRIP, :size] + texture[:STRIP, :size] + rng.normal(0, 15, (STRIP, size, bands))
            rows = min(STRIP, height - top)
            strip = values[:rows].clip(1, 10000).astype(np.uint16)
            if gap:
                columns = np.arange(size) + np.arange(top, top + rows)[:, None]
                strip[columns < size // 2] = 0
            target.write(np.moveaxis(strip, -1, 0), window=((top, top + rows), (0, size)))


def say(line: str) -> None:
    """Prints at once."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
