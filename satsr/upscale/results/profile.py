"""What a GeoTIFF says about itself, small ones in one go, and whether all of one is on disk."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from satsr.errors import SatsrError

FULL = "the disk is probably full; what is finished is kept, so free some space and start the same command again."
RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


@dataclass(frozen=True)
class TiffProfile:
    """What a GeoTIFF says about itself.

    Attributes:
        height, width, bands: of the raster.
        dtype: of its values.
        crs, transform: where it lies; None for neither.
        nodata: native value that stands for "missing".
        names, colours: of the bands.
        gains, offsets: of the bands, where numbers are to be read as gain * number + offset.
        tags: further metadata.
    """

    height: int
    width: int
    bands: int
    dtype: np.dtype[Any]
    crs: Any = None
    transform: Any = None
    nodata: float | None = None
    names: Sequence[str | None] = ()
    colours: Sequence[ColorInterp] = ()
    gains: Sequence[float] = ()
    offsets: Sequence[float] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Of the raster, not compressed."""
        return self.height * self.width * self.bands * self.dtype.itemsize

    def creation(self, **options: Any) -> dict[str, Any]:
        """What rasterio wants to know to make it."""
        if "compress" in options:
            options["predictor"] = 3 if self.dtype.kind == "f" else 2
        colours = list(self.colours[:3]) == RGB and self.bands == 3
        return {
            "driver": "GTiff",
            "height": self.height,
            "width": self.width,
            "count": self.bands,
            "dtype": self.dtype,
            "crs": self.crs,
            "transform": self.transform,
            "nodata": self.nodata,
            "photometric": "RGB" if colours else "MINISBLACK",
            "alpha": "NO",
            **options,
        }

    def describe(self, target: Any) -> None:
        """Writes colours, names, gains and tags into a rasterio dataset."""
        if self.colours:
            target.colorinterp = [*self.colours]
        for index, name in enumerate(self.names, 1):
            if name:
                target.set_band_description(index, name)
        if self.gains:
            target.scales, target.offsets = tuple(self.gains), tuple(self.offsets)
        target.update_tags(**self.tags)


def create(path: Path, profile: TiffProfile, values: npt.NDArray[Any], **options: Any) -> None:
    """A GeoTIFF of (bands, height, width)."""
    with rasterio.open(path, "w", **profile.creation(bigtiff="IF_SAFER", **options)) as target:
        profile.describe(target)
        target.write(values)


def require_whole(path: Path, name: str | None = None) -> None:
    """Looks whether all blocks of a GeoTIFF, and of its overviews, are in the file.

    GDAL says nothing of blocks that a full disk did not take.

    Args:
        path: of the file.
        name: of the page, for one of several.

    Raises:
        SatsrError: blocks are missing or lie beyond the end of the file.
    """
    with _kept(path), rasterio.open(name or path) as written:
        levels = len(written.overviews(1))
    for level in (None, *range(levels)):
        _require_blocks(path, name, level)


def _require_blocks(path: Path, name: str | None, level: int | None) -> None:
    """As :func:`require_whole`, for one level."""
    size = path.stat().st_size
    options = {} if level is None else {"overview_level": level}
    with _kept(path), rasterio.open(name or path, **options) as written:
        rows, columns = (ceil(side / block) for side, block in zip(written.shape, written.block_shapes[0], strict=True))
        for row, column in product(range(rows), range(columns)):
            begin, length = (
                int(written.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1) or size + 1)
                for what in ("OFFSET", "SIZE")
            )
            if begin + length > size:
                raise SatsrError(f"{path} is not complete: {FULL}")


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    try:
        yield
    except RasterioError as error:
        raise SatsrError(f"{path} cannot be written and read back ({error}): {FULL}") from None
