"""The files of a STAC Item: beside it, or fetched into a cache, checked, and never more than was allowed.

GDAL sees local files only. Addresses are http or https; a path must lie in the item's own folder.
"""

import os
import re
import tempfile
from hashlib import sha256
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from satsr.download.fetch import Patience, fetch, mismatch
from satsr.errors import SatsrError, redact
from satsr.files import write_text
from satsr.stac.item import MAX_BYTES, SUFFIXES, WEB, Band, Item

LARGEST = 8 << 30
"""Bytes of one asset: Sentinel-2's have less than 0.3 GB, a large mosaic some."""
CACHE = "SATSR_CACHE"
ADDRESS = "address.txt"
NO_ITEM = (".tif", ".tiff", ".jp2", ".zip", ".png", ".jpg", ".jpeg", ".mp4", ".mov", ".mkv", ".webm", ".avi")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def cache() -> Path:
    """Where fetched items and assets lie, which may be deleted: ``SATSR_CACHE``, or the user's folder of caches."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(CACHE) or Path(base) / "satsr") / "stac"


def fetched_item(address: str, patience: Patience | None = None) -> Path:
    """Fetches an item, anew each time, since an item may change.

    Args:
        address: http or https.
        patience: with its server.

    Returns:
        Its path in the cache, in a folder that knows where it came from.

    Raises:
        SatsrError: the server does not give it, or gives more than an item has.
    """
    folder = cache() / "items" / _digest(address)
    name = _safe(PurePosixPath(urlsplit(address).path).name)
    if Path(name).suffix.lower() in NO_ITEM:
        raise SatsrError(
            f"{redact(address)} is no STAC item, and nothing else is fetched: download it, and name the file."
        )
    name = name if Path(name).suffix.lower() in SUFFIXES else f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        got = fetch([address], Path(place) / name, limit=MAX_BYTES, patience=patience)
        write_text(folder / ADDRESS, address.partition("?")[0])
        return got.replace(folder / name)


def located(item: Item, band: Band, path: Path, patience: Patience | None = None) -> Path:
    """The local file of a band's asset, fetched if it lies elsewhere and is not in the cache yet.

    Args:
        item: that the band is of.
        band: whose file is wanted.
        path: of the item.
        patience: with its server.

    Raises:
        SatsrError: the asset lies where nothing is read from, is not there, or is not what the item says.
    """
    base = _base(path)
    target = urljoin(base, band.href) if base else band.href
    scheme = urlsplit(target).scheme.lower()
    if scheme in WEB:
        return _fetched(item, band, target, patience)
    if base or (scheme and scheme != "file" and len(scheme) > 1):
        raise SatsrError(
            f"the asset {band.key} of {path} lies at {redact(target)}: only http, https and files beside the item are "
            "read. Fetch it yourself, and name its path in the item."
        )
    return _beside(band, path)


def _fetched(item: Item, band: Band, address: str, patience: Patience | None) -> Path:
    if band.size is not None and band.size > LARGEST:
        raise SatsrError(
            f"the asset {band.key} of {item.name} has {band.size / 1e9:.1f} GB, more than the limit of "
            f"{LARGEST / 1e9:.1f} GB: cut it, and name the part in the item."
        )
    key = _digest("\n".join([address, item.stamp, band.checksum or "", str(band.size or "")]))
    folder = cache() / "assets" / key
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _safe(PurePosixPath(urlsplit(address).path).name)
    return fetch([address], target, checksum=band.checksum, size=band.size, limit=LARGEST, patience=patience)


def _beside(band: Band, path: Path) -> Path:
    """A file in the item's folder.

    Raises:
        SatsrError: it lies elsewhere, is missing, or differs from what the item says.
    """
    folder = path.parent.resolve()
    given = urlsplit(band.href).path if band.href.lower().startswith("file:") else band.href
    target = (folder / given).resolve()
    if not target.is_relative_to(folder):
        raise SatsrError(
            f"the asset {band.key} of {path} names {band.href}, outside of the item's folder, which is not read: put "
            "the file beside the item."
        )
    if not target.is_file():
        raise SatsrError(
            f"the asset {band.key} of {path} names {band.href}, which is not there: put it beside the item."
        )
    problem = mismatch(target, band.checksum, band.size)
    if problem is not None:
        raise SatsrError(f"{target} is not what {path.name} says: {problem.removesuffix('; the file was removed')}.")
    return target


def _base(path: Path) -> str:
    """Where a fetched item came from; empty for one of the user's own."""
    note = path.parent / ADDRESS
    return note.read_text(encoding="utf-8") if note.is_file() and note.is_relative_to(cache()) else ""


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:20]


def _safe(name: str) -> str:
    return UNSAFE.sub("_", name)[-100:].lstrip(".") or "item"
