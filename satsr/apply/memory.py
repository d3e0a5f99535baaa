"""How much memory there is, and how much a network takes for each pixel."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from satsr.apply.model import Model

FIXED = 500 << 20  # Python with its libraries, and GDAL's cache
PROBE_PX = 64
PROBE_FRAMES = 5
# Where nothing can be measured: some fifty feature maps of 4 bytes at the output's resolution.
FEATURES = 50


@dataclass(frozen=True)
class Budget:
    """What there is, and what a network takes.

    Attributes:
        free: bytes of memory.
        per_pixel: bytes for one pixel of one frame at low resolution.
    """

    free: int
    per_pixel: float


def budget(model: Model) -> Budget:
    """Measures both."""
    return Budget(available(), per_pixel(model))


def available() -> int:
    """Bytes that can be taken without swapping, also inside a container with a limit."""
    found = [_field("/proc/meminfo", "MemAvailable:")]
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    with contextlib.suppress(OSError, ValueError):
        found.append(max(int(limit.read_text()) - int(used.read_text()), 0))
    return min((value for value in found if value), default=4 << 30)


def per_pixel(model: Model) -> float:
    """Bytes that the network takes for one pixel of one frame (or date) at low resolution, measured on a small input.

    The measurement is the growth of this process's peak; where the system does not tell it, or the network runs on a
    GPU, a rule of thumb stands in for it.
    """
    frames = (model.views or PROBE_FRAMES) if model.kind != "image" else 1
    side = max(PROBE_PX, model.facts.smallest) * (1 if frames > 1 else 2)
    least = 3 * 4.0 * model.channels * model.scale**2
    if model.runner.device != "cpu" or not _forget_peak():
        return max(FEATURES * 4.0 * model.scale**2, least)
    before = _field("/proc/self/status", "VmRSS:")
    model.predict(np.zeros((1, frames * model.channels, side, side), np.float32))
    peak = _field("/proc/self/status", "VmHWM:")
    return max((peak - before) / (frames * side * side), least)


def peak() -> int:
    """The most memory that this process has held so far, in bytes; 0 where the system does not tell."""
    return _field("/proc/self/status", "VmHWM:")


def _forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _field(path: str, name: str) -> int:
    """A line such as ``VmRSS:  1234 kB`` in bytes; 0 if there is none."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0
