"""One process at a time per file or folder; a killed process leaves no lock behind."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from satsr.errors import SatsrError


@contextmanager
def locked(path: Path, timeout: float = 3600.0, busy: str | None = None) -> Iterator[None]:
    """Holds the lock of ``path`` (a hidden file beside it), waiting up to ``timeout`` seconds for another process.

    The operating system releases the lock when its holder dies, so nothing has to be cleaned up by hand.

    Args:
        path: what the lock is for; it need not exist.
        timeout: in seconds.
        busy: what is said when it is over; by default that another process works on ``path``.

    Raises:
        SatsrError: another process held the lock for the whole time.
    """
    from filelock import FileLock, Timeout  # brings asyncio, which nothing else needs

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock", fallback_to_soft=False)
    try:
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


def remove_stale(path: Path) -> None:
    """Removes what killed processes left of ``path`` (see :func:`satsr.files.replacing`); call it under the lock."""
    marker = f".{path.name}."
    for folder in path.parent.iterdir():
        if folder.name.startswith(marker) and folder.name.endswith(".tmp") and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
