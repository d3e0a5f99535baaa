"""Whose a file is: only what satsr wrote is ever replaced, and it is known by what it says of itself.

GeoTIFFs have tags, PNGs text chunks, videos metadata, folders a manifest that lists what was written there; every name
begins with ``SATSR_``. Nothing else is deleted or replaced, whatever the options.
"""

import hashlib
import json
import mmap
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from satsr.errors import SatsrError
from satsr.files import natural, read_json, sha256, write_json

MADE = "satsr.json"
"""The manifest of a folder: the tags of what made it, and the names of its files."""
FILES = "files"
MARK = "SATSR_"
INPUT = "SATSR_INPUT_SHA256"
HASHES = ("SATSR_MODEL_SHA256", INPUT)
"""Tags that name the model and the input of a result."""
TABLE = b"frame,distance,way\n"
"""How a table of a clip's frames begins (:mod:`satsr.upscale.appraisal.depth_map`)."""
NOBODYS = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""What file managers leave."""
PNG_START = 33
"""Bytes of a PNG up to the end of its first chunk."""


def write_manifest(folder: Path, tags: Mapping[str, str]) -> None:
    """Writes what made a folder, and which files it consists of."""
    names = sorted((file.name for file in folder.iterdir() if file.name != MADE), key=natural)
    write_json(folder / MADE, {**tags, FILES: names})


def read_manifest(folder: Path) -> dict[str, str]:
    """The tags of what made a folder; none if satsr did not."""
    made = folder / MADE
    found = read_json(made) if made.is_file() else {}
    return {str(key): str(value) for key, value in found.items() if key != FILES} if isinstance(found, dict) else {}


def tagged(png: bytes, tags: Mapping[str, str]) -> bytes:
    """The bytes of a PNG with tags, a text chunk (iTXt, UTF-8) each, behind its header."""
    chunks = b"".join(_chunk(b"iTXt", f"{key}\0\0\0\0\0{text}".encode()) for key, text in tags.items() if text)
    return png[:PNG_START] + chunks + png[PNG_START:]


def foreign(path: Path) -> list[str]:
    """What of ``path`` satsr did not write: names in a folder, or that of a file; none if it wrote all of it."""
    if path.is_dir():
        return _foreign_in(path)
    try:
        return [] if _marked(path) else [path.name]
    except OSError:
        return [path.name]


def says(path: Path, words: Iterable[str]) -> bool:
    """Whether what satsr wrote at ``path`` holds all of some words, such as the hashes of a model and an input.

    Tags, comments and manifests are plain text in every format. A table has none, and counts as if it had.
    """
    file = path / MADE if path.is_dir() else path
    if file.suffix.lower() == ".csv":
        return True
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(content.find(word.encode()) >= 0 for word in words)


def content_sha256(files: Sequence[Path]) -> str:
    """The hash by which a result names its input: that of the file, or of several files' hashes in a row.

    Raises:
        SatsrError: a file cannot be read, such as a link that leads nowhere.
    """
    try:
        hashes = [sha256(file) for file in files]
    except OSError as error:
        raise SatsrError(f"{error.filename} cannot be read ({error.strerror}): see that it is there.") from None
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def require_free(path: Path, overwrite: bool, folder: bool = False) -> None:
    """Looks whether a result may be put at ``path``.

    Args:
        path: of the result.
        overwrite: what satsr wrote there before may be replaced.
        folder: whether the result is a folder.

    Raises:
        SatsrError: something is there that satsr did not write, or of another kind, or it is not to be replaced.
    """
    if path.is_symlink():
        raise SatsrError(f"{path} is a link, which satsr does not replace: name what it points to, or another name.")
    if not path.exists():
        return
    if path.is_dir() != folder:
        there, wanted = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise SatsrError(f"{path} is a {there}, but the result is a {wanted}: choose another name.")
    if folder and not any(path.iterdir()):
        return
    strange = foreign(path)
    if strange and folder:
        some = ", ".join(strange[:3]) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
        raise SatsrError(
            f"{path} holds what satsr did not write ({some}), and the result would take its place: name a new folder, "
            f"such as {path / 'sharp'}."
        )
    if strange:
        raise SatsrError(f"{path} exists, and satsr did not write it, so it is not replaced: choose another name.")
    if not overwrite:
        raise SatsrError(f"{path} exists: choose another name, or add --overwrite.")


def require_apart(sources: Iterable[Path], output: Path) -> None:
    """Looks whether a result lies apart from what it is made of.

    Raises:
        SatsrError: it is the input, lies in it or around it, or below a file.
    """
    require_folder(output.parent)
    target = output.resolve()
    for source in sources:
        given = source.resolve()
        if target == given or (output.exists() and source.exists() and output.samefile(source)):
            raise SatsrError(f"{output} is the input itself: choose another name for the result.")
        if given in target.parents:
            raise SatsrError(f"{output} lies in the input {source}: choose a place outside of it.")
        if target in given.parents:
            raise SatsrError(f"{output} is the folder that the input {source} lies in: choose another name.")


def require_folder(place: Path) -> None:
    """Looks whether something can be written in a folder, which need not be there.

    Raises:
        SatsrError: it, or what it lies in, is a file.
    """
    file = next((path for path in (place, *place.parents) if path.is_file()), None)
    if file is not None:
        raise SatsrError(f"{file} is a file, so nothing can lie in it: name another place for the result.")


def _foreign_in(folder: Path) -> list[str]:
    """Names in a folder that its manifest does not list."""
    try:
        listed = json.loads((folder / MADE).read_text(encoding="utf-8"))[FILES]
    except (OSError, ValueError, KeyError, TypeError):
        listed = None
    known = {MADE, *NOBODYS, *listed} if isinstance(listed, list) else set(NOBODYS)
    return sorted((file.name for file in folder.iterdir() if file.name not in known or file.is_dir()), key=natural)


def _marked(path: Path) -> bool:
    """Whether a file says that satsr wrote it."""
    if path.suffix.lower() in (".tif", ".tiff"):
        return _tagged_raster(path)
    with path.open("rb") as handle:
        if path.suffix.lower() == ".csv":
            return handle.read(len(TABLE)) == TABLE
        if not path.stat().st_size:
            return False
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(MARK.encode()) >= 0


def _tagged_raster(path: Path) -> bool:
    from rasterio.errors import RasterioError

    from satsr.imagery.gdal import opened

    try:
        with opened(path) as raster:
            names = [raster.subdatasets[0]] if raster.subdatasets else []
            tags = dict(raster.tags())
        for name in names:
            with opened(name) as page:
                tags |= page.tags()
    except (RasterioError, SatsrError):
        return False
    return any(key.startswith(MARK) for key in tags)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
