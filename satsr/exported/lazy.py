"""Arrays that Dask computes later: the result is as lazy as they are.

A task enlarges one chunk with its surroundings (the halo), in windows that the memory bears, and keeps what lies over
the chunk, so that chunks equal the whole as the windows of ``satsr upscale`` do: within one count of rounding, where a
network looks no further than the halo. The graph holds no model but where one lies (:mod:`satsr.exported.opening`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from math import ceil, isnan, isqrt
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError

HALO = 24
"""LR px around what is kept of a window, further by the reach of a constraint: as far as the windows of ``satsr
upscale`` see beyond the last pixel that they alone decide."""
WINDOW, SMALLEST, AT_ONCE = 256, 64, 8
"""LR px along a side that a network gets at once, halo and all; the least of them where it takes more images than so
many together."""
LARGEST = 1 << 27
"""Bytes of a chunk of the result, which is Dask's own default; larger ones are cut."""
SAMPLE_PX = 128
SAMPLES = 3
"""Windows along each side of an array whose range is looked at."""
Corner = tuple[int, int]
Spans = tuple[tuple[int, int], ...]


class Task(Protocol):
    """What is done in each task; it travels with the graph, so it is small and holds no session."""

    @property
    def looks(self) -> bool:
        """Whether samples are checked before anything is enlarged."""
        ...

    def enlarge(self, values: npt.NDArray[Any], corner: Corner) -> npt.NDArray[Any]:
        """(N, h, w, C) native to (N, sh, sw, C) or (sh, sw, C) of the same type, from this row and column on."""
        ...

    def check(self, samples: Sequence[npt.NDArray[Any]]) -> None:
        """Refuses values that are plainly not in the model's range."""
        ...


