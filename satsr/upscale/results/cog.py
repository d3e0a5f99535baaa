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
GAP = 1 << 16
"""Bytes between two levels that may stay."""
PIECE = 16 << 20
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
        with self._disk(), self.path.open("r+b", buffering=0) as handle:
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
        tiles = packed(rows, profile, self.compress)
        framed = [struct.pack("<I", len(tile)) + tile + tile[-4:] for tile in tiles]
        with self._disk(), self.path.open("r+b", buffering=0) as handle:
            handle.seek(level.end)
            _write(handle, b"".join(framed))
        level.sizes += [len(tile) for tile in tiles]
        level.filled = 0
        if index + 1 < len(self._levels):
            self._take(halved(rows, self.profile.nodata), index + 1)

    def _note(self) -> None:
        """What is safe on disk, in one piece, because another thread reads it."""
        starts, sizes = ([getattr(level, name) for level in self._levels] for name in ("start", "sizes"))
        self.state = {"starts": starts, "sizes": [list(size) for size in sizes], "moved": 0}

    def _resume(self) -> None:
        """Takes up an earlier file: rows that had not made a tile yet are halved again from the level below."""
        for level, start, sizes in zip(self._levels, self.state["starts"], self.state["sizes"], strict=True):
            level.start, level.sizes = start, list(sizes)
        with self.path.open("r+b") as handle:
            for level in self._levels if not self.state["moved"] else ():
                self._require_tiles(handle, level)
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

    def _require_tiles(self, handle: Any, level: _Level) -> None:
        """Looks for each tile's size around it.

        Raises:
            SatsrError: they are not there.
        """
        place = level.start
        for size in level.sizes:
            handle.seek(place)
            if handle.read(4) != struct.pack("<I", size):
                raise SatsrError(f"{self.path} is not complete: {FULL}")
            place += size + FRAME

    def _move(self, handle: Any, index: int, save: Callable[[], None]) -> None:
        """Moves a level to the end of the one before it in the file, piece by piece, so that it can be gone on with."""
        level = self._levels[index]
        start = self._levels[index + 1].end if index + 1 < len(self._levels) else level.start
        if level.start - start < GAP:
            return
        length, step = level.end - level.start, min(PIECE, level.start - start)
        for moved in range(self.state["moved"], length, step):
            handle.seek(level.start + moved)
            piece = handle.read(min(step, length - moved))
            handle.seek(start + moved)
            _write(handle, piece)
            self.state["moved"] = moved + len(piece)
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


def _write(handle: Any, content: bytes) -> None:
    """All of it: a file without a buffer may take less at a time."""
    view = memoryview(content)
    while view:
        view = view[handle.write(view) :]
