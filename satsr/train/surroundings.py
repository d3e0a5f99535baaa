"""What surrounds a training: signals that stop it in order, and kernels that give the same bits again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch


@contextmanager
def stopping(patient: bool = False) -> Iterator[list[int]]:
    """A list that receives SIGINT and SIGTERM instead of the process dying; a second signal kills as usual.

    Args:
        patient: a second one does not either: of Ctrl-C torchrun's processes hear from the terminal and from torchrun,
            which kills after half a minute.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if not patient:
            signal.signal(number, previous[number])

    previous: dict[int, Any] = {}
    try:
        for caught in (signal.SIGINT, signal.SIGTERM):
            previous[caught] = signal.signal(caught, note)
    except ValueError:  # not the main thread: signals go to whoever runs us
        yield received
        return
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def deterministic(threads: int | None) -> Iterator[None]:
    """Deterministic kernels and, if given, a fixed number of threads; as before afterwards."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=True)
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
