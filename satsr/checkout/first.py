"""The first ZenML command of a fresh clone makes ZenML's database; others that begin meanwhile wait until it is there.

ZenML makes its tables one by one and notes their version last. Two that begin at once would get in each other's way,
and after a kill it would take half a database for one of many years ago, and refuse every command.
"""

import os
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

from satsr.checkout.moved import DATABASES
from satsr.files import disk_errors

WAIT_SECONDS, TIMES = 0.2, 600
"""How long, and how often, the lock is waited for; it is held by whoever imported ZenML first, be it for nothing."""
ELSEWHERE = ("ZENML_STORE_URL", "ZENML_LOCAL_STORES_PATH")
"""Environment variables by which ZenML's database is not ours."""
VERSION, USER = "SELECT count(*) FROM alembic_version", "SELECT count(*) FROM user"
"""What is there when ZenML has made it: the version of the tables, and last the user in whose name commands work."""
_held: list[object] = []
"""The lock, until this process ends: by then the database is there, and nobody asks for the lock."""


def first(root: Path) -> None:
    """Returns when ZenML's database is there, or when this process alone may make it.

    Raises:
        SatsrError: the checkout cannot be written.
    """
    file, folder = root / DATABASES[1].file, root / ".zenml"
    if made(file) or os.environ.get("ZENML_CONFIG_PATH") != str(folder) or any(map(os.environ.get, ELSEWHERE)):
        return
    from filelock import FileLock, Timeout

    with disk_errors("making ZenML's database"):
        folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "first.lock", fallback_to_soft=False)
    for time in range(TIMES):
        if made(file):
            return
        with suppress(Timeout):
            lock.acquire(timeout=WAIT_SECONDS)
            break
        if not time:
            print("ZenML's database is being made by another process: waiting for it", file=sys.stderr, flush=True)
    if lock.is_locked:
        _held.append(lock)
        if not _asked(file, VERSION):
            file.unlink(missing_ok=True)


def made(file: Path) -> bool:
    """Whether ZenML has made its database, whole."""
    return all(_asked(file, question) for question in (VERSION, USER))


def _asked(file: Path, question: str) -> int:
    """How many rows there are, none where there is no such table or file. What cannot be read is ZenML's to tell."""
    if not file.is_file():
        return 0
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            ((count,),) = connection.execute(question).fetchall()
        except sqlite3.Error as error:
            return 0 if "no such table" in str(error) else 1
    return int(count)
