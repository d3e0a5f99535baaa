"""Rasters of any number of bands: GeoTIFF through rasterio, PNG through OpenCV, and which bands are RGB."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from satsr.errors import SatsrError
from satsr.imagery.images import MAX_PIXELS, read_header, read_image

TIFF = (".tif", ".tiff", ".jp2")
SUFFIXES = (*TIFF, ".png")
Array = np.ndarray
Window = tuple[int, int, int, int]
HEADER_BYTES = 1 << 16
# What bands are called: Sentinel-2's numbers and plain words.
NAMES = (r"(b0?4|red)", r"(b0?3|green)", r"(b0?2|blue)")
NIR = r"(b0?8|nir)"
PRODUCT = re.compile(r"S2[A-Z]_MSIL(?:1C|2A)_\d{8}T\d{6}_N(\d{4})_")
"""The name of a Sentinel-2 product up to its processing baseline."""
SHIFTED_SINCE, SHIFT = 400, -1000
"""From baseline 04.00 (25 January 2022, and all that was processed again since) numbers are 1000 too large."""


def read_raster(
    path: Path, bands: tuple[int, ...] | Literal["rgb"] | None = None, window: Window | None = None
) -> Array:
    """A raster, or a part of it, in its native type.

    Args:
        path: a GeoTIFF, JPEG 2000 or PNG file.
        bands: which bands, from 0, in this order; "rgb" for red, green and blue (:func:`rgb_bands`); all by default.
        window: (top, left, height, width) in pixels; only this part is read.

    Returns:
        (H, W, C), also for a single band.

    Raises:
        SatsrError: the file is missing, damaged or larger than the limit, or has no such bands.
    """
    if path.suffix.lower() not in TIFF:
        image = read_image(path)
        image = image if image.ndim == 3 else image[..., None]
        top, left, height, width = window or (0, 0, *image.shape[:2])
        chosen = rgb_bands(image.shape[2], [], str(path)) if bands == "rgb" else bands
        return np.ascontiguousarray(
            image[top : top + height, left : left + width, list(chosen or range(image.shape[2]))]
        )
    with _opened(path) as source:
        height, width = window[2:] if window else source.shape
        if height * width > MAX_PIXELS:
            raise SatsrError(f"{path} has {width} x {height} pixels, more than the limit of {MAX_PIXELS}: cut it.")
        chosen = rgb_bands(source.count, source.descriptions, str(path)) if bands == "rgb" else bands
        place = ((window[0], window[0] + height), (window[1], window[1] + width)) if window else None
        data = source.read([band + 1 for band in chosen] if chosen else None, window=place)
    return np.ascontiguousarray(np.moveaxis(data, 0, 2))


def raster_size(path: Path) -> tuple[int, int]:
    """(height, width) of a TIFF or PNG file from its first bytes: rasterio takes minutes to open some 100,000 files.

    Raises:
        SatsrError: the file is missing, or is none of these.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(HEADER_BYTES)
            try:
                header = read_header(data, str(path))
            except SatsrError:
                # The directory of a TIFF may lie at its end.
                header = read_header(data + handle.read(), str(path))
    except OSError as error:
        raise SatsrError(f"{path} cannot be read: {error.strerror}.") from None
    return header.height, header.width


def thumbnail(path: Path, shape: tuple[int, int]) -> tuple[Array, float | None]:
    """A GeoTIFF's first band, one pixel out of many, as (h, w), and the value that means no data.

    Raises:
        SatsrError: the file is missing or damaged.
    """
    with _opened(path) as source:
        band: Array = source.read(1, out_shape=shape)
        return band, source.nodata


