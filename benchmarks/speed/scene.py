"""A whole scene, 2000 x 2000 px of four bands of 16 bits, through a network that does nothing: what all the rest costs.

``python -m benchmarks.speed scene``; a scene of any size and network: ``python benchmarks/scene.py``.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # noqa: F401  # so that it counts among the imports
from onnx import TensorProto, helper, numpy_helper

from benchmarks.scene import synthesise
from benchmarks.speed.ratio import Row, Work, measure
from satsr import load
from satsr.exported import memory
from satsr.upscale.options import Options
from satsr.upscale.scenes.scene import upscale

SIDE, BANDS, SCALE = 2000, 4, 4
WORK = f"scene {SIDE}x{SIDE}x{BANDS} uint16, window 128, overlap 12, x{SCALE}, identity"
OPTIONS = Options(window=128, overlap=12, constraint="none", overwrite=True, force=True)


def rows() -> Iterator[Row]:
    """The scene, with memory and files in the note; packed as old readers want it; under the default constraint."""
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as temporary:
        folder = Path(temporary)
        prepare(folder)
        words = [sys.executable, "-m", "benchmarks.speed.scene", str(folder)]
        used = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        model = load(folder / "identity.onnx", device="cpu")
        run = partial(upscale, model, folder / "scene.tif", folder / "out.tif")
        yield from both(WORK, partial(run, OPTIONS), told(used))
        deflate, held = replace(OPTIONS, compress="deflate"), replace(OPTIONS, constraint="frequency")
        yield measure(f"{WORK}, --compress deflate", partial(run, deflate), "pass", repeats=3, note="median of three")
        note = "the default for reflectances; median of three"
        yield measure(f"{WORK}, held to its input", partial(run, held), "pass", repeats=3, note=note)


def both(work: str, do: Work, note: str) -> Iterator[Row]:
    """Processor time of all threads, and of the main one, on which the network waits; from the same runs."""
    beside: list[float] = []

    def main_thread() -> None:
        begin = time.process_time(), time.thread_time()
        do()
        spent = time.process_time() - begin[0], time.thread_time() - begin[1]
        beside.append(spent[1] / spent[0])

    row = measure(work, main_thread, "pass", peer=2171, target=400, note=note)
    yield row
    share = statistics.median(beside)
    ratios = {name: getattr(row, name) * share for name in ("ratio", "low", "high")}
    told = f"{share:.0%} of it; packing, overviews and a part of the network are on the others"
    yield replace(row, work=f"{work}, the main thread", note=told, **ratios)


def told(used: dict[str, float]) -> str:
    """Memory and files in words."""
    megabytes = {name: f"{value / 1e6:.0f} MB" for name, value in used.items()}
    return (
        f"memory {megabytes['memory']} above imports (peer 800, target 400); temporary files {megabytes['temporary']} "
        f"(peer 681, target 0) beside the unfinished result, which becomes {megabytes['result']} and takes at most "
        f"{megabytes['unfinished']} on disk"
    )


def prepare(folder: Path) -> None:
    """Makes the scene and the network: each pixel becomes ``SCALE`` times ``SCALE`` of its value."""
    synthesise(folder / "scene.tif", (SIDE, SIDE), BANDS, gap=False)
    node = helper.make_node(
        "Resize",
        ["x", "", "scales"],
        ["sr"],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    scales = numpy_helper.from_array(np.array([1, 1, SCALE, SCALE], np.float32), "scales")
    ends = [("x", ["batch", BANDS, "height", "width"]), ("sr", None)]
    source, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph([node], "identity", [source], [result], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    facts = {"paper": "benchmark", "kind": "image", "normalisation": "normalise_10k", "scale": SCALE}
    helper.set_model_props(model, {"satsr": json.dumps(facts)})
    onnx.save(model, folder / "identity.onnx")


def used(folder: Path) -> dict[str, float]:
    """What one run takes at most, in bytes: memory above the imports, the unfinished result, files beside it."""
    files = Files(folder)
    before = memory.resident()
    upscale(load(folder / "identity.onnx", device="cpu"), folder / "scene.tif", folder / "out.tif", OPTIONS)
    found = {"memory": memory.peak() - before, **files.stop()}
    return {**found, "result": (folder / "out.tif").stat().st_size}


class Files:
    """Looks again and again at what the files of a folder take on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most = folder, {"unfinished": 0.0, "temporary": 0.0}
        self._known = {path.name for path in folder.iterdir()} | {"out.tif"}
        self._end, self._thread = threading.Event(), threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """The most that was seen, in bytes: the file that becomes the result, and all others."""
        self._end.set()
        self._thread.join()
        return self.most

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            sizes = {"unfinished": 0.0, "temporary": 0.0}
            for path in self.folder.rglob("*"):
                if path.name not in self._known:
                    sizes["unfinished" if path.match(".out.tif.partial/0.tif") else "temporary"] += on_disk(path)
            self.most = {name: max(self.most[name], size) for name, size in sizes.items()}


def on_disk(path: Path) -> int:
    """Bytes of a file without its holes; 0 for folders and what is gone."""
    try:
        return path.stat().st_blocks * 512 if path.is_file() else 0
    except OSError:
        return 0


if __name__ == "__main__":
    print(json.dumps(used(Path(sys.argv[1]))))
