"""Large 8-bit RGB PNGs by GDAL: the pixels that OpenCV gives, in two thirds of its time (libdeflate inflates)."""

import warnings
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

LARGE = 1 << 16
"""Pixels from which opening a file with GDAL pays."""
INTERLACING = 28
"""Where a PNG says whether its rows are in order."""


def rgb(data: bytes, height: int, width: int) -> npt.NDArray[np.uint8] | None:
    """The image (H, W, 3) of a PNG of 8-bit RGB without alpha, checked as :mod:`satsr.imagery.images` does.

    None where the image is small or interlaced, and where GDAL cannot read it: OpenCV then reads it, or cannot either.
    """
    if height * width < LARGE or data[INTERLACING]:
        return None
    rasterio = _rasterio()
    try:
        image: npt.NDArray[np.uint8] | None = rasterio.env.ensure_env(_read)(data, height, width)
    except rasterio.errors.RasterioError:
        return None
    return image


def _read(data: bytes, height: int, width: int) -> npt.NDArray[np.uint8] | None:
    io = _rasterio().io
    with io.MemoryFile(data) as file, io.DatasetReader(file.name, driver=["PNG"]) as source:
        if (source.count, source.height, source.width) != (3, height, width):
            return None
        image = np.empty((height, width, 3), np.uint8)
        source.read(out=image.transpose(2, 0, 1))
    return image


@cache
def _rasterio() -> Any:
    """Imported when it is needed, so that small images start without GDAL; it need not warn that a PNG has no CRS."""
    import rasterio.env
    import rasterio.errors
    import rasterio.io

    warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
    return rasterio
