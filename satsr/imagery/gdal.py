"""The one function that opens rasters, and only images.

GDAL would also open descriptions of other files and of services (VRT, WMS...), whatever their file is called, and go
where an image's metadata say that its overviews lie: imagery of others could make it read and fetch what it names.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from rasterio.env import Env, ensure_env
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.io import DatasetReader

from satsr.errors import SatsrError

DRIVERS = ["GTiff", "JP2OpenJPEG", "PNG", "JPEG"]
KINDS = "GeoTIFF, JPEG 2000, PNG or JPEG"
ZIPPED = "/vsizip/{"
BESIDE = (".ovr", ".OVR", ".msk", ".MSK", ".aux", ".AUX")
"""Files beside an image that GDAL opens with every driver that it has, as overviews or a mask of it."""
ELSEWHERE = ("OVERVIEWS", "ProxyOverviewRequest")
"""Domains of metadata, in the file or its ``.aux.xml``, that name a file or an address with overviews."""

# Images without a CRS are welcome: rasterio need not warn of them.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
_heard = threading.local()


@ensure_env  # type: ignore[untyped-decorator]  # rasterio has no types
def opened(path: str | Path, **options: Any) -> Any:
    """A rasterio dataset, of one of :data:`DRIVERS`; of what lies beside it GDAL sees no overviews and no mask.

    Args:
        path: of the file, or GDAL's name of a page of it or of a file in a zip.
        options: of GDAL, such as the ``overview_level``.

    Raises:
        SatsrError: the file is missing, damaged, of another kind, or has its overviews elsewhere.
    """
    if options:
        opened(path).close()  # to open an overview is to look for it, wherever it is
    name = str(path)
    alone = name.startswith(ZIPPED) or any(
        Path(place + suffix).exists() for place in (name, str(Path(name).with_suffix(""))) for suffix in BESIDE
    )
    try:
        with Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR" if alone else "TRUE"):
            found = DatasetReader(name, driver=DRIVERS, **options)
    except RasterioError as error:
        raise SatsrError(
            f"{path} cannot be read as a raster ({error}): expected {KINDS}{_found(Path(path))}; check the path, or "
            "copy it again."
        ) from None
    if any(found.tags(ns=domain) for domain in ELSEWHERE):
        found.close()
        raise SatsrError(
            f"{path} says in its metadata, or in {Path(name).name}.aux.xml, that overviews of it lie elsewhere, where "
            "nobody looks: remove that .aux.xml, or write the image again without its metadata."
        )
    return found


def _hears(record: logging.LogRecord) -> bool:
    """Keeps for :func:`strict` what libjpeg says, and lets all else pass."""
    said = record.getMessage().partition("JPEGLib:")[2]
    if said:
        _heard.last = said
    return not said


logging.getLogger("rasterio._err").addFilter(_hears)


@contextmanager
def strict() -> Iterator[None]:
    """Makes an error of what libjpeg could not decode inside a GeoTIFF: GDAL goes on with grey or noise and warns.

    Raises:
        RasterioError: what was read is damaged.
    """
    _heard.last = ""
    yield
    if _heard.last:
        raise RasterioIOError(_heard.last)


@contextmanager
def reading(path: str | Path) -> Iterator[Any]:
    """A dataset to read from.

    JPEG 2000 is decoded in large blocks (Sentinel-2's have 1024 x 1024 pixels): such files stay open for the next part
    that is wanted, because GDAL keeps the blocks of open files.
    """
    try:
        if str(path).lower().endswith(".jp2"):
            source, lock = _kept(str(path), _stamp(str(path)))
            with lock:
                yield source
        else:
            with opened(path) as source, strict():
                yield source
    except (RasterioError, IndexError, OSError) as error:
        cause = error.__cause__ or error  # where rasterio only says that there is one
        raise SatsrError(f"{path} cannot be read as a raster ({cause}): copy or make it again.") from None


@lru_cache(maxsize=8)
def _kept(path: str, stamp: tuple[int, int]) -> tuple[Any, Lock]:
    return opened(path), Lock()


def _stamp(path: str) -> tuple[int, int]:
    """By which another file of the same name is told, zipped or not."""
    inside = path.startswith(ZIPPED)
    facts = Path(path.removeprefix(ZIPPED).partition("}/")[0] if inside else path).stat()
    return facts.st_mtime_ns, facts.st_size


def _found(path: Path) -> str:
    """What a file is instead of an image, if its first bytes tell."""
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        begin = handle.read(64).lstrip()
    if begin.startswith(b"<"):
        return ", found a text in XML, as descriptions of other files and of services are (VRT, WMS): these are refused"
    return f", found a file that begins with {begin[:8]!r}"
