"""Two maps for those who measure on a result: whether it agrees with its input, and where the network wavers."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from satsr.degrade import imresize
from satsr.exported.model import Model
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Raster
from satsr.upscale.results.cog import RowWriter, TiffProfile, to_cog

Float32 = npt.NDArray[np.float32]
WAYS = 8
STRIP = 64
MARGIN = 4  # LR px; the antialiased cubic reaches over two


def outputs(model: Model, planes: np.ndarray, **more: Any) -> Iterator[Float32]:
    """What a model gives for the same windows in eight ways, the usual one first.

    A diffusion network is given other noise, any other network the eight turns and mirrors of its input.

    Args:
        model: the network.
        planes: (B, N, h, w) native values.
        more: further arguments of :meth:`satsr.exported.model.Model.predict`.

    Yields:
        (B, M, s h, s w), turned back.
    """
    for index in range(WAYS):
        if model.draws:
            yield model.predict(planes, **more, sample=index)
            continue
        turns, mirrored = index // 2, index % 2 == 1
        view = np.rot90(planes, turns, (-2, -1))
        result = model.predict(np.ascontiguousarray(view[..., ::-1] if mirrored else view), **more)
        yield np.rot90(result[..., ::-1] if mirrored else result, -turns, (-2, -1))


def moments(values: Iterable[np.ndarray]) -> tuple[Float32, Float32]:
    """Mean and standard deviation of equal arrays, of which there is at least one; they are not kept."""
    rest = iter(values)
    total = next(rest).astype(np.float64)
    squares, count = total**2, 1
    for value in rest:
        wide = value.astype(np.float64)
        total += wide
        squares += wide**2
        count += 1
    mean = total / count
    return mean.astype(np.float32), np.sqrt(np.maximum(squares / count - mean**2, 0)).astype(np.float32)


def consistency(scene: Raster, result: Path, scale: int, rows: Path, target: Path) -> dict[str, float]:
    """Writes the result, made small again, minus the input: what the network changed that it should not have.

    Args:
        scene: the input, open.
        result: the super-resolved GeoTIFF with the same bands.
        scale: SR px per LR px.
        rows: where rows wait for the others.
        target: GeoTIFF of the differences at low resolution, float32 native values, NaN where pixels are missing.

    Returns:
        Mean and root mean square of the absolute difference, in native values.
    """
    profile = TiffProfile(
        scene.height,
        scene.width,
        len(scene.layers),
        np.dtype(np.float32),
        scene.crs,
        scene.transform,
        float("nan"),
        [layer.name for layer in scene.layers],
    )
    total = squares = 0.0
    count = 0
    writer = RowWriter(rows, profile)
    with opened(result) as fine:
        for top in range(0, scene.height, STRIP):
            difference = _difference(scene, fine, top, scale)
            writer.write(difference)
            present = difference[np.isfinite(difference)].astype(np.float64)
            total, squares, count = (
                total + np.abs(present).sum(),
                squares + (present**2).sum(),
                count + present.size,
            )
    to_cog(rows, target)
    count = max(count, 1)
    return {"mean_abs": total / count, "rms": float(np.sqrt(squares / count))}


def _difference(scene: Raster, fine: Any, top: int, scale: int) -> Float32:
    """(C, h, W) for the rows from ``top``; rows beside them are read for the cubic's sake and cut off again."""
    bottom = min(top + STRIP, scene.height)
    first, last = max(top - MARGIN, 0), min(bottom + MARGIN, scene.height)
    window = Window(0, first * scale, fine.width, (last - first) * scale)
    values = fine.read(window=window).astype(np.float32)
    if fine.nodata is not None:
        values[values == fine.nodata] = np.nan
    small = np.moveaxis(imresize(np.moveaxis(values, 0, -1), 1 / scale), -1, 0)[:, top - first : bottom - first]
    strip = scene.read(top, bottom - top)
    difference: Float32 = (small - strip.values).astype(np.float32)
    if strip.valid is not None:
        difference[~strip.valid] = np.nan
    return difference
