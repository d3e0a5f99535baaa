"""A long clip through a recurrent network: wall time, peak memory, and how much the seams of segments show.

python benchmarks/video.py                            # 500 frames of 64 x 64 px, a reduced RASVSR
python benchmarks/video.py --deviation --frames 60      # segments against the whole clip
python benchmarks/video.py --model rasvsr@champion --frames 2000 --side 128
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from satsr.exported import memory
from satsr.exported.model import Model, load
from satsr.imagery.images import read_rgb, write_png
from satsr.resize import imresize
from satsr.seeds import generator
from satsr.upscale.clips.video import upscale
from satsr.upscale.options import BURN_IN, Options


def main() -> None:
    """Makes the clip and the network, enlarges, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--side", type=int, default=64, help="height and width in px")
    parser.add_argument("--model", help="any video model instead of the reduced RASVSR with random weights")
    parser.add_argument("--segment", type=int)
    parser.add_argument("--burn-in", type=int, default=BURN_IN)
    parser.add_argument("--window", type=int)
    parser.add_argument("--deviation", action="store_true", help="measure segments against the whole clip instead")
    parser.add_argument("--folder", type=Path, help="where files go (default: a temporary folder)")
    parser.add_argument("--prepare", action="store_true", help="only make the clip and the network")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as temporary:
        folder = given.folder or Path(temporary)
        source, network = folder / f"clip-{given.frames}x{given.side}", folder / "reduced.onnx"
        if given.prepare:
            synthesise(source, given.frames, given.side)
            reduced(network)
            return
        if not (source.exists() and network.exists()):
            # In a process of its own, so that what it takes does not count.
            subprocess.run([sys.executable, *sys.argv, "--prepare", "--folder", str(folder)], check=True)
        if given.deviation:
            deviations(load(given.model or network, device="cpu"), source)
            return
        options = Options(segment=given.segment, burn_in=given.burn_in, window=given.window, overwrite=True, force=True)
        begin = time.monotonic()
        model = load(given.model or network, device="cpu")
        outcome = upscale(model, source, folder / "out", options, say)
        seconds = time.monotonic() - begin
        say(f"{len(list(outcome.output.glob('*.png')))} frames in {seconds:.0f} s, {seconds / given.frames:.3f} s each")
        say(f"peak memory {memory.peak() / 1e9:.2f} GB")


def deviations(model: Model, source: Path, segment: int = 10) -> None:
    """Prints how far segments of ``segment`` frames are from the whole clip, for several burn-ins."""
    values = np.stack([read_rgb(file) for file in sorted(source.glob("*.png"))])
    whole = model(values).astype(int)
    for burn_in in (0, 1, 2, 4, 8):
        cuts = []
        for begin in range(0, len(values), segment):
            first = max(begin - burn_in, 0)
            cuts.append(model(values[first : begin + segment + burn_in])[begin - first :][:segment])
        deviation = np.abs(np.concatenate(cuts) - whole)
        say(f"burn-in {burn_in}: mean {deviation.mean():.4f}, at most {deviation.max()} grey levels")


def reduced(path: Path) -> None:
    """RASVSR with 16 channels and two blocks, and random weights."""
    import torch

    import models
    from satsr.export.onnx import export

    torch.manual_seed(0)
    network = models.build("rasvsr", mid_channels=16, num_blocks=2).eval()
    facts = {"paper": "benchmark", "kind": "video", "normalisation": "unit_u8", "scale": 4}
    axes = {"x": {0: "batch", 1: "time", 3: "height", 4: "width"}}
    export(network, {"x": torch.zeros(2, 3, 3, 64, 72)}, axes, path, facts)


def synthesise(folder: Path, count: int, side: int) -> None:
    """A camera that drifts over a textured plane."""
    rng = generator(0, "benchmark")
    coarse = rng.integers(0, 256, (side // 2, (side + count) // 2 + 2, 3)).astype(np.float32)
    plane = imresize(coarse, 2).clip(0, 255)
    for index in range(count):
        shift = 0.5 * index
        whole, part = int(shift), shift - int(shift)
        frame = (1 - part) * plane[:side, whole : whole + side] + part * plane[:side, whole + 1 : whole + 1 + side]
        noisy = frame + generator(0, "benchmark noise", index).normal(0, 2, frame.shape)
        write_png(folder / f"{index:05d}.png", noisy.round().clip(0, 255).astype(np.uint8))


def say(line: str) -> None:
    """Prints at once."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
