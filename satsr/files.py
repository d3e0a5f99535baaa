"""Files that are either complete or absent: written under a temporary name, flushed to disk, then renamed."""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

DISK_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the disk takes no larger file",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
}

NOT_HELD = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EBADF)
"""What file systems say that know no locks on folders."""
OF_OTHERS = (BlockingIOError, FileNotFoundError, NotADirectoryError, PermissionError)
"""Another process works in the folder or has just removed it, or it is another user's."""
REPLACED = "replaced"
AT_ONCE = 8
"""Processes that replace one path at the same time, of whose folders none is overlooked when they are killed."""
DAY = 86400.0
"""Seconds after whose last change a folder that cannot be held is taken for that of a killed process."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; on success it is flushed and takes the place of ``path``.

    Works for a file and for a folder (the old folder goes away in the same moment). When the body raises, nothing is
    left behind and ``path`` is as it was; what a killed process left is removed by the next one that replaces ``path``
    (after a day, on file systems that know no locks on folders).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(path) as folder:
        temporary = folder / path.name
        yield temporary
        if temporary.is_file():
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
        if path.is_dir():
            path.rename(folder / REPLACED)
        temporary.replace(path)


@contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` that no other process uses: it is held as long as this one lives."""
    folder, handle = _claimed(path)
    try:
        _clear(folder, path)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _claimed(path: Path) -> tuple[Path, int | None]:
    """The first of the hidden folders of ``path`` that nobody holds, and what holds it; the others are swept."""
    for number in count() if fcntl is not None else ():
        folder = path.parent / f".{path.name}.{number}.tmp"
        with suppress(FileExistsError):
            folder.mkdir(0o700)
        try:
            handle = _held(folder)
        except OF_OTHERS:
            continue
        except OSError as error:
            if error.errno not in NOT_HELD:
                raise
            with suppress(OSError):
                folder.rmdir()
            break
        _sweep(path, number)
        return folder, handle
    return _new(path), None


def _sweep(path: Path, own: int) -> None:
    """Removes what killed processes left in the folders of ``path`` with other numbers than one's own."""
    for number in range(AT_ONCE):
        folder = path.parent / f".{path.name}.{number}.tmp"
        if number != own and folder.exists():
            with suppress(OSError), ExitStack() as stack:
                stack.callback(os.close, _held(folder))
                _remove(folder, path)


def _new(path: Path) -> Path:
    """A folder of one's own where folders cannot be held; those that nobody has changed for a day are removed first."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.free-????????.tmp"):
        with suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (left, *left.rglob("*"))) > DAY:
                _remove(left, path)
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.free-", suffix=".tmp", dir=path.parent))


def _held(folder: Path) -> int:
    """A handle that holds the folder until it is closed.

    Raises:
        BlockingIOError: another process holds it.
        FileNotFoundError: it was removed.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(handle).st_nlink:
            raise FileNotFoundError(folder)
    except OSError:
        os.close(handle)
        raise
    return handle


def _clear(folder: Path, path: Path) -> None:
    """Removes what a killed process left in the folder, after putting back what it had just taken away."""
    if (folder / REPLACED).is_dir() and not path.exists():
        (folder / REPLACED).rename(path)
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _remove(folder: Path, path: Path) -> None:
    _clear(folder, path)
    folder.rmdir()


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with sorted keys and a final newline, atomically; NaN and infinity become null."""
    write_text(path, json.dumps(finite(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """``value`` with every NaN and infinity replaced by None, so that it is valid JSON."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        SatsrError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SatsrError(f"{path} does not exist: run the stage that makes it first.") from None
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits
        raise SatsrError(f"{path} is not valid JSON ({error}): delete it and run its stage again.") from None


def sha256(path: Path) -> str:
    """Hex digest of a file, read in pieces of 1 MiB."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Refuses to start what cannot end.

    Raises:
        SatsrError: the disk of ``folder`` has fewer than ``needed`` bytes free.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise SatsrError(
            f"{purpose} needs {needed / 1e9:.2f} GB in {folder}, but only {free / 1e9:.2f} GB are free: "
            "free some space or move the project to a larger disk."
        )


@contextmanager
def disk_errors(purpose: str) -> Iterator[None]:
    """Turns what a disk refuses (:data:`DISK_REASONS`) into sentences."""
    try:
        yield
    except OSError as error:
        reason = DISK_REASONS.get(error.errno or 0)
        if reason is None:
            raise
        with suppress(AttributeError):
            purpose = f"{purpose} ({error.filename})" if error.filename else purpose
        raise SatsrError(f"{purpose} stopped because {reason}; what existed before is unchanged.") from error


def files_below(root: Path) -> list[Path]:
    """All files in ``root`` and its folders, in no order; links are followed, hidden names left out."""
    found = []
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in names if not name.startswith(".")]
    return found


def natural(text: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A sort key by which ``clip2`` comes before ``clip10``; the text itself decides between 1 and 01."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(False, int(part), "") if part.isdigit() else (True, 0, part) for part in parts], text
