"""The frame store: an LMDB of raw arrays with a manifest, read by crops without copying whole frames.

A store is a folder with ``data.mdb`` and ``manifest.json``. It holds *scenes*; a scene belongs to a split and has named
*roles* (``hr``, ``lr``, ``qm``...), each a list of arrays in their native type, images in RGB order, and a dictionary of
metadata. The manifest is written last and holds the shape, type and CRC-32 of every array and the size and SHA-256 of
``data.mdb``: a folder without it is incomplete, and a damaged file is found before LMDB maps it (reading a truncated
map ends in SIGBUS).
"""

import hashlib
import os
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb
import numpy as np

from satsr.errors import SatsrError
from satsr.files import read_json, replacing, sha256, write_json

FORMAT = 1
MANIFEST = "manifest.json"
DATA = "data.mdb"
MAX_KEY = 511
FIRST_MAP = 1 << 24
COMMIT_BYTES = 1 << 26
Window = tuple[int, int, int, int]


def key_of(split: str, scene: str, role: str, index: int) -> bytes:
    """The LMDB key of an array: its path in ASCII, or a digest of it where LMDB could not take the path itself."""
    path = f"{split}/{scene}/{role}/{index:08d}"
    if path.isascii() and len(path) <= MAX_KEY:
        return path.encode("ascii")
    digest = hashlib.sha256(f"{split}/{scene}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"sha256:{digest}/{role}/{index:08d}".encode("ascii", "backslashreplace")[:MAX_KEY]


class StoreWriter:
    """Writes a store into a temporary folder that takes the place of ``path`` when the ``with`` block ends well.

    The same arrays put in the same order give the same bytes. When the block raises, ``path`` is as it was.

    Args:
        path: the folder to make.
        card: the dataset card as plain values.
        settings: what else decided the content (scale, split...), for the manifest.
    """

    def __init__(self, path: Path, card: dict[str, Any], settings: dict[str, Any] | None = None) -> None:
        self.path, self.card, self.settings = path, card, settings or {}
        self._scenes: dict[tuple[str, str], dict[str, Any]] = {}
        self._owners: dict[bytes, str] = {}
        self._pending: list[tuple[bytes, bytes]] = []
        self._pending_bytes = 0
        self._bytes = 0

    def __enter__(self) -> "StoreWriter":
        self._replacing = replacing(self.path)
        self._folder = self._replacing.__enter__()
        self._folder.mkdir()
        self._env = lmdb.open(str(self._folder), map_size=FIRST_MAP, sync=False, metasync=False)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            self._env.close()
            self._replacing.__exit__(kind, error, traceback)
            return
        try:
            self._finish()
        except BaseException as problem:
            self._env.close()
            with suppress(type(problem)):
                self._replacing.__exit__(type(problem), problem, problem.__traceback__)
            raise
        self._replacing.__exit__(None, None, None)

    def put(self, split: str, scene: str, role: str, index: int, array: np.ndarray) -> None:
        """Adds one array; ``index`` counts from 0 within the role.

        Raises:
            SatsrError: the array is empty or not numeric, the place is taken, or the disk is full.
        """
        where = f"{split}/{scene}/{role}/{index}"
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif" or not array.size:
            raise SatsrError(f"{where}: a store holds arrays of numbers, found {_kind(array)}.")
        key = key_of(split, scene, role, index)
        if key in self._owners:
            raise SatsrError(
                f"{where} and {self._owners[key]} would take the same place in the store: give one of them another name."
            )
        self._owners[key] = where
        value = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        entry = self._entry(split, scene)["roles"].setdefault(role, {})
        entry[index] = (list(array.shape), np.dtype(array.dtype).newbyteorder("<").str, zlib.crc32(value))
        self._bytes += len(value)
        self._pending.append((key, value))
        self._pending_bytes += len(value)
        if self._pending_bytes >= COMMIT_BYTES:
            self._commit()

    def describe(self, split: str, scene: str, meta: dict[str, Any]) -> None:
        """Adds metadata (JSON values) to a scene."""
        self._entry(split, scene)["meta"].update(meta)

    def _entry(self, split: str, scene: str) -> dict[str, Any]:
        return self._scenes.setdefault((split, scene), {"split": split, "id": scene, "roles": {}, "meta": {}})

    def _commit(self) -> None:
        """One transaction; a full map is doubled and the transaction repeated, so the bytes do not depend on luck."""
        while self._pending:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, value in self._pending:
                        transaction.put(key, value)
                self._pending, self._pending_bytes = [], 0
            except lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])
            except lmdb.Error as error:
                raise SatsrError(_disk_sentence(self.path, str(error))) from error

    def _finish(self) -> None:
        self._commit()
        scenes = [_described(self._scenes[key]) for key in sorted(self._scenes)]
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise SatsrError(_disk_sentence(self.path, str(error))) from error
        self._env.close()
        (self._folder / "lock.mdb").unlink(missing_ok=True)
        data = self._folder / DATA
        write_json(
            self._folder / MANIFEST,
            {
                "format": FORMAT,
                "card": self.card,
                "settings": self.settings,
                "scenes": scenes,
                "arrays": len(self._owners),
                "bytes": self._bytes,
                "data": {"bytes": data.stat().st_size, "sha256": sha256(data)},
            },
        )


