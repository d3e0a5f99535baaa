"""LMDBs in the layout of BasicSR, which people already have: PNG values, ``meta_info.txt`` beside ``data.mdb``."""

from functools import partial
from pathlib import Path

import numpy as np

from satsr.convert.layouts.source import TARGETS, Frame, SceneSource, folder_said, split_of
from satsr.errors import SatsrError, listed
from satsr.files import files_below, natural
from satsr.imagery.images import decode_rgb
from satsr.store.lmdb_map import DATA, LmdbMap, open_map

META = "meta_info.txt"


class PngLmdb:
    """One such LMDB, read only; the file may be open several times in a process.

    Attributes:
        path: its folder.
        keys: as listed in ``meta_info.txt`` (blank lines are skipped), without suffix, in its order.

    Raises:
        SatsrError: a file is missing, cut off or not readable, or a listed key is not in the LMDB.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = list(_listed_keys(path / META))
        self._map: LmdbMap = open_map(path)
        missing = [key for key in self.keys if self._map.get(key.encode()) is None]
        if missing:
            raise SatsrError(listed(f"{path / META} lists keys that {DATA} does not have", missing))

    def read(self, key: str) -> np.ndarray:
        """The image under ``key``, RGB uint8 (H, W, 3).

        Raises:
            SatsrError: no such key, or its PNG is corrupt or not 8-bit RGB.
        """
        value = self._map.get(key.encode())
        if value is None:
            raise SatsrError(f"{self.path} has no key {key!r}: it has {len(self.keys)}, for instance {self.keys[:3]}.")
        return decode_rgb(bytes(value), f"{self.path}:{key}")


def scenes(root: Path, test_folder: str = "test") -> list[SceneSource]:
    """Clips of one LMDB, or of pairs such as ``GT.lmdb`` and ``LR4xBicubic.lmdb`` (perhaps below train/ and val/).

    A key's folder is its clip. In a folder with several LMDBs, the one whose name begins with GT or HR holds the
    high-resolution frames and the one that begins with LR or LQ their partners under the same keys.

    Args:
        root: the folder.
        test_folder: the folder whose clips test, as for :func:`satsr.convert.layouts.frames.gt_lr`.

    Raises:
        SatsrError: the LMDBs are damaged or cannot be told apart, or keys have no partner (all are listed).
    """
    groups: dict[Path, list[Path]] = {}
    for file in files_below(root):
        if file.name == META and (file.parent / DATA).is_file():
            groups.setdefault(file.parent.parent, []).append(file.parent)
    problems: list[str] = []
    found = []
    for group, folders in sorted(groups.items()):
        high = [folder for folder in folders if folder.name.lower().startswith(TARGETS)]
        low = [folder for folder in folders if folder.name.lower().startswith(("lr", "lq"))]
        if len(folders) == 1:
            high, low = folders, []
        if len(high) != 1 or len(low) > 1:
            names = ", ".join(sorted(folder.name for folder in folders))
            raise SatsrError(f"{group} holds the LMDBs {names}: expected one GT*.lmdb and at most one LR*.lmdb.")
        target, source = PngLmdb(high[0]), PngLmdb(low[0]) if low else None
        if source is not None:
            alone = set(target.keys) ^ set(source.keys)
            problems += [f"{key} is only in {(target if key in target.keys else source).path}" for key in sorted(alone)]
        split = split_of(group.relative_to(root).parts if group.is_relative_to(root) else (), test_folder)
        found += _clips(target, source, split, folder_said(split, test_folder))
    if problems:
        raise SatsrError(listed(f"the keys in {root} do not pair up", problems))
    return found


def _clips(target: PngLmdb, source: PngLmdb | None, split: str | None, why: str) -> list[SceneSource]:
    clips: dict[str, list[str]] = {}
    for key in target.keys:
        clips.setdefault(key.rpartition("/")[0] or target.path.stem, []).append(key)
    found = []
    for name, keys in clips.items():
        keys.sort(key=natural)
        roles = {"hr": [_frame(target, key) for key in keys]}
        if source is not None:
            roles["lr"] = [_frame(source, key) for key in keys]
        found.append(SceneSource(name, split, dict(roles), why=why))
    return found


def _frame(lmdb: PngLmdb, key: str) -> Frame:
    return Frame(f"{lmdb.path}:{key}", partial(lmdb.read, key))


def _listed_keys(meta: Path) -> dict[str, None]:
    """Keys of the lines ``000/00000000.png (640,640,3) 1``, in order.

    Raises:
        SatsrError: the file is missing, empty, not text, or lists a key twice.
    """
    try:
        lines = meta.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SatsrError(f"{meta} cannot be read ({error}): copy it again.") from None
    keys: dict[str, None] = {}
    for line in lines:
        # Readers of this layout cut at the first dot; here a dot inside a name is kept.
        name = line.split(" (")[0].strip()
        key = name.removesuffix(".png")
        if key in keys:
            raise SatsrError(f"{meta} lists {key!r} twice: make the LMDB again.")
        if key:
            keys[key] = None
    if not keys:
        raise SatsrError(f"{meta} lists no images: copy it again.")
    return keys
