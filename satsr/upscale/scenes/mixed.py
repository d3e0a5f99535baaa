"""The other bands of a scene, which no network takes: named where they are left out, and brought along on request.

Coarser ones are enlarged to the grid of the model's bands by the cubic.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from satsr.degrade import to_native
from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.imagery import sentinel2
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Mask, Raster, Strip
from satsr.resize import imresize
from satsr.stac import item
from satsr.upscale.options import Options
from satsr.upscale.windows.strips import enlarged, filled

MARGIN = 4
"""Coarse pixels around a window, of which the cubic needs two."""


def of_item(model: Model, source: Path, options: Options) -> Raster:
    """The bands of a STAC item, not opened yet.

    Raises:
        SatsrError: as :func:`satsr.stac.scene.raster`.
    """
    from satsr.stac import scene

    found = scene.raster(source, model.bands, given=options.bands)
    others = scene.others(source, found.layers) if options.extra else []
    if options.nodata is not None:
        found, *others = (replace(raster, nodata=options.nodata) for raster in (found, *others))
    return Mixed(found, others) if others else found


def of_product(model: Model, source: Path, options: Options, clouds: bool) -> Raster:
    """The bands of a Sentinel-2 product, not opened yet.

    Raises:
        SatsrError: as :func:`satsr.imagery.sentinel2.raster`.
    """
    found = sentinel2.raster(source, model.bands, given=options.bands, clouds=clouds)
    names = left_out(source, found) if options.extra else []
    return Mixed(found, [sentinel2.raster(source, [name]) for name in names]) if names else found


def left_out(source: Path, scene: Raster) -> list[str]:
    """Names of the bands of an input that are not among the layers of a scene.

    Raises:
        SatsrError: the input cannot be read.
    """
    taken = {layer.name for layer in scene.layers}
    if item.is_item(source):
        return [band.name for band in item.read(source).others([name for name in taken if name])]
    if sentinel2.is_product(source):
        return [name for name in sentinel2.names(source) if name not in taken]
    places = {layer.index for layer in scene.layers}
    with opened(source) as dataset:
        found = list(zip(dataset.indexes, dataset.descriptions, dataset.colorinterp, strict=True))
    return [name or f"band {place}" for place, name, colour in found if place not in places and colour.name != "alpha"]


class Mixed(Raster):
    """The bands of a scene, and others on the same or on coarser grids over the same ground.

    Args:
        fine: the scene, whose grid, type and encoding hold for all.
        others: further bands.

    Raises:
        SatsrError: when it is entered: others lie on a grid that the fine one does not divide, or are of another type.
    """

    def __init__(self, fine: Raster, others: Sequence[Raster]) -> None:
        rasters = [fine, *others]
        layers = [layer for raster in rasters for layer in raster.layers]
        files = list(dict.fromkeys(file for raster in rasters for file in raster.files))
        super().__init__(layers, fine.nodata, fine.tags, files)
        self._fine, self._others = fine, others

    def __enter__(self) -> "Mixed":
        with ExitStack() as stack:
            for raster in (self._fine, *self._others):
                stack.enter_context(raster)
            self.height, self.width, self.dtype = self._fine.height, self._fine.width, self._fine.dtype
            self.crs, self.transform = self._fine.crs, self._fine.transform
            self.masked = any(raster.masked for raster in (self._fine, *self._others))
            self._factors = [self._factor(raster) for raster in self._others]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read_window(self, window: Window) -> Strip:
        """A window of all layers, native."""
        parts = [self._fine.read_window(window)]
        parts += [
            raster.read_window(window) if factor == 1 else _finer(raster, factor, window)
            for raster, factor in zip(self._others, self._factors, strict=True)
        ]
        values = np.concatenate([part.values for part in parts])
        if all(part.valid is None for part in parts):
            return Strip(values)
        masks = [np.ones(part.values.shape, np.bool_) if part.valid is None else part.valid for part in parts]
        return Strip(values, np.concatenate(masks))

    def _factor(self, other: Raster) -> int:
        """How many times coarser another grid is.

        Raises:
            SatsrError: not a whole number of times, or it lies elsewhere.
        """
        factor: int = max(round(self.width / other.width), 1)
        a, b, c, d, e, f = self.transform[:6]
        expected = (a * factor, b * factor, c, d * factor, e * factor, f)
        same = np.allclose(other.transform[:6], expected, rtol=0, atol=abs(a) * 1e-6) and other.crs == self.crs
        if not same or (other.height * factor, other.width * factor) != (self.height, self.width):
            raise SatsrError(
                f"{other.layers[0].path} ({other.width} x {other.height} px) does not lie on a grid that is a whole "
                f"number of times coarser than that of {self.layers[0].path} ({self.width} x {self.height} px), so it "
                "cannot come along: leave out --bands all, or warp it."
            )
        if other.dtype != self.dtype:
            raise SatsrError(
                f"{other.layers[0].path} holds {other.dtype}, but {self.layers[0].path} holds {self.dtype}: bands of "
                "one file have one type, so leave out --bands all, or convert it."
            )
        return factor


def _finer(raster: Raster, factor: int, window: Window) -> Strip:
    """A window of the fine grid of a coarser raster."""
    first = [max(start // factor - MARGIN, 0) for start in (window.row_off, window.col_off)]
    ends = (window.row_off + window.height, window.col_off + window.width)
    last = [
        min(-(-end // factor) + MARGIN, side) for end, side in zip(ends, (raster.height, raster.width), strict=True)
    ]
    part = raster.read_window(Window(first[1], first[0], last[1] - first[1], last[0] - first[0]))
    rows = slice(window.row_off - first[0] * factor, window.row_off - first[0] * factor + window.height)
    columns = slice(window.col_off - first[1] * factor, window.col_off - first[1] * factor + window.width)
    large = np.moveaxis(imresize(np.moveaxis(filled(part), 0, -1), factor), -1, 0)[:, rows, columns]
    values: npt.NDArray[np.generic] = to_native(large, raster.dtype, ties="even")
    valid: Mask | None = None if part.valid is None else _repeated(part.valid, factor)[:, rows, columns]
    return Strip(values, valid)


def _repeated(masks: Mask, factor: int) -> Mask:
    return np.stack([enlarged(mask, factor) for mask in masks])