class Store:
    """A finished store. It can be pickled and shared with forked or spawned workers: each process opens it by itself.

    Opening compares the size of ``data.mdb`` with the manifest; :meth:`verify` compares its SHA-256.

    Raises:
        SatsrError: the folder is missing, incomplete, damaged or of another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()
        if not (self.path / MANIFEST).is_file():
            state = "is incomplete (it has no manifest.json)" if self.path.exists() else "does not exist"
            raise SatsrError(f"the store {path} {state}: run the convert stage.")
        self.manifest: dict[str, Any] = read_json(self.path / MANIFEST)
        found = self.manifest.get("format") if isinstance(self.manifest, dict) else None
        if found != FORMAT:
            raise SatsrError(
                f"the store {path} has format {found}, this version reads {FORMAT}: run the convert stage again."
            )
        self._check_size()
        self._opened: _Opened | None = None
        self._scenes = [Scene(self, entry) for entry in self.manifest["scenes"]]

    @property
    def splits(self) -> list[str]:
        """The names of the splits, sorted."""
        return sorted({scene.split for scene in self._scenes})

    def scenes(self, split: str) -> list["Scene"]:
        """The scenes of a split, sorted by id; none for a split that does not exist."""
        return [scene for scene in self._scenes if scene.split == split]

    def verify(self) -> None:
        """Reads ``data.mdb`` once and compares it with the manifest.

        Raises:
            SatsrError: the file was truncated or altered.
        """
        self._check_size()
        expected, found = self.manifest["data"]["sha256"], sha256(self.path / DATA)
        if found != expected:
            raise SatsrError(
                f"{self.path / DATA} was altered: expected sha256 {expected}, found {found}. Run the convert stage again."
            )

    def opened(self) -> "_Opened":
        """This process's open map of the file."""
        if self._opened is None or self._opened.pid != os.getpid():
            self._check_size()
            self._opened = _open(self.path)
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _check_size(self) -> None:
        expected = self.manifest["data"]["bytes"]
        file = self.path / DATA
        found = file.stat().st_size if file.is_file() else None
        if found != expected:
            raise SatsrError(
                f"{file} is damaged: expected {expected} bytes, found {'no file' if found is None else found}. "
                "Run the convert stage again."
            )


