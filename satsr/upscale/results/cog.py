"""A Cloud-Optimised GeoTIFF written from top to bottom, once, overviews and all, into the file that becomes the result.

Such a file has its directories first, then the tiles of its overviews, the smallest first, and those of the raster
last. Their sizes are known when the last row is. So the raster's tiles are written behind gaps (which take no room on
disk) that would hold the overviews without compression, the overviews' into these as they arise, and at the end all
moves together. GDAL packs the tiles in memory, on all cores and beside the network.
"""

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.imagery.gdal import opened
from satsr.upscale.results.levels import FRAME, Level, head, place
from satsr.upscale.results.profile import FULL, TiffProfile, require_whole
from satsr.upscale.results.pyramid import BLOCK, described, halved, packed, shapes

LARGE = 3 << 30
"""Bytes, not compressed, from which a file is a BigTIFF."""
GAP, SHARE = 1 << 16, 64
"""Bytes between two levels that may stay, and which part of the second of them."""
PIECE = 4 << 20
"""Bytes that are moved at once."""


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
        self._levels = [Level(*shape) for shape in shapes(profile.height, profile.width)]
        place(self._levels, profile, len(self._head()))
        self.state: dict[str, Any] = dict(state or {})
        with self._disk():
            if self.state:
                self._resume()
            else:
                path.write_bytes(b"")
                self._note()
        self.taken = self._levels[0].done
        self._worker, self._given = ThreadPoolExecutor(1), Future[None]()
        self._given.set_result(None)

    def __enter__(self) -> "CogWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(wait=True)

    @property
    def done(self) -> int:
        """Rows that are on disk."""
        return self._levels[0].done

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Adds rows (bands, n, width), which must not change any more; :attr:`state` tells when they are on disk."""
        self._given.result()  # so that no more than these and the next rows are in memory
        self.taken += rows.shape[1]
        self._given = self._worker.submit(self._take, rows)

    def finish(self, save: Callable[[], None] = lambda: None) -> None:
        """Waits for the last rows, moves all together, and writes the directories.

        Args:
            save: keeps :attr:`state`, which changes while tiles are moved.
        """
        self._given.result()
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
            beginning, room = self._head(), self._levels[-1].start
            if len(beginning) > room:
                raise SatsrError(
                    f"the tags of {self.path} take {len(beginning)} bytes where {room} are kept: shorten them."
                )
            handle.write(beginning.ljust(room, b"\0"))

    def publish(self, target: Path) -> None:
        """Puts the finished file in the place of ``target``, atomically."""
        require_whole(self.path)
        with self._disk():
            with self.path.open("rb+") as handle:
                os.fsync(handle.fileno())
            self.path.replace(target)

    def _head(self) -> bytes:
        return head(self._levels, described(self.profile, self.compress, self._big), self._big)

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
        sizes = []
        with self._disk(), self.path.open("r+b") as handle:
            handle.seek(level.end)
            for tile in packed(rows, self.compress):
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
        level, moving, at = self._levels[index], self.state["moving"], 0
        begin, moved = moving[1:] if moving and moving[0] == index else (0, 0)

        def read(count: int) -> bytes:
            handle.seek((begin if at + count <= moved else level.start) + at)
            return bytes(handle.read(count))

        for _ in range(tiles):
            size = int.from_bytes(read(4), "little")
            at += size
            tail = read(8)
            if size < 4 or len(tail) < 8 or tail[:4] != tail[4:]:
                raise SatsrError(f"{self.path} is not complete: {FULL}")
            level.sizes.append(size)
            at += FRAME

    def _move(self, handle: Any, index: int, save: Callable[[], None]) -> None:
        """Moves a level to the end of the one before it in the file, in steps after which it can be gone on with."""
        level = self._levels[index]
        start = self._levels[index + 1].end if index + 1 < len(self._levels) else level.start
        length, gap = level.end - level.start, level.start - start
        if gap < max(GAP, length // SHARE):
            return
        for moved in range(self.state["moving"][2] if self.state["moving"] else 0, length, gap):
            until = min(moved + gap, length)
            for at in range(moved, until, PIECE):
                handle.seek(level.start + at)
                piece = handle.read(min(PIECE, until - at))
                handle.seek(start + at)
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
