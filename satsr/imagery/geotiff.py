"""GeoTIFF and JPEG 2000: parts of a raster for training, and scenes to make sharper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.imagery import bands
from satsr.imagery.gdal import opened, reading
from satsr.imagery.images import MAX_PIXELS, read_size
from satsr.imagery.raster import Layer, Raster

SUFFIXES = (".tif", ".tiff", ".jp2")


def read(
    path: str | Path, wanted: Sequence[str] | None = None, window: tuple[int, int, int, int] | None = None
) -> npt.NDArray[Any]:
    """A raster, or a part of it, in its native type.

    Args:
        path: as for :func:`opened`.
        wanted: names of bands, in this order (:func:`satsr.imagery.bands.find`); all by default.
        window: (top, left, height, width) in pixels; only this part is read.

    Returns:
        (H, W, C), also for a single band.

    Raises:
        SatsrError: the file is missing, damaged or larger than the limit, or has several pages or no such bands.
    """
    with reading(path) as source:
        _require_one(source, path, "make a file of each page")
        top, left, height, width = window or (0, 0, *source.shape)
        if height * width > MAX_PIXELS:
            raise SatsrError(f"{path} has {width} x {height} pixels, more than the limit of {MAX_PIXELS}: cut it.")
        places = None if wanted is None else bands.find(source.count, source.descriptions, wanted, str(path))
        indexes = None if places is None else [place + 1 for place in places]
        return np.ascontiguousarray(np.moveaxis(source.read(indexes, window=Window(left, top, width, height)), 0, 2))


def _require_one(source: Any, path: str | Path, advice: str) -> None:
    """Refuses a file of several pages, of which GDAL gives the first without a word.

    Raises:
        SatsrError: so.
    """
    if len(source.subdatasets) > 1:
        raise SatsrError(f"{path} has {len(source.subdatasets)} pages where one image is expected: {advice}.")


def size(path: Path) -> tuple[int, int]:
    """(height, width); GDAL is not asked where the file's first bytes tell.

    Raises:
        SatsrError: the file is missing or damaged.
    """
    if path.suffix.lower() != ".jp2":
        return read_size(path)
    with reading(path) as source:
        return source.height, source.width


def bounds(path: str | Path) -> tuple[float, float, float, float] | None:
    """(west, south, east, north) in degrees; None where the file does not say where it lies.

    Raises:
        SatsrError: the file is missing or damaged.
    """
    with reading(path) as source:
        if source.crs is None or source.transform.is_identity:
            return None
        west, south, east, north = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
        return west, south, east, north


def thumbnail(path: str | Path, shape: tuple[int, int]) -> tuple[npt.NDArray[Any], float | None]:
    """The first band, one pixel out of many, as (h, w), and the value that means no data.

    Raises:
        SatsrError: the file is missing or damaged.
    """
    with reading(path) as source:
        return source.read(1, out_shape=shape), source.nodata


def band_names(path: Path) -> tuple[str | None, ...]:
    """A name for each band, None where it has none.

    Raises:
        SatsrError: the file is missing or damaged.
    """
    with reading(path) as source:
        return tuple(source.descriptions)


def raster(
    path: Path | str, wanted: Sequence[str], count: int, *, given: Sequence[str] = (), extra: bool = False
) -> Raster:
    """A scene from one file that GDAL reads.

    A band's scale and offset become its gain and offset (reflectance times 10000) where the file has them.

    Args:
        path: of the file, or GDAL's name of a page of it.
        wanted: names of the model's bands.
        count: of the model's bands.
        given: the user's choice of bands.
        extra: whether the other bands come along.

    Raises:
        SatsrError: the file cannot be opened, has several pages, or its bands do not fit the model
            (:func:`satsr.imagery.bands.pick`).
    """
    with opened(path) as dataset:
        _require_one(dataset, path, "name it alone, as a clip, or make a file of each page")
        real = [index for index, colour in enumerate(dataset.colorinterp) if colour != ColorInterp.alpha]
        names = [dataset.descriptions[index] or _colour_name(dataset.colorinterp[index]) for index in real]
        chosen = bands.pick(names, wanted, count, given)
        if extra:
            chosen += [index for index in range(len(real)) if index not in chosen]
        layers = [
            Layer(
                str(path),
                real[place] + 1,
                names[place],
                dataset.colorinterp[real[place]],
                *_reflectance(dataset.scales[real[place]], dataset.offsets[real[place]]),
            )
            for place in chosen
        ]
        if any(layer.colour == ColorInterp.palette for layer in layers):
            raise SatsrError(
                f"{path} holds numbers of a palette, which have no values between them: convert it to RGB."
            )
        kinds = {dataset.dtypes[layer.index - 1] for layer in layers}
        if len(kinds) > 1 or np.dtype(kinds.copy().pop()).kind not in "uif":
            raise SatsrError(f"{path} has bands of {', '.join(sorted(kinds))}: one real number type is expected.")
        return Raster(layers, dataset.nodata, dict(dataset.tags()), (Path(path),))


def _reflectance(scale: float, offset: float) -> tuple[float, float]:
    """Gain and offset to reflectance times 10000, where a file says what its numbers mean."""
    return (1.0, 0.0) if (scale, offset) == (1.0, 0.0) else (scale * 10000, offset * 10000)


def _colour_name(colour: ColorInterp) -> str | None:
    return str(colour.name) if colour.name in bands.COLOURS else None
