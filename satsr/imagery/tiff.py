"""Pictures in TIFF by GDAL: OpenCV gives pixels, and no error, where a strip does not inflate (60 of 60 wrong bits)."""

import warnings
from functools import cache
from typing import Any

import numpy as np

BANDS = {"gray": 1, "RGB": 3, "RGB with alpha": 4}
"""Of the pictures that are read."""


def pixels(data: bytes) -> np.ndarray | None:
    """The image (H, W) or (H, W, C) in a TIFF file, in its own type; None where GDAL cannot read all of it."""
    rasterio = _rasterio()
    try:
        bands: np.ndarray = rasterio.env.ensure_env(_read)(data)
    except (rasterio.errors.RasterioError, OSError):
        return None
    return bands[0] if len(bands) == 1 else np.ascontiguousarray(bands.transpose(1, 2, 0))


def _read(data: bytes) -> Any:
    io = _rasterio().io
    with io.MemoryFile(data) as file, io.DatasetReader(file.name, driver=["GTiff"]) as source:
        return source.read()


@cache
def _rasterio() -> Any:
    """Imported when it is needed, so that other images start without GDAL; it need not warn that one has no CRS."""
    import rasterio.env
    import rasterio.errors
    import rasterio.io

    warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
    return rasterio
