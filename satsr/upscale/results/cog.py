"""A Cloud-Optimised GeoTIFF written from top to bottom, once, overviews and all, into the file that becomes the result.

Such a file has its directories first, then the tiles of its overviews, the smallest first, and those of the raster last. Their
sizes are known when the last row is. So the raster's tiles are written behind gaps (which take no room on disk) that
hold the overviews without compression, the overviews' into these as they arise, and at the end all moves together.
GDAL packs the tiles in memory, on all cores and beside the network.
"""

import os
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.imagery.gdal import opened
from satsr.upscale.results import directory
from satsr.upscale.results.directory import Entry
from satsr.upscale.results.profile import FULL, TiffProfile, require_whole
from satsr.upscale.results.pyramid import BLOCK, described, halved, packed, shapes

AHEAD = 1
"""Pieces of the result that wait while another one is packed."""
LARGE = 3 << 30
"""Bytes, not compressed, from which a file is a BigTIFF."""
SPARE = 4096
"""Bytes for tags that are known only when the raster is (and as much for each band)."""
GAP, SHARE = 1 << 16, 64
"""Bytes between two levels that may stay, and which part of the second of them."""
PIECE = 4 << 20
"""Bytes that are moved at once."""
ANYWHERE = Affine.scale(2)
"""Of tiles in memory: without it rasterio warns that they lie nowhere."""
FRAME = 8
"""Bytes around a tile: its size before it, its last four again after it."""


