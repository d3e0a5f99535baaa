"""Growth: processor time and peak memory of convert, validate and ``satsr upscale`` with N, 2N and 4N frames.

Every point is measured in a process of its own, ``python -m benchmarks.speed.memory <work> <folder>``, which
says its processor seconds and its peak in MB. The picture is ``docs/growth.svg``.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.frames import clip, converted, fetch
from benchmarks.speed.ratio import Row

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs/growth.svg"
Point = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """How a work is measured: the side of the frames in px, N, and how many processes a point is the median of."""

    side: int
    frames: int
    repeats: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """N, 2N and 4N."""
        return self.frames, 2 * self.frames, 4 * self.frames


PLANS = {"convert": Plan(256, 100, 3), "validate": Plan(256, 100, 1), "upscale": Plan(24, 20, 1)}


def rows() -> Iterator[Row]:
    """Two rows for each work, and the picture."""
    found: dict[str, list[Point]] = {}
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as name:
        for work, plan in PLANS.items():
            found[work] = []
            for frames in plan.counts:
                folder = Path(name) / f"{plan.side}-{frames}"
                if not folder.exists():
                    prepare(folder, frames, plan.side)
                found[work].append(point(work, folder, plan.repeats))
            yield from compared(work, found[work])
    draw(found)


def prepare(folder: Path, frames: int, side: int) -> None:
    """A clip as PNG, its finished download, and for the larger clips its store."""
    clip(folder / "data", frames, side)
    if side >= 64:
        fetch(folder)
        converted(folder, folder / "store")


def point(work: str, folder: Path, repeats: int) -> Point:
    """Medians of the processor seconds and the peak in MB."""
    found = []
    for _ in range(repeats):
        asked = [sys.executable, "-m", "benchmarks.speed.memory", work, str(folder)]
        told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        found.append((float(told[-2]), float(told[-1])))
    seconds, peaks = zip(*found, strict=True)
    return statistics.median(seconds), statistics.median(peaks)


def compared(work: str, points: list[Point]) -> Iterator[Row]:
    """Near 1 where time is linear, whatever starting takes, and where memory is flat."""
    few, some, many = PLANS[work].counts
    (first, small), (second, _), (third, large) = points
    early, late = (second - first) / (some - few), (third - second) / (many - some)
    said = f"{1000 * early:.3g} and {1000 * late:.3g} ms, {PLANS[work].side} px"
    unit, ratio = f"a frame from {few} to {some}", late / early
    yield Row(f"{work}: time of a frame from {some} to {many}", ratio, unit, ratio, ratio, None, 1.1, said)
    said, ratio = f"{small:.0f} and {large:.0f} MB, {PLANS[work].side} px", large / small
    yield Row(f"{work}: peak memory with {many} frames", ratio, f"{few} frames", ratio, ratio, None, 1.1, said)


def draw(found: dict[str, list[Point]]) -> None:
    """Both quantities against the number of frames."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "satsr"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for panel, place, title in zip(panels, (0, 1), ("processor time in s", "peak memory in MB"), strict=True):
        for work, points in found.items():
            label = f"{work}, {PLANS[work].side} px"
            panel.plot(PLANS[work].counts, [values[place] for values in points], marker="o", label=label)
        panel.set(title=title, xlabel="frames")
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
    panels[0].legend()
    figure.savefig(PICTURE, metadata={"Date": None})


def converting(folder: Path) -> None:
    """The store is made, with one worker for every core."""
    from satsr.config.data import Convert
    from satsr.convert.convert import convert

    convert(folder / "raw", folder / "again", Convert(), base=folder)


def validating(folder: Path) -> None:
    """The store is measured and judged; that the drawn frames fail some checks does not matter."""
    from satsr.config.data import Checks, Convert
    from satsr.store.store import Store
    from satsr.validate.checks import validate
    from satsr.validate.suites import chosen

    (folder / "report").mkdir(exist_ok=True)
    store = Store(folder / "store")
    store.verify()
    validate(store, chosen(Checks(suite="video"), Convert()), folder / "report")


def upscaling(folder: Path) -> None:
    """A clip through a reduced RASVSR in segments of 10 frames."""
    from benchmarks.video import reduced
    from satsr.exported.model import load
    from satsr.upscale.clips.video import upscale
    from satsr.upscale.options import Options

    network = folder.parent / "reduced.onnx"
    if not network.exists():
        child = os.fork()  # so that exporting does not count
        if child == 0:
            reduced(network)
            os._exit(0)
        os.waitpid(child, 0)
    options = Options(segment=10, overwrite=True, force=True)
    upscale(load(network, device="cpu"), folder / "data", folder / "out", options, lambda line: None)


WORKS: dict[str, Callable[[Path], None]] = {"convert": converting, "validate": validating, "upscale": upscaling}


def main(work: str, folder: str) -> None:
    """Says the processor seconds of a work and this process's peak in MB."""
    from satsr.exported import memory

    if work == "validate":
        import great_expectations  # noqa: F401  # seconds, whatever the number of frames

    begin = time.process_time()
    WORKS[work](Path(folder))
    print(time.process_time() - begin, memory.peak() / 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:3])
