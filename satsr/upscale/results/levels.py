"""A raster and its overviews as they lie in a Cloud-Optimised GeoTIFF, and the directories that say so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.upscale.results import directory
from satsr.upscale.results.directory import Directory, Entry
from satsr.upscale.results.profile import TiffProfile
from satsr.upscale.results.pyramid import BLOCK

FRAME = 8
"""Bytes around a tile: its size before it, its last four again after it."""
SPARE = 4096
"""Bytes for tags that are known only when the raster is (and as much for each band)."""


@dataclass
class Level:
    """The raster or one of its overviews.

    Attributes:
        height, width: in its pixels.
        start: of its tiles in the file.
        sizes: in bytes, of the tiles that are on disk.
        rows: of the tiles that are still to be filled, (bands, 512, width).
        filled: how many of these rows are there.
    """

    height: int
    width: int
    start: int = 0
    sizes: list[int] = field(default_factory=list)
    rows: npt.NDArray[Any] | None = None
    filled: int = 0

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return ceil(self.width / BLOCK)

    @property
    def tiles(self) -> int:
        """All of them."""
        return self.across * ceil(self.height / BLOCK)

    @property
    def done(self) -> int:
        """Rows that are on disk."""
        return min(len(self.sizes) // self.across * BLOCK, self.height)

    @property
    def end(self) -> int:
        """Of its last tile that is on disk."""
        return self.start + sum(self.sizes) + FRAME * len(self.sizes)


def place(levels: Sequence[Level], profile: TiffProfile, beginning: int) -> None:
    """Lets the levels begin where they have room behind the directories, the smallest first, whatever their sizes.

    Args:
        levels: the raster and its overviews.
        profile: of the raster.
        beginning: bytes of the directories.
    """
    start = beginning + SPARE * (1 + profile.bands)
    raw = BLOCK * BLOCK * profile.bands * profile.dtype.itemsize
    for level in reversed(levels):
        level.start = start
        start += level.tiles * (raw + raw // 64 + 1024)  # what cannot be compressed grows a little


def head(levels: Sequence[Level], full: Directory, big: bool) -> bytes:
    """The file up to its first tile.

    Args:
        levels: the raster and its overviews.
        full: the raster's directory, whose tiles do not count.
        big: whether the file is a BigTIFF.
    """
    shared = {tag: full[tag] for tag in directory.OVERVIEW if tag in full}
    directories = []
    for index, level in enumerate(levels):
        own = shared | {directory.SUBFILE: Entry.of(directory.LONG, 1)} if index else dict(full)
        sides = {directory.WIDTH: level.width, directory.LENGTH: level.height}
        own |= {tag: Entry.of(directory.LONG, side) for tag, side in sides.items()}
        directories.append(own | _tiles(level, big))
    return directory.head(directories, big)


def _tiles(level: Level, big: bool) -> dict[int, Entry]:
    """Where the tiles of a level are; 0 where they are not there yet."""
    sizes = np.array(level.sizes, np.int64)
    places = level.start + 4 + np.cumsum(sizes + FRAME) - sizes - FRAME
    missing = [0] * (level.tiles - len(sizes))
    return {
        directory.OFFSETS: Entry.of(directory.LONG8 if big else directory.LONG, *places.tolist(), *missing),
        directory.COUNTS: Entry.of(directory.LONG, *level.sizes, *missing),
    }
