"""Matrices of few entries a row: the resize of an axis, its product with images, and the way back. NumPy is enough."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
LARGE = 1 << 20
"""Multiplications from which SciPy's loop, where it is installed, is worth its import; the bits are the same."""
BLOCK = 1 << 15
"""Numbers of a part of a product, so that its terms stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Taps:
    """A matrix whose rows have few entries; :func:`matrix` makes one.

    Sums run along a row in the order of its columns, whoever computes them.

    Attributes:
        columns: (n, k) where the entries of each row stand, in ascending order; short rows repeat their last.
        data: (n, k) the entries, of the type of the images that they are multiplied with; nought where one is repeated.
        width: of the matrix.
    """

    columns: npt.NDArray[np.int64]
    data: Floats
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.columns), self.width

    def __getitem__(self, rows: slice) -> "Taps":
        """Some of the rows."""
        return Taps(self.columns[rows], self.data[rows], self.width)

    def __matmul__(self, image: Floats) -> Floats:
        """The product with (width, m), (n, m)."""
        if self.data.size * image.shape[1] >= LARGE and find_spec("scipy"):
            product: Floats = self._scipy @ image
            return product
        rows = max(1, BLOCK // max(image.shape[1], 1))
        return np.concatenate([self[top : top + rows]._applied(image) for top in range(0, len(self.columns), rows)])

    def toarray(self) -> Floats:
        """The whole matrix."""
        dense = np.zeros(self.shape, self.data.dtype)
        np.add.at(dense, (np.arange(len(dense))[:, None], self.columns), self.data)
        return dense

    def _applied(self, image: Floats) -> Floats:
        columns, data = self.columns.T, self.data.T[..., None]
        found: Floats = image.take(columns[0], axis=0) * data[0]
        for places, factors in zip(columns[1:], data[1:], strict=True):
            term = image.take(places, axis=0)
            term *= factors
            found += term
        return found

    @cached_property
    def _scipy(self) -> Any:
        from scipy.sparse import csr_array

        starts = np.arange(len(self.columns) + 1) * self.columns.shape[1]
        return csr_array((self.data.ravel(), self.columns.ravel(), starts), shape=self.shape)


def matrix(columns: npt.NDArray[np.int64], data: Floats, width: int, dtype: npt.DTypeLike) -> Taps:
    """A matrix of entries in any order: those of one place are added up, noughts left out.

    Args:
        columns: (n, k) where the entries of each row stand.
        data: (n, k) the entries; each row has one that is not nought.
        width: of the matrix.
        dtype: of the images that it is multiplied with.
    """
    order = np.argsort(columns, axis=1, kind="stable")
    columns, data = np.take_along_axis(columns, order, axis=1), np.take_along_axis(data, order, axis=1)
    rows = np.arange(len(columns))[:, None]
    group = np.cumsum(np.diff(columns, axis=1, prepend=columns[:, :1]) > 0, axis=1)
    places, sums = np.zeros_like(columns), np.zeros_like(data)
    places[rows, group] = columns
    np.add.at(sums, (rows, group), data)
    count = np.count_nonzero(sums, axis=1)[:, None]
    kept = np.argsort(sums == 0, axis=1, kind="stable")
    kept = np.take_along_axis(kept, np.minimum(np.arange(count.max())[None], count - 1), axis=1)
    repeated = np.arange(kept.shape[1])[None] >= count  # of what is there anyway: missing values spread no farther
    found = np.where(repeated, 0, np.take_along_axis(sums, kept, axis=1))
    return Taps(np.take_along_axis(places, kept, axis=1), found.astype(dtype), width)


class Banded:
    """The product of two such matrices, (n, n) with few diagonals, ready to be solved (LU, no row is exchanged).

    Args:
        left: (n, m); its product with ``right`` has its largest entries on the diagonal.
        right: (m, n).
    """

    def __init__(self, left: Taps, right: Taps) -> None:
        count = len(left.columns)
        columns = right.columns[left.columns].reshape(count, -1)
        weights = (left.data[..., None] * right.data[left.columns]).reshape(count, -1)
        rows = np.arange(count)[:, None]
        self.half = int(np.abs(columns - rows).max())
        self._bands = np.zeros((count, 2 * self.half + 1))
        np.add.at(self._bands, (rows, columns - rows + self.half), weights)
        self._factorise()

    def _factorise(self) -> None:
        bands, half = self._bands, self.half
        for row in range(len(bands)):
            above = bands[row, half + 1 :] / bands[row, half]
            for step in range(1, min(half, len(bands) - 1 - row) + 1):
                below = bands[row + step]
                below[half - step + 1 : 2 * half - step + 1] -= below[half - step] * above
                below[half - step] /= bands[row, half]

    def solve(self, image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What, multiplied with the matrix, is (n, m)."""
        bands, half, found = self._bands, self.half, image.astype(np.float64)
        for row in range(1, len(found)):
            first = max(row - half, 0)
            found[row] -= bands[row, half - row + first : half] @ found[first:row]
        for row in reversed(range(len(found))):
            last = min(row + half + 1, len(found))
            found[row] -= bands[row, half + 1 : half + last - row] @ found[row + 1 : last]
            found[row] /= bands[row, half]
        return found
