"""What inputs the words on the command line mean, and what results are called where the user names a folder only."""

import glob
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from satsr.errors import SatsrError
from satsr.files import natural
from satsr.stac.item import is_address

PACKED = (
    *(".zip", ".safe", ".tif", ".tiff", ".jp2", ".json", ".geojson"),
    *(".png", ".jpg", ".jpeg", ".mp4", ".mov", ".mkv", ".avi", ".webm"),
)
MAGIC = re.compile(r"[*?[]")


def inputs(words: Sequence[str]) -> list[Path]:
    """The files and folders that words mean; ``*``, ``?`` and ``[...]`` are taken as patterns where no such file is.

    An address is that of a STAC item, which is fetched.

    Raises:
        SatsrError: nothing is there.
    """
    found: list[Path] = []
    for word in words:
        if is_address(word):
            from satsr.stac.files import fetched_item

            found.append(fetched_item(word))
        elif Path(word).exists() or not MAGIC.search(word):
            found.append(Path(word))
        else:
            found += _matching(Path(word))
    absent = [path for path in found if not path.exists()]
    if absent:
        raise SatsrError(f"{absent[0]} does not exist: check the path.")
    return list(dict.fromkeys(found))


def in_order(frames: Sequence[Path]) -> list[Path]:
    """Frames that were named one by one, in natural order: shells give f1, f10, f2 for the pattern f*."""
    return sorted(frames, key=lambda path: natural(str(path)))


def _matching(pattern: Path) -> list[Path]:
    """What a pattern means, in natural order; names that begin with a dot only if it says so, as in a shell."""
    found = in_order([Path(name) for name in glob.glob(str(pattern), recursive=True)])  # noqa: PTH207  # pathlib's finds them
    if not found:
        raise SatsrError(f"nothing matches {pattern}: check the pattern.")
    return found


def means_folder(word: str) -> bool:
    """Whether the output is said to be a folder: by a slash at its end, or because it is one.

    Raises:
        SatsrError: a file has the name that is said to be a folder's.
    """
    if not word.endswith(("/", os.sep)):
        return Path(word).is_dir()
    if Path(word).is_file():
        raise SatsrError(
            f"{Path(word)} is a file, but the slash at its end says that it is a folder: name another one."
        )
    return True


def base(result: Path, folder: bool | None = None) -> str:
    """What names of files beside a result begin with: a file's name without its suffix, all of a folder's.

    Args:
        result: it need not be there.
        folder: whether it is a folder; by default if one is there.
    """
    return result.name if (result.is_dir() if folder is None else folder) else result.stem


def own_name(path: Path) -> str:
    """The last part of a path, also of ``.``; a link's own name and not that of what it leads to."""
    return path.name if path.name.strip(".") else path.resolve().name


def inside(folder: Path, source: Path, scale: int, suffix: str) -> Path:
    """The result of ``source`` in a folder: ``scene.tif`` becomes ``scene_x4.tif``, a product keeps its long name."""
    name = own_name(source)
    while Path(name).suffix.lower() in PACKED and Path(name).stem:
        name = Path(name).stem
    return folder / f"{name}_x{scale}{suffix}"


def twins(called: Mapping[Path, Hashable]) -> str:
    """The first two of some files that are called the same, in words; empty if all names differ."""
    first: dict[Hashable, Path] = {}
    found = ((first.setdefault(name, path), path) for path, name in called.items())
    return next((f"{one} and {other}" for one, other in found if one != other), "")
