"""Processes that end at a chosen moment: before or after they put a certain file in its place."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path


def apart(target: Callable[..., object], *arguments: object) -> int:
    """The exit code of a process that does it, which shares what was imported here."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def struck(
    place: int, after: bool, what: Callable[..., object], *arguments: object, number: int = signal.SIGKILL
) -> None:
    """Does it, and sends this process a signal before or after the rename that comes at the place."""
    replace, places = Path.replace, count()

    def replaced(self: Path, target: Path) -> Path:
        here = next(places) == place
        if here and not after:
            os.kill(os.getpid(), number)
        found = replace(self, target)
        if here and after:
            os.kill(os.getpid(), number)
        return found

    Path.replace = replaced
    what(*arguments)