def rgb_bands(count: int, names: Sequence[str | None], where: str) -> tuple[int, int, int]:
    """Which bands are red, green and blue.

    Their names decide; without names, three or four bands are red, green, blue (and infrared), ten or more are
    Sentinel-2's in its own order, which begins with B01, B02, B03, B04.

    Args:
        count: number of bands.
        names: of the bands, None where a band has none.
        where: the file, for messages.

    Raises:
        SatsrError: it cannot be told.
    """
    found = [
        next((number for number, name in enumerate(names) if re.fullmatch(pattern, (name or "").strip().lower())), None)
        for pattern in NAMES
    ]
    if None not in found:
        return found[0], found[1], found[2]  # type: ignore[return-value]  # none of them is None
    if any(names):
        raise SatsrError(
            f"{where} has the bands {', '.join(str(name) for name in names)}, of which red, green and blue (B04, B03, "
            "B02) are not all there: name them, or give a file that has them."
        )
    if count in (3, 4):
        return 0, 1, 2
    if count >= 10:
        return 3, 2, 1
    raise SatsrError(f"{where} has {count} bands without names: call them B04, B03 and B02 (or red, green and blue).")


def red_and_nir(count: int, names: Sequence[str | None], where: str) -> dict[str, int]:
    """Which bands are ``RED`` and ``NIR``, as far as they are there; told as :func:`rgb_bands` tells colours.

    Raises:
        SatsrError: it cannot be told, or neither is there.
    """
    if any(names):
        found = {
            band: number
            for number, name in enumerate(names)
            for band, pattern in (("RED", NAMES[0]), ("NIR", NIR))
            if re.fullmatch(pattern, (name or "").strip().lower())
        }
        if not found:
            listed = ", ".join(str(name) for name in names)
            raise SatsrError(f"{where} has the bands {listed}: neither red (B04) nor near infrared (B08) is there.")
        return found
    red = rgb_bands(count, names, where)[0]
    return {"RED": red} if count == 3 else {"RED": red, "NIR": 3 if count == 4 else 7}


def raster_bands(path: Path) -> tuple[int, tuple[str | None, ...]]:
    """How many bands a GeoTIFF has, and their names, None where a band has none.

    Raises:
        SatsrError: the file is missing or damaged.
    """
    with _opened(path) as source:
        return source.count, tuple(source.descriptions)


def add_offset(place: PurePath) -> int | None:
    """What is to be added to a Sentinel-2 file's numbers, by the product's name among the parts of its path.

    Returns:
        -1000 from processing baseline 04.00 on, else 0; None where no part is such a name, so that it is not known.
    """
    baselines = [int(match[1]) for part in place.parts if (match := PRODUCT.search(part))]
    return (SHIFT if max(baselines) >= SHIFTED_SINCE else 0) if baselines else None


def shifted(image: Array, offset: int | None) -> Array:
    """Digital numbers with an offset added, not below 0, which stays no data.

    Pictures of 8 bits stay as they are, and so do floats: they are reflectance, where it has been added already.
    """
    if not offset or image.dtype == np.uint8 or image.dtype.kind not in "ui":
        return image
    moved: Array = image.astype(np.int32) + offset
    moved[image == 0] = 0
    return moved.clip(0, np.iinfo(image.dtype).max, out=moved).astype(image.dtype)


def as_dn(image: Array, where: str) -> Array:
    """Reflectance as integers: floats are taken as 0..1 and become uint16 times 10000; integers stay as they are.

    Raises:
        SatsrError: values that are no reflectance, or a type that no sensor's files have.
    """
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind == "i" and image.min() >= 0 and image.max() <= 65535:
        return image.astype(np.uint16)
    if image.dtype.kind == "f":
        low, high = float(image.min()), float(image.max())
        if low >= -0.1 and high <= 6.5:  # also refuses NaN
            return np.asarray(np.rint(image.clip(0) * 10000).astype(np.uint16))
        raise SatsrError(
            f"{where} holds floats from {low:g} to {high:g}: reflectance lies in 0..1; replace nodata, or store "
            "digital numbers as uint16."
        )
    raise SatsrError(f"{where} holds {image.dtype} from {image.min()} to {image.max()}: expected uint8 or uint16.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    rasterio = _rasterio()
    try:
        with rasterio.open(path) as source:
            yield source
    except (rasterio.errors.RasterioError, IndexError, OSError) as error:
        raise SatsrError(f"{path} cannot be read as a raster ({error}): copy or make it again.") from None


@cache
def _rasterio() -> Any:
    import rasterio

    # Imagery without coordinates is as good for training.
    warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
    return rasterio
