"""One process at a time per file or folder; a killed process leaves no lock behind."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from satsr.errors import SatsrError

MONTH = 30 * 86400.0
"""Seconds; longer than a training takes."""


@contextmanager
def locked(path: Path, timeout: float = 3600.0, busy: str | None = None, waiting: str | None = None) -> Iterator[None]:
    """Holds the lock of ``path`` (a hidden file beside it), waiting up to ``timeout`` seconds for another process.

    The operating system releases the lock when its holder dies, so nothing has to be cleaned up by hand.

    Args:
        path: what the lock is for; it need not exist.
        timeout: in seconds.
        busy: what is said when it is over; by default that another process works on ``path``.
        waiting: what is said meanwhile, once, on the terminal.

    Raises:
        SatsrError: another process held the lock for the whole time.
    """
    from filelock import FileLock, Timeout  # brings asyncio, which nothing else needs

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock", fallback_to_soft=False)
    try:
        if waiting:
            with suppress(Timeout):
                lock.acquire(timeout=0)
            if not lock.is_locked:
                print(waiting, file=sys.stderr, flush=True)
        if not lock.is_locked:
            lock.acquire(timeout=timeout)
    except Timeout:
        waited = f"another process has been working on {path} for {timeout:.0f} s: wait for it, or end it."
        raise SatsrError(busy or waited) from None
    try:
        yield
    finally:
        if sys.platform != "win32":  # while it is held: who waits for a file that is gone makes a new one
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def held(path: Path) -> bool:
    """Whether somebody, be it this process, holds the lock of ``path`` now."""
    if not (path.parent / f".{path.name}.lock").exists():
        return False
    try:
        with locked(path, timeout=0):
            return False
    except SatsrError:
        return True


def held_in(folder: Path) -> list[Path]:
    """That of which somebody, be it this process, holds the lock now, in a folder and in those that lie in it."""
    files = sorted((*folder.glob(".*.lock"), *folder.glob("*/.*.lock")))
    return [path for file in files if held(path := file.with_name(file.name[1:].removesuffix(".lock")))]


def turn(scratch: Path, stage: str, paper: str, purpose: str = "") -> AbstractContextManager[None]:
    """Held while a stage runs: a second pipeline of the same clone waits.

    At the ZenML door it then finds the work done; ``python -m steps`` alone asks no cache and does it again. The others
    of one distributed training (torchrun) run beside its first process.

    Args:
        scratch: the paper's folder for what is unfinished.
        stage: its name.
        paper: whose stage.
        purpose: another word makes another lock.

    Raises:
        SatsrError: another process was in the stage for a month.
    """
    if int(os.environ.get("RANK", "0")) > 0:
        return nullcontext()
    said = f"{stage} of {paper} is running in another process of this clone: waiting for it"
    return locked(scratch / f"{stage}{purpose}", MONTH, waiting=said)
