"""Writing large GeoTIFFs: rows as they come, then one Cloud-Optimised file in the place of what was there.

The COG's directory of tiles lies at its beginning, so it can only be written from a finished raster: the rows go to a
file beside it first, in whole rows of blocks, which survives an interruption. It is not compressed, because a file that
is opened again, which every row of windows does, forgets the quick level that it was made with.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from math import ceil, log2
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.files import replacing
from satsr.imagery.raster import CACHE_MB

BLOCK = 512
LARGE = 64 << 20
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


class RowWriter:
    """Takes rows from top to bottom and writes them in whole rows of blocks.

    Args:
        path: of the file.
        profile: of the raster.
        done: rows that the file holds already; 0 makes it anew.

    Attributes:
        done: rows that are safe on disk.
    """

    def __init__(self, path: Path, profile: TiffProfile, done: int = 0) -> None:
        self.path, self.profile, self.done = path, profile, done
        self._waiting: npt.NDArray[Any] = np.empty((profile.bands, 0, profile.width), profile.dtype)
        if not done:
            create(path, profile, tiled=True, blockxsize=BLOCK, blockysize=BLOCK, interleave="band")

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Adds rows (bands, n, width); they are on disk when :attr:`done` has passed them."""
        waiting = self._waiting.shape[1]
        ready = waiting + rows.shape[1]
        whole = ready if self.done + ready == self.profile.height else ready // BLOCK * BLOCK
        if not whole:
            self._waiting = np.concatenate([self._waiting, rows], axis=1)
            return
        # Closing the file is what makes it complete: a killed process loses the rows in memory only.
        with _quick(), _kept(self.path), rasterio.open(self.path, "r+") as target:
            for row in range(0, whole, BLOCK):
                first, last = max(row - waiting, 0), min(row + BLOCK, whole) - waiting
                part = np.concatenate([self._waiting, rows[:, first:last]], axis=1) if row == 0 else rows[:, first:last]
                window = Window(0, self.done + row, self.profile.width, part.shape[1])
                target.write(np.ascontiguousarray(part), window=window)
        require_blocks(self.path, self.done // BLOCK, ceil((self.done + whole) / BLOCK))
        self._waiting = rows[:, whole - waiting :].copy()
        self.done += whole


def create(path: Path, profile: TiffProfile, values: npt.NDArray[Any] | None = None, **options: Any) -> None:
    """A GeoTIFF of (bands, height, width), or an empty one, whose blocks are missing until they are written."""
    if "compress" in options:
        options["predictor"] = 3 if profile.dtype.kind == "f" else 2
    target = rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=profile.height,
        width=profile.width,
        count=profile.bands,
        dtype=profile.dtype,
        crs=profile.crs,
        transform=profile.transform,
        nodata=profile.nodata,
        photometric="RGB" if list(profile.colours[:3]) == RGB and profile.bands == 3 else "MINISBLACK",
        alpha="NO",
        sparse_ok=True,
        bigtiff="IF_SAFER",
        **options,
    )
    with target:
        if profile.colours:
            target.colorinterp = [*profile.colours]
        for index, name in enumerate(profile.names, 1):
            if name:
                target.set_band_description(index, name)
        if profile.gains:
            target.scales, target.offsets = tuple(profile.gains), tuple(profile.offsets)
        target.update_tags(**profile.tags)
        if values is not None:
            target.write(values)


def add_tags(path: Path, tags: Mapping[str, str]) -> None:
    """Further metadata of a GeoTIFF that is there."""
    with _kept(path), rasterio.open(path, "r+") as target:
        target.update_tags(**tags)


def usable(path: Path, done: int) -> bool:
    """Whether the rows that an earlier run left can be gone on with."""
    try:
        with _kept(path), rasterio.open(path, "r+"):
            pass
        require_blocks(path, 0, ceil(done / BLOCK))
    except SatsrError:
        return False
    return True


@contextmanager
def _quick() -> Iterator[None]:
    """All cores compress, and what is read and written is not kept."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB, GDAL_NUM_THREADS="ALL_CPUS"):
        yield


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
        require_blocks(path, name=name, level=level)


def require_blocks(
    path: Path, first: int = 0, last: int | None = None, *, name: str | None = None, level: int | None = None
) -> None:
    """As :func:`require_whole`, for the rows of blocks ``first`` to ``last`` (exclusive) of one level.

    Raises:
        SatsrError: blocks are missing or lie beyond the end of the file.
    """
    size = path.stat().st_size
    options = {} if level is None else {"overview_level": level}
    with _kept(path), rasterio.open(name or path, **options) as written:
        rows, columns = (ceil(side / block) for side, block in zip(written.shape, written.block_shapes[0], strict=True))
        for place in product(range(first, rows if last is None else last), range(columns)):
            row, column = place
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
    except (RasterioError, TypeError) as error:  # TypeError is rasterio's answer to "r+" of a file that is no raster
        raise SatsrError(f"{path} cannot be written and read back ({error}): {FULL}") from None


def to_cog(source: Path, target: Path) -> None:
    """Makes a Cloud-Optimised GeoTIFF with overviews, deflate and predictor of a finished one, atomically.

    The overviews are built in ``source`` first, without compression, where they cost a tenth of what they cost the COG
    driver. A large file is made in a process of its own, because GDAL does not listen to an interruption for the
    minutes that it takes.

    Raises:
        SatsrError: it failed, for instance because the disk is full.
    """
    with replacing(target) as temporary:
        if source.stat().st_size < LARGE:
            try:
                _copy(str(source), str(temporary))
            except Exception as error:  # GDAL's errors come as a class of rasterio's insides
                raise SatsrError(f"{target} could not be written ({error}): {FULL}") from None
        else:
            command = [sys.executable, "-m", "satsr.upscale.results.cog", str(source), str(temporary)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
                raise SatsrError(f"{target} could not be written ({reason}): {FULL}")
        require_whole(source)
        require_whole(temporary)


def _copy(source: str, target: str) -> None:
    from rasterio.shutil import copy

    with _quick():
        with rasterio.open(source, "r+") as rows:
            levels = range(1, ceil(log2(max(max(rows.shape) / BLOCK, 1))) + 1)
            rows.build_overviews([2**level for level in levels], Resampling.average)
        copy(
            source,
            target,
            driver="COG",
            compress="DEFLATE",
            level=4,  # of level 6 it has 99 % of the gain in 58 % of the time
            predictor="YES",
            blocksize=BLOCK,  # that of the rows: another one costs half as much again
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
        )


if __name__ == "__main__":
    _copy(*sys.argv[1:])
