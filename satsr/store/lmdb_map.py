"""LMDB files opened for reading: once per process, safe after a fork, and never beyond the end of the file."""

import os
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb

from satsr.errors import SatsrError
from satsr.store.lmdb_pages import check

DATA = "data.mdb"


class LmdbMap:
    """An open environment with one kept read transaction; get it from :func:`open_map`.

    Attributes:
        pid: the process that opened it.
    """

    def __init__(self, folder: Path) -> None:
        self.pid = os.getpid()
        # No lock file: what is read here is finished. No read-ahead: crops are small and random.
        self._env = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        self._transaction = self._env.begin(buffers=True)
        self._guard = threading.Lock()

    def get(self, key: bytes) -> Any:
        """A view of the value in the map, or None. Copy what you need before the map is closed."""
        with self._guard:
            return self._transaction.get(key)

    def close(self) -> None:
        """Unmaps the file in this process; a parent process keeps its own map."""
        self._transaction.abort()
        self._env.close()


# LMDB refuses to open a file twice in one process, so all who read it share what is open.
_OPEN: WeakValueDictionary[tuple[int, int], LmdbMap] = WeakValueDictionary()
_OPENING = threading.Lock()


def open_map(folder: Path) -> LmdbMap:
    """The map of ``folder``'s ``data.mdb`` in this process; it closes when nobody holds it any more.

    Raises:
        SatsrError: the file is missing, is not LMDB, is cut off, or its pages lead elsewhere (reading it would end in
            SIGBUS).
    """
    file = folder / DATA
    try:
        status = file.stat()
        identity = (status.st_dev, status.st_ino)
        with _OPENING:
            opened = _OPEN.get(identity)
            if opened is not None and opened.pid != os.getpid():
                opened.close()  # inherited by a fork; LMDB wants each process to open its own
                opened = None
            if opened is None:
                check(file)
                opened = LmdbMap(folder)
                _OPEN[identity] = opened
            return opened
    except (lmdb.Error, OSError) as error:
        raise SatsrError(f"{file} cannot be opened ({error}): copy or make it again.") from None
