"""A scene of any size through a network: strips in, windows through, finished rows out.

Memory is one strip (a row of windows) at low resolution and one at high resolution. Missing pixels are filled for the
network and come back as missing, neither more nor fewer of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from satsr.imagery.raster import Mask, Strip
from satsr.progress import Bar
from satsr.upscale.windows.blend import RowBlender
from satsr.upscale.windows.seams import Seams, windows

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Some full rows of a result.

    Attributes:
        top: the first one, in SR px.
        values: (M, n, sW).
        source: the low-resolution rows below them, (N, n / s, W).
    """

    top: int
    values: npt.NDArray[Any]
    source: Strip


Read = Callable[[int, int], Strip]
Enlarge = Callable[[Sequence[Strip]], Float32]


@dataclass(frozen=True)
class Enlargement:
    """What is enlarged.

    Attributes:
        shape: height and width in LR px.
        bands: of the result.
        scale: SR px per LR px.
        seams: windows and how they fade into each other.
        read: gives the strip of ``height`` rows from ``top``.
        enlarge: gives (B, M, s h, s w) native values for B windows of equal size.
        dtype: of the result; float32 leaves the rounding to others.
        batch: windows that are enlarged at once.
    """

    shape: tuple[int, int]
    bands: int
    scale: int
    seams: Seams
    read: Read
    enlarge: Enlarge
    dtype: npt.DTypeLike = np.float32
    batch: int = 1


def stitched(task: Enlargement, begin: int = 0, bar: Bar | None = None) -> Iterator[Rows]:
    """The result from top to bottom, each row once.

    Args:
        task: what is enlarged.
        begin: LR row to begin with, which must be the top of a row of windows (:func:`restart`).
        bar: moved on by one for each window.
    """
    blender = RowBlender(
        (task.shape[0] - begin, task.shape[1]), task.bands, task.scale, task.seams, blend_type(np.dtype(task.dtype))
    )
    for top, group in groupby(blender.positions, key=lambda position: position[0]):
        strip = replace(task.read(begin + top, blender.height), corner=(begin + top, 0))
        columns = [left for _, left in group]
        for first in range(0, len(columns), task.batch):
            batch = columns[first : first + task.batch]
            patches = _patches(task, strip, batch, blender.width)
            for left, patch in zip(batch, patches, strict=True):
                for row, block in blender.add(top, left, patch):
                    yield Rows(row + begin * task.scale, block, _part(strip, 0, block.shape[1] // task.scale))
                if bar is not None:
                    bar.advance()
    blender.close()


def restart(height: int, seams: Seams, done: int) -> int:
    """The LR row from which to enlarge again so that all rows from ``done`` on come out as in one go, to the bit.

    All windows that reach beyond ``done`` are needed with their neighbours above; the uppermost window that is enlarged
    has none any more, which shows in its first ``overlap`` rows only, and these end before ``done``.

    Args:
        height: of the scene in LR px.
        seams: windows of the scene; an overlap is at most half a window.
        done: LR rows that are finished.
    """
    starts = windows(height, seams.window, seams.overlap)
    needed = next(index for index, start in enumerate(starts) if start + seams.window > done)
    return starts[max(needed - 1, 0)]


def blend_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that rows are blended into: the own one, or float32 for those that the blender does not write."""
    return dtype if dtype.kind in "iu" and dtype.itemsize <= 2 else np.dtype(np.float32)


def filled(strip: Strip) -> Float32:
    """The values as float32, with each missing one replaced by the nearest of its band, or else by the mean of all."""
    values = strip.values.astype(np.float32)
    if strip.valid is None or strip.valid.all():
        return values
    mean = values[strip.valid].mean() if strip.valid.any() else np.float32(0)
    for plane, valid in zip(values, strip.valid, strict=True):
        if not valid.any():
            plane[:] = mean
        elif not valid.all():
            plane[:] = _nearest(plane, valid)
    return values


def _nearest(plane: Float32, valid: npt.NDArray[np.bool_]) -> Float32:
    """Each pixel as the valid one that is nearest to it, by OpenCV's distance, which is exact to 2 %."""
    missing = (~valid).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(missing, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.empty(labels.max() + 1, np.float32)
    values[labels[valid]] = plane[valid]
    return np.asarray(values[labels])


def enlarged(mask: Mask, scale: int) -> Mask:
    """Every pixel of a mask as ``scale`` times ``scale`` pixels."""
    return np.asarray(mask.repeat(scale, 0).repeat(scale, 1))


def mark(values: npt.NDArray[Any], valid: Mask | None, nodata: float, scale: int) -> None:
    """Writes nodata into (C, sh, sw) where (C, h, w) has no source; no other pixel keeps that value."""
    for band, plane in enumerate(values):
        if plane.dtype.kind in "iu":
            taken = plane == nodata
            if taken.any():
                plane[taken] = nodata + (1 if nodata < np.iinfo(plane.dtype).max else -1)
        if valid is not None:
            plane[~enlarged(valid[band], scale)] = nodata


def _patches(task: Enlargement, strip: Strip, columns: list[int], width: int) -> npt.NDArray[Any]:
    """The enlarged windows; where nothing is valid the network is not asked."""
    parts = [_part(strip, left, width, axis=2) for left in columns]
    wanted = [index for index, part in enumerate(parts) if part.valid is None or part.valid.any()]
    shape = (len(parts), task.bands, task.scale * strip.values.shape[1], task.scale * width)
    if len(wanted) == len(parts):
        return task.enlarge(parts)
    patches = np.zeros(shape, np.float32)
    if wanted:
        patches[wanted] = task.enlarge([parts[index] for index in wanted])
    return patches


def _part(strip: Strip, start: int, length: int, axis: int = 1) -> Strip:
    """Some rows (axis 1) or columns (axis 2) of a strip."""
    where = (slice(None),) * axis + (slice(start, start + length),)
    row, column = strip.corner
    corner = (row + start, column) if axis == 1 else (row, column + start)
    return Strip(strip.values[where], None if strip.valid is None else strip.valid[where], corner)
