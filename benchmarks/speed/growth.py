"""Peak memory of commands with N, 2N and 4N of what they are given: rows of a scene, scenes of a folder, versions.

Every point is a process of its own that ends by saying its peak. Times are not compared here.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scene import small, synthesise
from benchmarks.speed.ratio import Row
from satsr import tracking
from satsr.register import registry

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
from satsr.cli import main
code = main(sys.argv[1:])
from satsr.exported import memory
print(memory.peak() / 1e6)
sys.exit(code)
"""
BANDS, SCALE = 4, 4
Prepare = Callable[[Path, int], Sequence[str]]


@dataclass(frozen=True)
class Plan:
    """What is measured: the command in words, N, what N counts, and who makes N of it and says the command's words."""

    work: str
    least: int
    unit: str
    prepare: Prepare
    note: str


def rows() -> Iterator[Row]:
    """A row for each command: its peak with 4N over that with N."""
    for plan in PLANS:
        with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as name:
            peaks = [peak(plan, Path(name) / str(count), count) for count in counts(plan)]
        ratio, most = peaks[-1] / peaks[0], counts(plan)[-1]
        said = f"{', '.join(f'{value:.0f}' for value in peaks[:-1])} and {peaks[-1]:.0f} MB; {plan.note}"
        work = f"{plan.work}: peak memory with {most} {plan.unit}"
        yield Row(work, ratio, f"{plan.least} {plan.unit}", ratio, ratio, None, 1.1, said)


def counts(plan: Plan) -> tuple[int, int, int]:
    """N, 2N and 4N."""
    return plan.least, 2 * plan.least, 4 * plan.least


def peak(plan: Plan, folder: Path, count: int) -> float:
    """MB that the command held at most."""
    folder.mkdir()
    words = plan.prepare(folder, count)
    asked = [sys.executable, "-c", COMMAND, *words]
    here = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    here["PYTHONPATH"] = str(ROOT)
    told = subprocess.run(asked, cwd=folder, env=here, capture_output=True, text=True, check=True)
    return float(told.stdout.split()[-1])


def high(folder: Path, count: int) -> Sequence[str]:
    """A scene of so many rows."""
    synthesise(folder / "in.tif", (count, 1000), BANDS, gap=False)
    return enlarged(folder, "in.tif", "out.tif")


def many(folder: Path, count: int) -> Sequence[str]:
    """A folder of so many scenes."""
    (folder / "in").mkdir()
    for number in range(count):
        synthesise(folder / f"in/{number}.tif", (256, 256), BANDS, gap=False)
    return enlarged(folder, "in", "out")


def enlarged(folder: Path, source: str, target: str) -> Sequence[str]:
    """The command that enlarges, with a small network; windows do not follow the memory that happens to be free."""
    small(folder / "small.onnx", BANDS, SCALE)
    return "upscale", source, target, "--model", "small.onnx", "--window", "256", "--force"


def versions(folder: Path, count: int) -> Sequence[str]:
    """A folder that passes for a checkout, with so many versions of a model."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # else this point's versions go to the store of the one before
    for name in ("params.yaml", "dvc.yaml"):
        (folder / name).touch()
    small(folder / "small.onnx", BANDS, SCALE)
    tags = {"decides": "psnr,ssim", "psnr": 30, "ssim": 0.9, "gates": "passed", "review": "pending"}
    for _ in range(count):
        with tracking.run(folder, "small") as run:
            number = registry.add_version(run, "small", folder / "small.onnx", tags, "A card.", facts={"scale": SCALE})
    registry.set_alias(tracking.client(folder), "small", registry.CHAMPION, number)
    return ("review",)


# A scene of 1000 rows takes a little less: its result is smaller than GDAL's cache of 256 MB.
PLANS = (
    Plan("satsr upscale, a scene", 4000, "rows", high, f"1000 px wide, {BANDS} bands of 16 bits, windows of 256 px"),
    Plan("satsr upscale, a folder", 10, "scenes", many, f"256 x 256 px, {BANDS} bands of 16 bits"),
    Plan("satsr review", 25, "versions", versions, "of one model"),
)
