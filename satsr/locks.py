"""One process at a time per file or folder; a killed process leaves no lock behind."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from satsr.errors import SatsrError

POLL_SECONDS = 0.1


@contextmanager
def locked(path: Path, timeout: float = 3600.0) -> Iterator[None]:
    """Holds the lock of ``path`` (a hidden file beside it), waiting up to ``timeout`` seconds for another process.

    The operating system releases the lock when its holder dies, so nothing has to be cleaned up by hand.

    Raises:
        SatsrError: another process held the lock for the whole time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.parent / f".{path.name}.lock"
    deadline = time.monotonic() + timeout
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        # The holder removes the file when it ends: a lock on a file that is no longer there protects nothing.
        if _take(descriptor) and _is_same(descriptor, file):
            break
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise SatsrError(f"another process has been working on {path} for {timeout:.0f} s: wait for it, or end it.")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if sys.platform != "win32":
            file.unlink(missing_ok=True)
        os.close(descriptor)


def remove_stale(path: Path) -> None:
    """Removes what killed processes left of ``path`` (see :func:`satsr.files.replacing`); call it under the lock."""
    marker = f".{path.name}."
    for folder in path.parent.iterdir():
        if folder.name.startswith(marker) and folder.name.endswith(".tmp") and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _take(descriptor: int) -> bool:
    with suppress(OSError):
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _is_same(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
