"""Whole scenes in overlapping windows, blended into finished rows while they arrive.

A scene is cut into windows at low resolution; the enlarged patches fade into each other over their overlaps, so that no
seam is left. Memory is one row of windows, whatever the scene's height, and nothing goes to disk in between.

Source: opensr-utils 2.0, whose windows and weights these are. It sums into files as large as the scene and truncates to
integers; here the sums live in memory for as long as a row needs, and integers are rounded.
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from satsr.errors import SatsrError
from satsr.upscale.windows.seams import Axis, Seams


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
        self._rows, self._columns = Axis(shape[0], scale, seams), Axis(shape[1], scale, seams)
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