class Scene:
    """One scene of a store.

    Attributes:
        split: for instance ``train`` or ``val``.
        id: its name, unique within the split.
        meta: what was recorded about it.
    """

    def __init__(self, store: Store, entry: dict[str, Any]) -> None:
        self._store, self._entry = store, entry
        self.split: str = entry["split"]
        self.id: str = entry["id"]
        self.meta: dict[str, Any] = entry["meta"]

    def __repr__(self) -> str:
        return f"Scene({self.split}/{self.id}: {', '.join(f'{role} {self.count(role)}' for role in self.roles)})"

    @property
    def roles(self) -> list[str]:
        """The names of the roles, sorted."""
        return sorted(self._entry["roles"])

    def count(self, role: str) -> int:
        """How many arrays a role has; 0 for a role that the scene does not have."""
        entry = self._entry["roles"].get(role)
        return entry["count"] if entry else 0

    def shape(self, role: str, index: int = 0) -> tuple[int, ...]:
        """(H, W, C) or (H, W) of one array."""
        return tuple(_pick(self._role(role)["shapes"], self._index(role, index)))

    def dtype(self, role: str) -> np.dtype[Any]:
        """The type of a role's arrays."""
        return np.dtype(self._role(role)["dtype"])

    def read(self, role: str, index: int, window: Window | None = None) -> np.ndarray:
        """A copy of one array or of a window of it; nothing but the window is copied.

        Args:
            role: for instance ``"hr"``.
            index: from 0.
            window: (top, left, height, width) in pixels, inside the array.

        Raises:
            SatsrError: no such array.
            ValueError: the window does not lie inside the array.
        """
        entry = self._role(role)
        if not 0 <= index < entry["count"]:
            self._index(role, index)
        buffer = self._store.opened().get(key_of(self.split, self.id, role, index))
        if buffer is None:
            raise SatsrError(
                f"{self._store.path} lacks {self.split}/{self.id}/{role}/{index}: run the convert stage again."
            )
        array: np.ndarray = np.frombuffer(buffer, entry["dtype"]).reshape(_pick(entry["shapes"], index))
        if window is not None:
            top, left, height, width = window
            if min(window) < 0 or top + height > array.shape[0] or left + width > array.shape[1]:
                raise ValueError(f"window {window} does not lie inside {role} of {self.id}, {array.shape[:2]}")
            array = array[top : top + height, left : left + width]
        return array.copy()

    def crc32(self, role: str, index: int) -> int:
        """The CRC-32 of one array's bytes, as recorded when it was written: equal frames have equal values."""
        value: int = self._role(role)["crc32"][self._index(role, index)]
        return value

    def _role(self, role: str) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = self._entry["roles"][role]
        except KeyError:
            raise SatsrError(
                f"scene {self.split}/{self.id} has no role {role!r}: it has {', '.join(self.roles)}."
            ) from None
        return entry

    def _index(self, role: str, index: int) -> int:
        if not 0 <= index < self.count(role):
            raise SatsrError(
                f"scene {self.split}/{self.id} has {self.count(role)} arrays of {role}, not number {index}."
            )
        return index


class _Opened:
    """An environment with one kept read transaction, for the process that opened it."""

    def __init__(self, path: Path) -> None:
        self.pid = os.getpid()
        # No lock file: a finished store is never written. No read-ahead: crops are small and random.
        self._env = lmdb.open(str(path), readonly=True, lock=False, readahead=False)
        self._transaction = self._env.begin(buffers=True)
        self._guard = threading.Lock()

    def get(self, key: bytes) -> Any:
        """A view of the value in the map, or None."""
        with self._guard:
            return self._transaction.get(key)

    def close(self) -> None:
        """Unmaps the file in this process; a parent process keeps its own map."""
        self._transaction.abort()
        self._env.close()


# LMDB refuses to open a file twice in one process, so the Store objects of a process share what is open in it.
_OPENED: WeakValueDictionary[tuple[int, int], _Opened] = WeakValueDictionary()
_OPENING = threading.Lock()


def _open(path: Path) -> _Opened:
    status = (path / DATA).stat()
    identity = (status.st_dev, status.st_ino)
    with _OPENING:
        opened = _OPENED.get(identity)
        if opened is not None and opened.pid != os.getpid():
            opened.close()  # inherited by a fork, which LMDB does not support
            opened = None
        if opened is None:
            try:
                opened = _OPENED[identity] = _Opened(path)
            except lmdb.Error as error:
                raise SatsrError(f"{path / DATA} cannot be opened ({error}): run the convert stage again.") from None
        return opened


def _described(entry: dict[str, Any]) -> dict[str, Any]:
    """A scene for the manifest: its arrays by role, one shape where all are equal.

    Raises:
        SatsrError: a role has a gap or mixed types.
    """
    roles = {}
    for role, arrays in sorted(entry["roles"].items()):
        where = f"{entry['split']}/{entry['id']}/{role}"
        missing = sorted(set(range(max(arrays) + 1)) - set(arrays))
        if missing:
            raise SatsrError(f"{where} was written up to {max(arrays)}, but without {missing}.")
        shapes, types, checks = zip(*(arrays[index] for index in range(len(arrays))), strict=True)
        if len(set(types)) > 1:
            raise SatsrError(f"{where} mixes the types {', '.join(sorted(set(types)))}: a role has one.")
        same = all(shape == shapes[0] for shape in shapes)
        roles[role] = {
            "count": len(arrays),
            "dtype": types[0],
            "shapes": [shapes[0]] if same else list(shapes),
            "crc32": list(checks),
        }
    return {**entry, "roles": roles}


def _pick(shapes: list[list[int]], index: int) -> list[int]:
    return shapes[0] if len(shapes) == 1 else shapes[index]


def _kind(array: Any) -> str:
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__


def _disk_sentence(path: Path, reason: str) -> str:
    return (
        f"writing the store {path} stopped ({reason}): free some space and start again; nothing was left half-written."
    )
