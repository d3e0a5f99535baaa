"""How much memory there is, and how much a network takes for each pixel."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from satsr.exported.model import Model

FIXED = 500 << 20  # Python with its libraries
PROBE_PX = 64
PROBE_FRAMES = 5
# Where nothing can be measured: feature maps of 4 bytes at the output's resolution. A reduced RASVSR takes 190.
FEATURES = 200


@dataclass(frozen=True)
class Budget:
    """What there is, and what a network takes.

    Attributes:
        free: bytes of memory.
        per_pixel: bytes for one pixel of one frame at low resolution.
    """

    free: int
    per_pixel: float


def budget(model: "Model") -> Budget:
    """Measures both."""
    return Budget(available(model.runner.device), per_pixel(model))


_most: ContextVar[int | None] = ContextVar("most", default=None)


@contextlib.contextmanager
def limited(most: int | None) -> Iterator[None]:
    """Lets this process take no more memory than ``most`` bytes in all; None for no limit beside the system's."""
    token = _most.set(most)
    try:
        yield
    finally:
        _most.reset(token)


def available(device: str = "cpu") -> int:
    """Bytes that can be taken without swapping, also inside a container with a limit, and on the GPU if it is one."""
    found = [_field("/proc/meminfo", "MemAvailable:")]
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    with contextlib.suppress(OSError, ValueError):
        found.append(max(int(limit.read_text()) - int(used.read_text()), 0))
    if (most := _most.get()) is not None:
        found.append(max(most - resident(), 1))
    if device != "cpu":
        found.append(_free_on_gpu())
    return min((value for value in found if value), default=4 << 30)


def per_pixel(model: "Model") -> float:
    """Bytes that the network takes for one pixel of one frame (or date) at low resolution, measured on a small input.

    The measurement is the growth of this process's peak, or on a GPU what its libraries keep afterwards; where the
    system does not tell it, a rule of thumb stands in for it.
    """
    frames = (model.views or PROBE_FRAMES) if model.kind != "image" else 1
    side = max(PROBE_PX, model.facts.smallest) * (1 if frames > 1 else 2)
    least = 3 * 4.0 * model.channels * model.scale**2

    def probe(side: int) -> None:
        model.predict(np.zeros((1, frames * model.channels, side, side), np.float32))

    if model.runner.device == "cpu":
        known = _forget_peak()
        before = resident()
        probe(side)
        taken = peak() - before
    else:
        probe(model.facts.smallest)  # what the libraries take once
        before = _free_on_gpu()
        known = before > 0
        probe(side)
        taken = before - _free_on_gpu()
    return max(taken / (frames * side * side) if known else FEATURES * 4.0 * model.scale**2, least)


def peak() -> int:
    """The most memory that this process has held so far, in bytes; 0 where the system does not tell."""
    return _field("/proc/self/status", "VmHWM:")


def resident() -> int:
    """The memory that this process holds now, in bytes; 0 where the system does not tell."""
    return _field("/proc/self/status", "VmRSS:")


def _forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _free_on_gpu() -> int:
    """Bytes; 0 where torch sees no GPU."""
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else 0


def _field(path: str, name: str) -> int:
    """A line such as ``VmRSS:  1234 kB`` in bytes; 0 if there is none."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0
