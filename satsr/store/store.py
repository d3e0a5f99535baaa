"""The frame store: an LMDB of raw arrays with a manifest, read by crops without copying whole frames.

A store is a folder with ``data.mdb`` and ``manifest.json``. It holds *scenes*; a scene belongs to a split and has
metadata and named *roles* (``hr``, ``lr``, ``qm``...), each a list of arrays in their native type, images in RGB order.
The manifest is written last and holds the shape, type and CRC-32 of every array and the size and SHA-256 of
``data.mdb``: a folder without it is incomplete, and a damaged file is found before LMDB maps it (reading a truncated
map ends in SIGBUS).
"""

import hashlib
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import getpid
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from satsr.errors import SatsrError
from satsr.files import read_json, replacing, sha256, write_json
from satsr.store.lmdb_map import DATA, LmdbMap, open_map
from satsr.store.manifest import well_formed

FORMAT = 1
MANIFEST = "manifest.json"
MAX_PREFIX = 511 - len("/") - 32 - len("/00000000")
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
FIRST_MAP = 1 << 24
COMMIT_BYTES = 12 << 20
SPARE_BYTES = 1 << 24
Window = tuple[int, int, int, int]


def key_prefix(split: str, scene: str) -> str:
    """Where the keys of a scene begin: ``split/scene``, or a digest of it where LMDB could not take that as a key."""
    prefix = f"{split}/{scene}"
    if prefix.isascii() and len(prefix) <= MAX_PREFIX:
        return prefix
    return f"{split}/sha256:{hashlib.sha256(prefix.encode('utf-8', 'surrogateescape')).hexdigest()}"


