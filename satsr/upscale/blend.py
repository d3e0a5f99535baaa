"""Whole scenes in overlapping windows, blended into finished rows while they arrive.

A scene is cut into windows at low resolution; the enlarged patches fade into each other over their overlaps, so that no
seam is left. Memory is one row of windows, whatever the scene's height, and nothing goes to disk in between.

Source: opensr-utils 2.0, whose windows and weights these are. It sums into files as large as the scene and truncates to
integers; here the sums live in memory for as long as a row needs, and integers are rounded.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from satsr.errors import SatsrError

RAMPS = ("sigmoid", "linear", "cosine")
STEEPNESS = 6.0  # of the sigmoid, before it is stretched to end at 0 and 1


def windows(length: int, window: int, overlap: int) -> list[int]:
    """Where windows start along one axis: every ``window - overlap`` pixels, and a last one that ends at the end.

    An axis no longer than a window has one window, which is the whole axis.

    Raises:
        SatsrError: the overlap is negative or not smaller than the window, or the axis is empty.
    """
    if length < 1 or not 0 <= overlap < window:
        raise SatsrError(
            f"a window must be larger than its overlap, and the overlap not negative: got a window of {window} px with "
            f"an overlap of {overlap} px on {length} px. Choose a larger window or a smaller overlap."
        )
    last = max(length - window, 0)
    starts = list(range(0, last + 1, window - overlap))
    return starts if starts[-1] == last else [*starts, last]


def ramp(n: int, kind: str = "sigmoid") -> NDArray[np.float32]:
    """``n`` weights that rise from 0 to 1.

    Raises:
        SatsrError: the kind is not ``linear``, ``cosine`` or ``sigmoid``.
    """
    t = np.linspace(0, 1, n)
    if kind == "linear":
        rise = t
    elif kind == "cosine":
        rise = 0.5 * (1 - np.cos(math.pi * t))
    elif kind == "sigmoid":
        rise = 1 / (1 + np.exp(-STEEPNESS * (t - 0.5)))
        rise = (rise - rise[:1]) / (rise[-1:] - rise[:1]) if n > 1 else t
    else:
        raise SatsrError(f"no ramp is called {kind!r}: the kinds are {', '.join(RAMPS)}")
    return rise.astype(np.float32)


@dataclass(frozen=True)
class Seams:
    """How neighbouring patches fade into each other.

    Attributes:
        window: height and width of a window in LR px.
        overlap: of neighbouring windows in LR px.
        eliminate: LR px at a patch's edge that are not used at all, where it has a neighbour.
        kind: of the ramp over the rest of the overlap.

    Raises:
        SatsrError: the numbers do not fit together, so that pixels would be left without a weight.
    """

    window: int = 128
    overlap: int = 12
    eliminate: int = 2
    kind: str = "sigmoid"

    def __post_init__(self) -> None:
        windows(self.window, self.window, self.overlap)
        ramp(2, self.kind)
        spare = self.overlap - 2 * self.eliminate
        if self.eliminate < 0 or (spare < 2 and (self.overlap, self.eliminate) != (0, 0)):
            raise SatsrError(
                f"the overlap must be at least 2 px more than twice the eliminated border, or both 0: got an overlap "
                f"of {self.overlap} px and {self.eliminate} px eliminated. Enlarge the overlap or eliminate less."
            )

    def weight(self, scale: int, length: int, before: bool, after: bool) -> NDArray[np.float32]:
        """The weights along one axis of a patch.

        Args:
            scale: SR px per LR px.
            length: of the axis in LR px.
            before: whether the patch has a neighbour before it; where it has none it counts in full.
            after: whether it has one behind it.

        Returns:
            (scale * length,) float32 in 0..1.
        """
        weight = np.ones(scale * length, np.float32)
        dead = scale * self.eliminate
        fade = np.concatenate([np.zeros(dead, np.float32), ramp(scale * (self.overlap - self.eliminate), self.kind)])
        if self.overlap and before:
            weight[: len(fade)] = np.minimum(weight[: len(fade)], fade)
        if self.overlap and after:
            weight[-len(fade) :] = np.minimum(weight[-len(fade) :], fade[::-1])
        return weight


class _Axis:
    """The windows along one axis and their weights, normalised so that they add up to 1 at every pixel.

    The weight of a patch is the product of its row's and its column's, so normalising each axis normalises the scene,
    and no raster of weights is needed.
    """

    def __init__(self, length: int, scale: int, seams: Seams) -> None:
        self.starts = windows(length, seams.window, seams.overlap)
        self.size = min(length, seams.window)
        raw = [
            seams.weight(scale, self.size, before=start > 0, after=start + self.size < length) for start in self.starts
        ]
        total = np.zeros(scale * length, np.float64)
        for start, weight in zip(self.starts, raw, strict=True):
            total[scale * start :][: len(weight)] += weight
        self.weights = {
            start: (weight / total[scale * start :][: len(weight)]).astype(np.float32)
            for start, weight in zip(self.starts, raw, strict=True)
        }
        self._faded = {start: _faded(weight) for start, weight in self.weights.items()}
        ends = zip(self.starts, [*self.starts[1:], length], strict=True)
        self.final = {start: scale * (end - start) for start, end in ends}
        """SR px of a window that no later window has a part in."""

    def weigh(self, values: NDArray[np.float32], start: int, axis: int) -> None:
        """Multiplies a patch (h, w) by the weights of its rows (axis 0) or columns (1), in place, where they are not 1."""
        for part in self._faded[start]:
            if axis:
                values[:, part] *= self.weights[start][part]
            else:
                values[part] *= self.weights[start][part, None]


def _faded(weight: NDArray[np.float32]) -> list[slice]:
    """The parts of an axis whose weights are not 1: both ends, or all of it."""
    whole = np.flatnonzero(weight == 1)
    if not len(whole) or len(whole) != whole[-1] + 1 - whole[0]:
        return [slice(0, len(weight))]
    ends = [slice(0, int(whole[0])), slice(int(whole[-1]) + 1, len(weight))]
    return [part for part in ends if part.start < part.stop]


class RowBlender:
    """Takes enlarged patches and gives finished rows of the scene, each once, from top to bottom.

    Patches may come in any order; those that come early are kept until their turn, so the result is the same to the bit
    for every order. In order (row of windows by row of windows, left to right) memory is one row of windows in the type
    of the result, and what the next window and the next row of windows go on with in float32.

    >>> blender = RowBlender((height, width), bands=4, scale=4, dtype=np.uint16)
    >>> for top, left in blender.positions:
    ...     patch = enlarge(scene[:, top : top + blender.height, left : left + blender.width])
    ...     for row, block in blender.add(top, left, patch):
    ...         target[:, row : row + block.shape[1]] = block
    >>> blender.close()

    Args:
        shape: height and width of the scene in LR px.
        bands: of the patches.
        scale: SR px per LR px.
        seams: windows and their weights.
        dtype: of the rows, float32 or an integer of at most 16 bits; integers are rounded (half to even) and saturate
            at the type's limits.

    Attributes:
        positions: (top, left) of every window in LR px, in the order that needs least memory.
        height: of every window in LR px; smaller than ``seams.window`` where the scene is.
        width: of every window in LR px.

    Raises:
        SatsrError: the scene is empty, or float32 does not hold the values of ``dtype``.
    """

    def __init__(
        self, shape: tuple[int, int], bands: int, scale: int, seams: Seams | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        self._dtype = np.dtype(dtype)
        if self._dtype != np.float32 and (self._dtype.kind not in "iu" or self._dtype.itemsize > 2):
            raise SatsrError(
                f"rows are blended in float32, which does not hold {self._dtype}: choose float32, uint16 or uint8."
            )
        seams = seams or Seams()
        self._rows, self._columns = _Axis(shape[0], scale, seams), _Axis(shape[1], scale, seams)
        self.positions = list(product(self._rows.starts, self._columns.starts))
        self.height, self.width = self._rows.size, self._columns.size
        self._patch_shape = (bands, scale * self.height, scale * self.width)
        self._scale, self._wide = scale, scale * shape[1]
        self._plane = np.empty(self._patch_shape[1:], np.float32)
        self._beside: list[NDArray[np.float32]] = []
        self._above = self._below = np.empty((bands, 0, self._wide), np.float32)
        self._block = np.empty((bands, 0, self._wide), self._dtype)
        self._seen: set[tuple[int, int]] = set()
        self._early: dict[tuple[int, int], NDArray[Any]] = {}
        self._done = 0

    def add(self, top: int, left: int, patch: NDArray[Any]) -> list[tuple[int, NDArray[Any]]]:
        """Blends a patch in, and gives the rows that are finished by it.

        Args:
            top: of the patch's window in LR px.
            left: of the patch's window in LR px.
            patch: (bands, scale * height, scale * width) of any real dtype; kept without a copy if it is early.

        Returns:
            Pairs of the first SR row and the rows, (bands, n, scale * scene width) in ``dtype``; mostly none.

        Raises:
            SatsrError: there is no window at that position or it came twice, the patch has another shape, or it holds
                values that are not finite.
        """
        self._check(top, left, patch)
        self._seen.add((top, left))
        self._early[top, left] = patch
        finished = []
        while self._done < len(self.positions) and self.positions[self._done] in self._early:
            top, left = self.positions[self._done]
            self._blend(top, left, self._early.pop((top, left)))
            self._done += 1
            if left == self._columns.starts[-1]:
                finished.append((self._scale * top, self._block))
        return finished

    def close(self) -> None:
        """Says that no patch will follow.

        Raises:
            SatsrError: patches are missing.
        """
        if self._done < len(self.positions):
            top, left = self.positions[self._done]
            raise SatsrError(
                f"the scene is incomplete: {self._done} of {len(self.positions)} windows were blended and the one at "
                f"row {top}, column {left} (LR px) is missing. Enlarge it, or start the scene anew."
            )

    def _blend(self, top: int, left: int, patch: NDArray[Any]) -> None:
        """Plane by plane, so that what is worked on stays in the processor's cache."""
        if left == self._columns.starts[0]:
            self._begin_row(top)
        high, wide = self._rows.final[top], self._columns.final[left]
        place = slice(self._scale * left, self._scale * left + wide)
        for band, values in enumerate(patch):
            np.copyto(self._plane, values, casting="unsafe")
            self._columns.weigh(self._plane, left, axis=1)
            beside = self._beside[band]
            self._plane[:, : beside.shape[1]] += beside
            self._beside[band] = self._plane[:, wide:].copy()
            rows = self._plane[:, :wide]
            self._rows.weigh(rows, top, axis=0)
            rows[: self._above.shape[1]] += self._above[band, :, place]
            self._below[band, :, place] = rows[high:]
            self._store(rows[:high], self._block[band, :, place])

    def _begin_row(self, top: int) -> None:
        bands, height, _ = self._patch_shape
        high = self._rows.final[top]
        self._beside = [np.empty((height, 0), np.float32)] * bands
        self._above, self._below = self._below, np.empty((bands, height - high, self._wide), np.float32)
        self._block = np.empty((bands, high, self._wide), self._dtype)

    def _store(self, values: NDArray[np.float32], target: NDArray[Any]) -> None:
        """Finished values in the output's type."""
        if self._dtype.kind in "iu":
            limits = np.iinfo(self._dtype)
            np.clip(np.rint(values, out=values), limits.min, limits.max, out=values)
        np.copyto(target, values, casting="unsafe")

    def _check(self, top: int, left: int, patch: NDArray[Any]) -> None:
        where = f"the window at row {top}, column {left} (LR px)"
        if top not in self._rows.weights or left not in self._columns.weights:
            raise SatsrError(f"{where} is none of this scene's windows; take the positions from `positions`.")
        if (top, left) in self._seen:
            raise SatsrError(f"{where} came twice; enlarge every window once.")
        if patch.shape != self._patch_shape:
            raise SatsrError(
                f"{where} was enlarged to {patch.shape} instead of {self._patch_shape} (bands, height, width): check "
                f"the network's scale and bands."
            )
        if not all(np.isfinite(plane).all() for plane in patch):
            raise SatsrError(
                f"{where} holds values that are not finite: fill missing data before enlarging, or check the weights."
            )
