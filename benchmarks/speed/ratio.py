"""A ratio of two times taken side by side, so that a busy or slow machine changes neither much.

Every figure is the processor time of a piece of work over the mean time of a calibration that runs just before and
just after it, the median of at least seven such ratios. One thread each, unless a row says otherwise.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402

REPEATS = 7
Work = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: what is done, such as "RASVSR 1x5x3x64x64, forward".
        ratio: its time in units of ``unit``, the median over the repetitions.
        unit: the calibration ("conv-50", "png", "pass", "python") or what else the work is compared with.
        low: the smallest ratio of the repetitions.
        high: the largest.
        peer: the ratio of what people would use instead, where it is known.
        target: what is aimed at.
        note: a remark, such as a size of memory or a measured deviation.
    """

    work: str
    ratio: float
    unit: str
    low: float
    high: float
    peer: float | None = None
    target: float | None = None
    note: str = ""


def measure(
    work: str,
    do: Work,
    unit: str,
    against: Work | None = None,
    *,
    per: int = 1,
    peer: float | None = None,
    target: float | None = None,
    note: str = "",
    clock: Clock = time.process_time,
    repeats: int = REPEATS,
) -> Row:
    """The time of ``do`` over that of a calibration.

    Args:
        work: the name of the row.
        do: the work; called once before measuring.
        unit: a name of ``CALIBRATIONS``, or the name of ``against``.
        against: what to compare with, where it is no calibration.
        per: how many items ``do`` works off; the ratio is that of one.
        peer: see ``Row``.
        target: see ``Row``.
        note: see ``Row``.
        clock: seconds; ``time.process_time``, or ``children`` where the work is a process of its own.
        repeats: how many ratios the median is of.
    """
    calibration = against or CALIBRATIONS[unit]()
    do(), calibration()
    ratios = []
    for _ in range(repeats):
        before, taken, after = (timed(part, clock) for part in (calibration, do, calibration))
        ratios.append(taken / per / ((before + after) / 2))
    return Row(work, statistics.median(ratios), unit, min(ratios), max(ratios), peer, target, note)


def timed(do: Work, clock: Clock) -> float:
    """Seconds of ``do`` by a clock; short work is repeated until it has taken a fiftieth of a second."""
    count, taken, start = 0, 0.0, clock()
    while taken < 0.02:
        do()
        count, taken = count + 1, clock() - start
    return taken / count


def children() -> float:
    """Processor seconds of all child processes that have ended: the clock for commands."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(*arguments: str, cwd: str | None = None) -> Work:
    """A command as work; what it says is dropped, and a failure raises."""

    def run() -> None:
        subprocess.run(arguments, check=True, cwd=cwd, capture_output=True)

    return run


@cache
def conv_50() -> Work:
    """50 forward passes of a 64->64 3x3 convolution on 1x64x64x64 float32."""
    import torch

    torch.set_num_threads(1)
    convolution, image = torch.nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 64, 64)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(50):
                convolution(image)

    return run


@cache
def conv_50_backward() -> Work:
    """The same with gradients to weight, bias and input."""
    import torch

    torch.set_num_threads(1)
    convolution, image = torch.nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 64, 64, requires_grad=True)
    gradient = torch.randn(1, 64, 64, 64)

    def run() -> None:
        for _ in range(50):
            convolution(image).backward(gradient)

    return run


def photograph(height: int = 640, width: int = 640, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3) that compresses as an aerial photograph does: smooth ground, edges and some noise."""
    generator = np.random.default_rng(seed)
    ground = sum(
        cv2.resize(generator.normal(0, 40, (max(height // size, 2), max(width // size, 2), 3)), (width, height))
        for size in (160, 40, 10)
    )
    for _ in range(60):
        x, y = (int(generator.integers(side)) for side in (width, height))
        corner, far = (x, y), (x + int(generator.integers(8, 60)), y + int(generator.integers(8, 60)))
        cv2.rectangle(ground, corner, far, [float(value) for value in generator.normal(0, 60, 3)], -1)
    return np.clip(128 + ground + generator.normal(0, 2, ground.shape), 0, 255).astype(np.uint8)


@cache
def png() -> Work:
    """OpenCV decoding of one 640x640 PNG."""
    cv2.setNumThreads(1)
    encoded = cv2.imencode(".png", photograph())[1]
    return lambda: cv2.imdecode(encoded, cv2.IMREAD_COLOR)


@cache
def one_pass() -> Work:
    """A float64 pass (a-b)^2, mean over 1024x1024x3."""
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 1024, 1024, 3))
    return lambda: ((a - b) ** 2).mean()


def python() -> Work:
    """``python -c pass``; by the clock ``children``."""
    return command(sys.executable, "-c", "pass")


CALIBRATIONS: dict[str, Callable[[], Work]] = {
    "conv-50": conv_50,
    "conv-50-backward": conv_50_backward,
    "png": png,
    "pass": one_pass,
    "python": python,
}


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| work | ratio | range | unit | peer | target | note |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        reached = row.target is None or row.ratio <= row.target
        ratio = _short(row.ratio) if reached else f"**{_short(row.ratio)}**"
        span = f"{_short(row.low)} to {_short(row.high)}"
        lines.append(
            f"| {row.work} | {ratio} | {span} | {row.unit} | {_short(row.peer)} | {_short(row.target)} | {row.note} |"
        )
    return "\n".join(lines)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
