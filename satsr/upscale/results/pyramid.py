"""Tiles and overviews of rows in memory: packed by GDAL, on all cores, and halved by means."""

from collections.abc import Iterator
from math import ceil, log2
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rasterio import Affine
from rasterio.io import MemoryFile

from satsr.upscale.results import directory
from satsr.upscale.results.profile import TiffProfile

BLOCK = 512
LEVELS = {"zstd": {"zstd_level": 1}, "deflate": {"zlevel": 4}}
"""How hard tiles are packed. Zstandard's level 1 makes scenes as small as Deflate's 4 in a quarter of the time, which
has 99 % of the gain of Deflate's 6 in 58 % of its time."""
TOGETHER = 8
"""Tiles that are packed together: what GDAL keeps of them stays small, and as many cores have work."""
ANYWHERE = Affine.scale(2)
"""Of tiles in memory: without it rasterio warns that they lie nowhere."""
FAST = ("uint8", "uint16", "int16", "float32", "float64")


def shapes(height: int, width: int) -> list[tuple[int, int]]:
    """Height and width of a raster and of its overviews, down to one that is no larger than a tile."""
    levels = ceil(log2(max(max(height, width) / BLOCK, 1)))
    return [(-(-height // 2**level), -(-width // 2**level)) for level in range(levels + 1)]


def creation(profile: TiffProfile, compress: str, **more: Any) -> dict[str, Any]:
    """What GDAL is told to make tiles."""
    packing = {} if compress == "none" else {"compress": compress, **LEVELS.get(compress, {})}
    tiles = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "interleave": "pixel", "endianness": "LITTLE"}
    return profile.creation(**tiles, **packing, **more)


def packed(rows: npt.NDArray[Any], compress: str) -> Iterator[memoryview]:
    """A row of tiles, each as it stands in the file, to be copied before the next one is asked for.

    Args:
        rows: (bands, n, width), n at most :data:`BLOCK`.
        compress: one of :data:`satsr.upscale.options.COMPRESSIONS`.
    """
    for left in range(0, rows.shape[2], TOGETHER * BLOCK):
        part = rows[:, :, left : left + TOGETHER * BLOCK]
        profile = TiffProfile(part.shape[1], part.shape[2], len(part), part.dtype, transform=ANYWHERE)
        with MemoryFile() as memory:
            with memory.open(**creation(profile, compress, num_threads="ALL_CPUS")) as target:
                target.write(part)
            content = memoryview(memory.getbuffer())
            found = directory.read(content)
            places = zip(found[directory.OFFSETS].numbers, found[directory.COUNTS].numbers, strict=True)
            yield from (content[offset : offset + count] for offset, count in places)


def described(profile: TiffProfile, compress: str, big: bool) -> dict[int, directory.Entry]:
    """The directory of a raster, with all that it says about itself; its tiles are missing."""
    with MemoryFile() as memory:
        bigtiff = "YES" if big else "NO"
        with memory.open(**creation(profile, compress, sparse_ok=True, bigtiff=bigtiff)) as target:
            profile.describe(target)
        return directory.read(memoryview(memory.getbuffer()))


def halved(rows: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[Any]:
    """Means of two by two pixels, halves rounded up; missing pixels do not count, and only all four give a missing one.

    Args:
        rows: (bands, h, w); the last row or column of an odd number is taken alone.
        nodata: value that stands for "missing".

    Returns:
        (bands, ceil(h / 2), ceil(w / 2)) of the same type.
    """
    odd = [(0, side % 2) for side in rows.shape]
    even = np.pad(rows, [(0, 0), *odd[1:]], mode="edge") if any(side for _, side in odd[1:]) else rows
    return np.stack([_halved(plane, nodata) for plane in even])


def _halved(plane: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[Any]:
    gaps = _gaps(plane, nodata)
    if gaps is None and plane.dtype.name in FAST:
        size = plane.shape[1] // 2, plane.shape[0] // 2
        return np.asarray(cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA))
    there = _quads(np.ones(plane.shape, np.bool_) if gaps is None else ~gaps)
    number = there.sum(axis=(1, 3))
    mean = np.where(there, _quads(plane), 0).sum(axis=(1, 3), dtype=np.float64) / np.maximum(number, 1)
    if plane.dtype.kind in "iu":
        mean = np.floor(mean + 0.5)
    if nodata is None:
        return np.asarray(mean, plane.dtype)
    if plane.dtype.kind in "iu":
        mean[mean == nodata] = nodata + (1 if nodata < np.iinfo(plane.dtype).max else -1)
    return np.asarray(np.where(number > 0, mean, nodata), plane.dtype)


def _gaps(plane: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_] | None:
    """Where pixels are missing; None if nowhere."""
    if nodata is None:
        return None
    gaps = np.isnan(plane) if np.isnan(nodata) else plane == nodata
    return np.asarray(gaps) if gaps.any() else None


def _quads(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2)