@dataclass(frozen=True)
class Way:
    """How a result follows from its input.

    Attributes:
        scale: SR px per LR px.
        single: whether images know nothing of each other.
        merged: whether the first axis goes.
        together: images that the network gets at once.
        reach: LR px by which the halo is longer.
    """

    scale: int
    single: bool
    merged: bool
    together: int
    reach: int

    @property
    def halo(self) -> int:
        """LR px on each side."""
        return HALO + self.reach

    @property
    def core(self) -> int:
        """LR px of a window that are kept, along a side."""
        window = min(isqrt(WINDOW**2 * AT_ONCE // self.together), WINDOW)
        return max(max(window, SMALLEST) - 2 * self.halo, self.halo)


@dataclass(frozen=True)
class Piece:
    """One axis of a window.

    Attributes:
        seen: what the network gets of a chunk with its halo, in LR px.
        kept: what is kept of the result, in SR px.
        place: where that goes in the result's chunk, in SR px.
        corner: where the window begins in the array, in LR px.
    """

    seen: slice
    kept: slice
    place: slice
    corner: int


def is_lazy(values: Any) -> bool:
    """Whether something is a Dask array; Dask is not imported for that."""
    return hasattr(values, "__dask_graph__") and hasattr(values, "chunks")


def enlarged(cube: Any, task: Task, way: Way) -> Any:
    """The result, a Dask array of which nothing is computed yet.

    Args:
        cube: a Dask array (N, H, W, C), native values.
        task: what is done.
        way: how the result follows from it.

    Returns:
        (N, sH, sW, C) or (sH, sW, C) of the same type. Its chunks lie over those of ``cube``, of which the smallest
        were put together and the largest cut.

    Raises:
        SatsrError: the size of the array is not known.
    """
    import dask
    from dask.array import map_blocks
    from dask.array.overlap import overlap

    if any(isnan(side) for side in cube.shape):
        raise SatsrError("the array's size is not known before it is computed: call its compute_chunk_sizes() first.")
    cube = _chunked(cube, way)
    checked = dask.delayed(task.check, pure=True)(_samples(cube)) if task.looks else None
    halo = {axis: 0 if len(cube.chunks[axis]) == 1 else way.halo for axis in (1, 2)}
    rows, columns = (_spans(cube.chunks[axis]) for axis in (1, 2))
    images = (1,) if way.merged else cube.chunks[0]
    sides = [tuple(way.scale * side for side in cube.chunks[axis]) for axis in (1, 2)]
    made = map_blocks(
        _chunk,
        overlap(cube, halo, boundary="none", allow_rechunk=False),
        task=task,
        way=way,
        rows=rows,
        columns=columns,
        checked=checked,
        dtype=cube.dtype,
        chunks=(images, *sides, cube.chunks[3]),
        meta=np.empty((0,) * 4, cube.dtype),
        name=f"satsr-{dask.base.tokenize(cube, task, way)}",
    )
    return made[0] if way.merged else made


def _chunk(
    values: npt.NDArray[Any],
    task: Task,
    way: Way,
    rows: Spans,
    columns: Spans,
    checked: None = None,
    block_id: tuple[int, ...] = (),
) -> npt.NDArray[Any]:
    """One chunk of the result, from the chunk below it and its halo."""
    spans = rows[block_id[1]], columns[block_id[2]]
    images = 1 if way.merged else len(values)
    high, wide = (way.scale * (end - begin) for begin, end in spans)
    made = np.empty((images, high, wide, values.shape[3]), values.dtype)
    pieces = [_pieces(span, side, way) for span, side in zip(spans, values.shape[1:3], strict=True)]
    for row, column in product(*pieces):
        found = task.enlarge(values[:, row.seen, column.seen], (row.corner, column.corner))
        made[:, row.place, column.place] = found[..., row.kept, column.kept, :]
    return made


def _pieces(span: tuple[int, int], length: int, way: Way) -> list[Piece]:
    """One axis of a chunk of ``length`` LR px, halo and all, that lies over ``span`` of the array."""
    ahead = min(way.halo, span[0])
    found = []
    for first, last in _parts(span[1] - span[0], way.core):
        start, stop = max(first + ahead - way.halo, 0), min(last + ahead + way.halo, length)
        kept = slice((first + ahead - start) * way.scale, (last + ahead - start) * way.scale)
        place = slice(first * way.scale, last * way.scale)
        found.append(Piece(slice(start, stop), kept, place, span[0] - ahead + start))
    return found


def _chunked(cube: Any, way: Way) -> Any:
    """In chunks that are no smaller than half a window and whose results are no larger than :data:`LARGEST`."""
    images = cube.chunks[0] if way.single else (cube.shape[0],)
    bytes_ = max(images) * cube.shape[3] * cube.dtype.itemsize * way.scale**2
    most = max(isqrt(LARGEST // bytes_), way.core, 2 * way.halo)
    sides = [_regular(cube.chunks[axis], max(way.core // 2, way.halo), most) for axis in (1, 2)]
    return cube.rechunk((images, *sides, (cube.shape[3],)))


def _regular(sides: Sequence[int], least: int, most: int) -> tuple[int, ...]:
    """The sides of chunks, those below ``least`` put to their neighbours, those above ``most`` in equal parts."""
    found: list[int] = []
    waiting = 0
    for side in sides:
        waiting += side
        if waiting >= least:
            found.append(waiting)
            waiting = 0
    if waiting:
        found[-1:] = [sum(found[-1:]) + waiting]
    return tuple(end - begin for side in found for begin, end in _parts(side, most))


def _parts(length: int, most: int) -> list[tuple[int, int]]:
    """A length in equal parts of at most ``most``."""
    number = ceil(length / most)
    return list(pairwise(length * place // number for place in range(number + 1)))


def _spans(sides: Sequence[int]) -> Spans:
    return tuple(pairwise(accumulate(sides, initial=0)))


def _samples(cube: Any) -> list[Any]:
    """Windows spread over the first, the middle and the last image."""
    images = sorted({0, cube.shape[0] // 2, cube.shape[0] - 1})
    rows, columns = (
        sorted({int(place) for place in np.linspace(0, max(side - SAMPLE_PX, 0), SAMPLES)}) for side in cube.shape[1:3]
    )
    return [
        cube[image, row : row + SAMPLE_PX, column : column + SAMPLE_PX]
        for image, row, column in product(images, rows, columns)
    ]