class StoreWriter:
    """Writes a store into a temporary folder that takes the place of ``path`` when the ``with`` block ends well.

    The same arrays put in the same order give the same bytes. When the block raises, ``path`` is as it was.

    Args:
        path: the folder to make.
        card: the dataset card as plain values.
        settings: what else decided the content (scale, split...), for the manifest.
        division: by split, a sentence that says how it came about, for the manifest.
    """

    def __init__(
        self,
        path: Path,
        card: dict[str, Any],
        settings: dict[str, Any] | None = None,
        division: dict[str, str] | None = None,
    ) -> None:
        self.path, self.card, self.settings, self.division = path, card, settings or {}, division or {}
        self._scenes: dict[tuple[str, str], dict[str, Any]] = {}
        self._owners: dict[bytes, str] = {}
        self._waiting = np.empty(COMMIT_BYTES + SPARE_BYTES, np.uint8)
        self._pending: list[tuple[bytes, memoryview]] = []
        self._pending_bytes = 0
        self._bytes = 0

    def __enter__(self) -> "StoreWriter":
        with ExitStack() as stack, self._sentences():
            self._folder = stack.enter_context(replacing(self.path))
            self._folder.mkdir()
            self._env = lmdb.open(str(self._folder), map_size=FIRST_MAP, sync=False, metasync=False)
            stack.push(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _close(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._env.close()

    def put(self, split: str, scene: str, role: str, index: int, array: np.ndarray) -> None:
        """Adds one array; ``index`` counts from 0 within the role.

        Raises:
            SatsrError: the array is empty or not numeric, the place is taken, or the disk is full.
        """
        where = f"{split}/{scene}/{role}/{index}"
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif" or not array.size:
            raise SatsrError(f"{where}: a store holds arrays of numbers, found {_kind(array)}.")
        for name in (split, role):
            if not NAME.fullmatch(name):
                raise SatsrError(f"{where}: {name!r} must be 1 to 32 letters, digits, - or _.")
        entry = self._entry(split, scene)
        key = f"{entry['key']}/{role}/{index:08d}".encode("ascii")
        if key in self._owners:
            raise SatsrError(
                f"{where} and {self._owners[key]} would take the same place in the store: rename one of them."
            )
        self._owners[key] = where
        value = self._kept(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")))
        facts = (list(array.shape), array.dtype.newbyteorder("<").str, zlib.crc32(value))
        entry["roles"].setdefault(role, {})[index] = facts
        self._bytes += value.nbytes
        self._pending.append((key, value))
        self._pending_bytes += value.nbytes
        if self._pending_bytes >= COMMIT_BYTES:
            self._commit()

    def _kept(self, array: np.ndarray) -> memoryview:
        """A copy of its bytes until they are written, in memory that every commit uses again."""
        flat = array.reshape(-1).view(np.uint8)
        room = self._waiting[self._pending_bytes : self._pending_bytes + flat.nbytes]
        if room.nbytes < flat.nbytes:  # larger than what is held back for it
            return memoryview(flat.tobytes())
        np.copyto(room, flat)
        return room.data

    def describe(self, split: str, scene: str, meta: dict[str, Any]) -> None:
        """Adds metadata (JSON values) to a scene."""
        self._entry(split, scene)["meta"].update(meta)

    def _entry(self, split: str, scene: str) -> dict[str, Any]:
        if (split, scene) not in self._scenes:
            key = key_prefix(split, scene)
            self._scenes[split, scene] = {"split": split, "id": scene, "key": key, "roles": {}, "meta": {}}
        return self._scenes[split, scene]

    def _commit(self) -> None:
        """One transaction; a full map is doubled and the transaction repeated, so that the map grows by itself."""
        while self._pending:
            try:
                with self._sentences(), self._env.begin(write=True) as transaction:
                    for key, value in self._pending:
                        transaction.put(key, value)
                self._pending, self._pending_bytes = [], 0
            except lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except lmdb.MapFullError:
            raise
        except lmdb.Error as error:
            # LMDB tells of a full disk as an input/output error.
            full = shutil.disk_usage(self.path.parent).free < self._pending_bytes + (1 << 20)
            reason = "the disk is full" if full else str(error)
            raise SatsrError(
                f"writing the store {self.path} stopped ({reason}): free some space and start again; "
                "what existed before is unchanged."
            ) from error

    def _finish(self) -> None:
        self._commit()
        scenes = [_described(self._scenes[key]) for key in sorted(self._scenes)]
        with self._sentences():
            self._env.sync(True)
        self._env.close()
        (self._folder / "lock.mdb").unlink(missing_ok=True)
        data = self._folder / DATA
        write_json(
            self._folder / MANIFEST,
            {
                "format": FORMAT,
                "card": self.card,
                "settings": self.settings,
                "division": self.division,
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
        if not well_formed(self.manifest):
            raise SatsrError(f"{self.path / MANIFEST} is not what convert wrote: run the convert stage again.")
        self._check_size()
        self._opened: LmdbMap | None = None
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
                f"{self.path / DATA} was altered: expected sha256 {expected}, found {found}. Run convert again."
            )

    def opened(self) -> LmdbMap:
        """This process's open map of the file."""
        if self._opened is None or self._opened.pid != getpid():
            self._check_size()
            self._opened = open_map(self.path)
        return self._opened

    def close(self) -> None:
        """Gives back the map and the memory of what was read through it; the next reading opens it again."""
        self._opened = None

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
        split: for instance ``train``, ``val`` or ``test``.
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
        found: np.dtype[Any] = np.dtype(self._role(role)["dtype"])
        return found

    def read(self, role: str, index: int, window: Window | None = None) -> np.ndarray:
        """A copy of one array or of a window of it; nothing but the window is copied.

        The arguments and what is raised are those of :meth:`view`.
        """
        return self.view(role, index, window).copy()

    def view(self, role: str, index: int, window: Window | None = None) -> np.ndarray:
        """One array or a window of it, read-only, in the map itself: to be copied or used up at once.

        Once the store was closed (:meth:`Store.close`, or nobody holds it any more) touching it ends the process.

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
        buffer = self._store.opened().get(f"{self._entry['key']}/{role}/{index:08d}".encode())
        if buffer is None:
            raise SatsrError(
                f"{self._store.path} lacks {self.split}/{self.id}/{role}/{index}: run the convert stage again."
            )
        try:
            array: np.ndarray = np.frombuffer(buffer, entry["dtype"]).reshape(_pick(entry["shapes"], index))
        except ValueError:
            raise SatsrError(
                f"{self._store.path} has other bytes of {self.split}/{self.id}/{role}/{index} than its manifest says: "
                "run the convert stage again."
            ) from None
        if window is not None:
            top, left, height, width = window
            if min(window) < 0 or top + height > array.shape[0] or left + width > array.shape[1]:
                raise ValueError(f"window {window} does not lie inside {role} of {self.id}, {array.shape[:2]}")
            array = array[top : top + height, left : left + width]
        return array

    def close(self) -> None:
        """Gives back the map of the whole store, as :meth:`Store.close` does."""
        self._store.close()

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
