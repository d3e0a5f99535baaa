"""Pictures that OpenCV would take however damaged they are.

Of 60 TIFFs with a wrong bit it refused none, and GDAL 59, so TIFFs are read by GDAL. Nor does OpenCV refuse a JPEG that
cannot be decoded: GDAL looks through it first. Its pixels would differ where colours are stored at half the size;
those of OpenCV are what the recipes were measured with.
"""

import warnings
from functools import cache
from typing import Any

import numpy as np

BANDS = {"gray": 1, "RGB": 3, "RGB with alpha": 4}
"""Of the pictures that are read."""


def pixels(data: bytes) -> np.ndarray | None:
    """The image (H, W) or (H, W, C) in a TIFF file, in its own type; None where GDAL cannot read all of it."""
    bands = _decoded(data, "GTiff")
    if bands is None:
        return None
    return bands[0] if len(bands) == 1 else np.ascontiguousarray(bands.transpose(1, 2, 0))


def sound_jpeg(data: bytes) -> bool:
    """Whether all of a JPEG file can be decoded; wrong bits that give other pixels cannot be seen."""
    return _decoded(data, "JPEG", 1) is not None


def _decoded(data: bytes, driver: str, bands: int | None = None) -> np.ndarray | None:
    rasterio = _rasterio()
    try:
        found: np.ndarray = rasterio.env.ensure_env(_read)(data, driver, bands)
    except (rasterio.errors.RasterioError, OSError):
        return None
    return found


def _read(data: bytes, driver: str, bands: int | None) -> Any:
    from satsr.imagery.gdal import strict  # GDAL itself, which other images start without

    io = _rasterio().io
    with io.MemoryFile(data) as file, io.DatasetReader(file.name, driver=[driver]) as source, strict():
        return source.read(bands)


@cache
def _rasterio() -> Any:
    """Imported when it is needed, so that other images start without GDAL; it need not warn that one has no CRS."""
    import rasterio.env
    import rasterio.errors
    import rasterio.io

    warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
    return rasterio