@dataclass
class _Level:
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
        return ceil(self.width / BLOCK)

    @property
    def tiles(self) -> int:
        return self.across * ceil(self.height / BLOCK)

    @property
    def done(self) -> int:
        """Rows that are on disk."""
        return min(len(self.sizes) // self.across * BLOCK, self.height)

    @property
    def end(self) -> int:
        return self.start + sum(self.sizes) + FRAME * len(self.sizes)


class CogWriter:
    """Takes rows from top to bottom and writes a Cloud-Optimised GeoTIFF with overviews by means.

    Use as a context manager: leaving it waits for what is under way.

    Args:
        path: of the file.
        profile: of the raster.
        compress: one of :data:`satsr.upscale.options.COMPRESSIONS`.
        state: of an earlier writer, whose file is gone on with; empty begins anew.

    Attributes:
        state: what an interruption at this moment leaves, to be kept by the caller.
        taken: rows that have been given, now or earlier.

    Raises:
        SatsrError: the disk refuses, or the file does not have what the state says.
    """

    def __init__(
        self, path: Path, profile: TiffProfile, compress: str = "zstd", state: Mapping[str, Any] | None = None
    ) -> None:
        self.path, self.profile, self.compress = path, profile, compress
        self._big = profile.bytes * 4 / 3 > LARGE
        self._levels = [_Level(*shape) for shape in shapes(profile.height, profile.width)]
        self._place()
        self.state: dict[str, Any] = dict(state or {})
        with self._disk():
            if self.state:
                self._resume()
            else:
                path.write_bytes(b"")
                self._note()
        self.taken = self._levels[0].done
        self._worker, self._waiting = ThreadPoolExecutor(1), deque[Future[None]]()

    def __enter__(self) -> "CogWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)

    @property
    def done(self) -> int:
        """Rows that are on disk."""
        return self._levels[0].done

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Adds rows (bands, n, width), which must not change any more; :attr:`state` tells when they are on disk."""
        while len(self._waiting) > AHEAD:
            self._waiting.popleft().result()
        self.taken += rows.shape[1]
        self._waiting.append(self._worker.submit(self._take, rows))

    def finish(self, save: Callable[[], None] = lambda: None) -> None:
        """Waits for the last rows, moves all together, and writes the directories.

        Args:
            save: keeps :attr:`state`, which changes while tiles are moved.
        """
        while self._waiting:
            self._waiting.popleft().result()
        save()
        with self._disk(), self.path.open("r+b") as handle:
            for index in reversed(range(len(self._levels))):
                self._move(handle, index, save)
            handle.truncate(self._levels[0].end)
        self.tag({})

    def tag(self, tags: Mapping[str, str]) -> None:
        """Writes the directories, with further metadata."""
        self.profile = replace(self.profile, tags={**self.profile.tags, **tags})
        with self._disk(), self.path.open("r+b") as handle:
            head, room = self._head(), self._levels[-1].start
            if len(head) > room:
                raise SatsrError(f"the tags of {self.path} take {len(head)} bytes where {room} are kept: shorten them.")
            handle.write(head.ljust(room, b"\0"))

    def publish(self, target: Path) -> None:
        """Puts the finished file in the place of ``target``, atomically."""
        require_whole(self.path)
        with self._disk():
            with self.path.open("rb+") as handle:
                os.fsync(handle.fileno())
            self.path.replace(target)

    def _place(self) -> None:
        """Where the levels begin while their sizes are not known."""
        start = len(self._head()) + SPARE * (1 + self.profile.bands)
        raw = BLOCK * BLOCK * self.profile.bands * self.profile.dtype.itemsize
        for level in reversed(self._levels):
            level.start = start
            start += level.tiles * (raw + raw // 64 + 1024)  # what cannot be compressed grows a little

    def _head(self) -> bytes:
        full = described(self.profile, self.compress, self._big)
        shared = {tag: full[tag] for tag in directory.OVERVIEW if tag in full}
        directories = []
        for index, level in enumerate(self._levels):
            own = shared | {directory.SUBFILE: Entry.of(directory.LONG, 1)} if index else dict(full)
            sides = {directory.WIDTH: level.width, directory.LENGTH: level.height}
            own |= {tag: Entry.of(directory.LONG, side) for tag, side in sides.items()}
            directories.append(own | self._tiles(level))
        return directory.head(directories, self._big)

    def _tiles(self, level: _Level) -> dict[int, Entry]:
        """Where the tiles of a level are; 0 where they are not there yet."""
        sizes = np.array(level.sizes, np.int64)
        places = level.start + 4 + np.cumsum(sizes + FRAME) - sizes - FRAME
        missing = [0] * (level.tiles - len(sizes))
        wide = directory.LONG8 if self._big else directory.LONG
        return {
            directory.OFFSETS: Entry.of(wide, *places.tolist(), *missing),
            directory.COUNTS: Entry.of(directory.LONG, *level.sizes, *missing),
        }

    def _take(self, rows: npt.NDArray[Any], index: int = 0) -> None:
        """Rows of a level: into tiles, and halved into the next level."""
        level = self._levels[index]
        while rows.shape[1]:
            if level.rows is None:
                level.rows = np.empty((self.profile.bands, BLOCK, level.width), self.profile.dtype)
            count = min(BLOCK - level.filled, rows.shape[1])
            level.rows[:, level.filled : level.filled + count] = rows[:, :count]
            level.filled, rows = level.filled + count, rows[:, count:]
            if level.filled == BLOCK or level.done + level.filled == level.height:
                self._pack(index, level.rows[:, : level.filled])
        if index == 0:
            self._note()

    def _pack(self, index: int, rows: npt.NDArray[Any]) -> None:
        level = self._levels[index]
        profile = TiffProfile(rows.shape[1], level.width, self.profile.bands, self.profile.dtype, transform=ANYWHERE)
        sizes = []
        with self._disk(), self.path.open("r+b") as handle:
            handle.seek(level.end)
            for tile in packed(rows, profile, self.compress):
                for part in (struct.pack("<I", len(tile)), tile, tile[-4:]):
                    handle.write(part)
                sizes.append(len(tile))
        level.sizes += sizes
        level.filled = 0
        if index + 1 < len(self._levels):
            self._take(halved(rows, self.profile.nodata), index + 1)

    def _note(self, *moving: int) -> None:
        """What is safe on disk, in one piece, because another thread reads it."""
        starts, tiles = [level.start for level in self._levels], [len(level.sizes) for level in self._levels]
        self.state = {"starts": starts, "tiles": tiles, "moving": list(moving)}

    def _resume(self) -> None:
        """Takes up an earlier file: rows that had not made a tile yet are halved again from the level below."""
        with self.path.open("rb") as handle:
            for index, level in enumerate(self._levels):
                level.start = self.state["starts"][index]
                self._find_tiles(handle, index, self.state["tiles"][index])
        if self.done == self.profile.height:
            return
        self.tag({})
        for index, level in enumerate(self._levels[1:], 1):
            finer = self._levels[index - 1]
            if finer.done > 2 * level.done:
                window = Window(0, 2 * level.done, finer.width, finer.done - 2 * level.done)
                self._take(halved(self._read(index - 1, window), self.profile.nodata), index)

    def _read(self, index: int, window: Window) -> npt.NDArray[Any]:
        """Finished rows of a level."""
        options = {"overview_level": index - 1} if index else {}
        with opened(self.path, **options) as source:
            return np.asarray(source.read(window=window))

    def _find_tiles(self, handle: Any, index: int, tiles: int) -> None:
        """Learns the sizes of a level's tiles from what stands before and after each.

        Raises:
            SatsrError: they are not there.
        """
        level, moving = self._levels[index], self.state["moving"]
        begin, moved = moving[1:] if moving and moving[0] == index else (0, 0)

        def read(count: int) -> bytes:
            handle.seek((begin if place + count <= moved else level.start) + place)
            return bytes(handle.read(count))

        place = 0
        for _ in range(tiles):
            size = int.from_bytes(read(4), "little")
            place += size
            tail = read(8)
            if size < 4 or len(tail) < 8 or tail[:4] != tail[4:]:
                raise SatsrError(f"{self.path} is not complete: {FULL}")
            level.sizes.append(size)
            place += FRAME

    def _move(self, handle: Any, index: int, save: Callable[[], None]) -> None:
        """Moves a level to the end of the one before it in the file, in steps after which it can be gone on with."""
        level = self._levels[index]
        start = self._levels[index + 1].end if index + 1 < len(self._levels) else level.start
        length, gap = level.end - level.start, level.start - start
        if gap < max(GAP, length // SHARE):
            return
        for moved in range(self.state["moving"][2] if self.state["moving"] else 0, length, gap):
            until = min(moved + gap, length)
            for place in range(moved, until, PIECE):
                handle.seek(level.start + place)
                piece = handle.read(min(PIECE, until - place))
                handle.seek(start + place)
                handle.write(piece)
            self._note(index, start, until)
            save()
        level.start = start
        self._note()
        save()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RasterioError) as error:
            raise SatsrError(f"{self.path} cannot be written and read back ({error}): {FULL}") from None
