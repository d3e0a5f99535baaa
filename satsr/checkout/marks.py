"""DVC's marks of running commands: which process reads and writes which files now, in ``.dvc/tmp/rwlock``.

DVC writes them in place, so that a kill may leave half of the file, which then stops every command. It takes the mark
of a killed process for one of whichever process has that number by now; in containers numbers are soon given again.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from satsr.files import write_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE, GUARD = Path(".dvc/tmp/rwlock"), Path(".dvc/tmp/rwlock.lock")
"""The marks, and the lock under which they are changed."""


def left(root: Path) -> str:
    """What killed commands left of their marks, in words; empty where there is nothing."""
    marks = _read(root)
    if marks is None:
        return f"{FILE} is cut off, as after a DVC command that was killed while it wrote the file"
    gone = sorted(_gone(marks, root))
    return f"{FILE} has marks of processes that are gone ({', '.join(map(str, gone))})" if gone else ""


def sweep(root: Path) -> None:
    """Removes what :func:`left` tells of."""
    if fcntl is None or not left(root):
        return
    with (root / GUARD).open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        marks = _read(root)  # again: another process may have been faster
        if marks is None:
            (root / FILE).unlink()
            return
        gone = _gone(marks, root)
        writers = {path: one for path, one in marks["write"].items() if one["pid"] not in gone}
        readers = {path: [one for one in some if one["pid"] not in gone] for path, some in marks["read"].items()}
        kept = {"write": writers, "read": {path: some for path, some in readers.items() if some}}
        write_text(root / FILE, json.dumps(kept))


def _read(root: Path) -> dict[str, Any] | None:
    """The marks; None where they cannot be read."""
    try:
        found = json.loads((root / FILE).read_text(encoding="utf-8"))
        marks = {kind: dict(found.get(kind, {})) for kind in ("write", "read")}
        list(_processes(marks))
    except FileNotFoundError:
        return {"write": {}, "read": {}}
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    return marks


def _processes(marks: dict[str, Any]) -> Iterator[int]:
    for one in (*marks["write"].values(), *(one for some in marks["read"].values() for one in some)):
        yield int(one["pid"])


def _gone(marks: dict[str, Any], root: Path) -> set[int]:
    """The processes that ended, or began after the last mark was made: another one of that number made it."""
    numbers = set(_processes(marks))
    written = (root / FILE).stat().st_mtime if numbers else 0.0
    return {pid for pid in numbers - {os.getpid()} if not _lives(pid, written)}


def _lives(pid: int, written: float) -> bool:
    try:
        return float(psutil.Process(pid).create_time()) <= written + 1.0
    except psutil.NoSuchProcess:
        return False
