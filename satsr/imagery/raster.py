"""A geo-referenced scene on disk, read in full rows: some bands of a GeoTIFF, or of the files of a product."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.imagery.gdal import opened, strict

CACHE_MB = 256
MAX_BLOCK_BYTES = 1 << 30
SAMPLE_PX = 128
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Strip:
    """Some full rows of a scene at low resolution.

    Attributes:
        values: (N, h, W) native.
        valid: (N, h, W), False where a value is missing; None if none is.
        corner: row and column of its first pixel in the scene, in LR px.
    """

    values: npt.NDArray[Any]
    valid: Mask | None = None
    corner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Layer:
    """One band: where it lies and what it is."""

    path: str
    index: int
    name: str | None
    colour: ColorInterp
    gain: float = 1.0
    offset: float = 0.0


@dataclass
class Raster:
    """The chosen bands of a scene.

    Use as a context manager.

    Attributes:
        layers: the bands in the model's order, then those that are only enlarged.
        nodata: native value that stands for "missing".
        masked: whether a mask or an alpha band says so as well.
        tags: metadata that a result keeps.
        files: what its content is hashed from.
        cloud: a classification that makes pixels missing: its file, its classes, and how much coarser it is.
    """

    layers: Sequence[Layer]
    nodata: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    cloud: tuple[str, frozenset[int], int] | None = None

    def __enter__(self) -> "Raster":
        self._stack = ExitStack()
        self._stack.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_MB, GDAL_NUM_THREADS="ALL_CPUS"))
        self._open = {path: self._stack.enter_context(opened(path)) for path in self._paths()}
        first = self._open[self.layers[0].path]
        self.height, self.width = first.shape
        self.dtype = np.dtype(first.dtypes[self.layers[0].index - 1])
        self.crs, self.transform = first.crs, first.transform
        self.masked = any(_has_mask(self._open[layer.path], layer.index) for layer in self.layers)
        for layer in self.layers:
            other = self._open[layer.path]
            _require_small_blocks(layer, other)
            if other.shape != first.shape or other.transform != first.transform:
                raise SatsrError(
                    f"{layer.path} has {other.width} x {other.height} px where {self.layers[0].path} has {self.width} "
                    f"x {self.height}, or lies elsewhere: choose bands of one resolution."
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def gap(self) -> float | None:
        """What marks missing pixels of a result.

        The file's nodata value, if its type holds it; NaN for floats; 0 where only a mask says what is missing; None
        where nothing can be missing.
        """
        if self.dtype.kind == "f":
            return float("nan") if self.nodata is None else self.nodata
        limits = np.iinfo(self.dtype)
        if self.nodata is not None and self.nodata == round(self.nodata) and limits.min <= self.nodata <= limits.max:
            return self.nodata
        return 0.0 if self.masked else None

    @property
    def hollow(self) -> float:
        """How many times as many bytes its pixels have as its files: damaged and hostile files claim the most."""
        claimed = self.height * self.width * self.dtype.itemsize * len(self.layers)
        return float(claimed / max(sum(file.stat().st_size for file in self.files if file.is_file()), 1))

    def read(self, top: int, height: int) -> Strip:
        """Full rows of all layers, native."""
        return self.read_window(Window(0, top, self.width, height))

    def read_window(self, window: Window) -> Strip:
        """A window of all layers, native.

        Raises:
            SatsrError: the file is damaged there.
        """
        values = np.empty((len(self.layers), window.height, window.width), self.dtype)
        valid: Mask | None = None
        for path, places in self._places().items():
            dataset = self._open[path]
            indexes = [self.layers[place].index for place in places]
            try:
                with strict():
                    values[places] = dataset.read(indexes, window=window)
                    masks = _masks(dataset, indexes, window)
            except RasterioError as error:
                raise _unreadable(path, window, error) from None
            if masks is not None:
                valid = np.ones(values.shape, np.bool_) if valid is None else valid
                valid[places] = masks
        return Strip(values, self._refined(values, valid, window))

    def samples(self, side: int = 4) -> list[tuple[Window, Strip]]:
        """``side`` times ``side`` small windows spread over the scene: what checks and previews look at."""
        height, width = min(SAMPLE_PX, self.height), min(SAMPLE_PX, self.width)
        rows = sorted({int(row) for row in np.linspace(0, self.height - height, side)})
        columns = sorted({int(column) for column in np.linspace(0, self.width - width, side)})
        places = [Window(left, top, width, height) for top in rows for left in columns]
        return [(window, self.read_window(window)) for window in places]

    def _refined(self, values: npt.NDArray[Any], valid: Mask | None, window: Window) -> Mask | None:
        """Without the nodata value, what is not finite, and clouds."""
        missing: list[Mask] = []
        if self.nodata is not None and not np.isnan(self.nodata):
            missing.append(values == self.nodata)
        if values.dtype.kind == "f":
            missing.append(~np.isfinite(values))
        if self.cloud is not None:
            missing.append(np.broadcast_to(self._cloudy(window), values.shape))
        for mask in missing:
            if mask.any():
                valid = ~mask if valid is None else valid & ~mask
        return valid

    def _cloudy(self, window: Window) -> Mask:
        """(h, w), True where the classification says so; coarser classes cover several pixels."""
        assert self.cloud is not None
        path, classes, factor = self.cloud
        dataset = self._open[path]
        top, left = window.row_off // factor, window.col_off // factor
        bottom = -(-(window.row_off + window.height) // factor)
        right = -(-(window.col_off + window.width) // factor)
        part = Window(left, top, right - left, bottom - top)
        try:
            with strict():
                found = dataset.read(1, window=part)
        except RasterioError as error:
            raise _unreadable(path, part, error) from None
        cloudy = np.isin(found, list(classes)).repeat(factor, 0).repeat(factor, 1)
        row, column = window.row_off - top * factor, window.col_off - left * factor
        return np.asarray(cloudy[row : row + window.height, column : column + window.width])

    def _places(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, layer in enumerate(self.layers):
            found.setdefault(layer.path, []).append(place)
        return found

    def _paths(self) -> Iterable[str]:
        return [*self._places(), *([self.cloud[0]] if self.cloud else [])]


def _unreadable(path: str, window: Window, error: RasterioError) -> SatsrError:
    return SatsrError(f"{path} cannot be read at {window} ({error}): copy it again.")


def finer(transform: Any, scale: int) -> Any:
    """The transform of pixels that are ``scale`` times smaller over the same ground."""
    a, b, c, d, e, f = transform[:6]
    return rasterio.Affine(a / scale, b / scale, c, d / scale, e / scale, f)


def _masks(dataset: Any, indexes: list[int], window: Window) -> Mask | None:
    """True where valid, from a mask or an alpha band; the nodata value is looked at elsewhere."""
    if not any(_has_mask(dataset, index) for index in indexes):
        return None
    return np.asarray(dataset.read_masks(indexes, window=window) > 0)


def _require_small_blocks(layer: Layer, dataset: Any) -> None:
    """Refuses a band that is stored in one piece of gigabytes: each part of it would unpack all of it.

    Raises:
        SatsrError: so.
    """
    height, width = dataset.block_shapes[layer.index - 1]
    needed = height * width * np.dtype(dataset.dtypes[layer.index - 1]).itemsize
    if needed > MAX_BLOCK_BYTES:
        raise SatsrError(
            f"{layer.path} stores {width} x {height} px in one block of {needed / 1e9:.1f} GB, more than the limit of "
            f"{MAX_BLOCK_BYTES / 1e9:.1f} GB: it was not read. Store it in tiles (gdal_translate -co TILED=YES)."
        )


def _has_mask(dataset: Any, index: int) -> bool:
    return bool({MaskFlags.per_dataset, MaskFlags.alpha} & set(dataset.mask_flag_enums[index - 1]))
