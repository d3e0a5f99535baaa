"""What a similarity can reach at the 49 shifts, found in single precision, so that few need be taken exactly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from satsr.metrics.placed import Placed, Shift
from satsr.metrics.similarity import SsimWindow, similarity_of

Single = npt.NDArray[np.float32]
_ROWS = 96
"""Rows of the map between two looks at whether a shift can still be the best."""
_EPSILON = float(np.finfo(np.float32).eps)


def bounds(images: Placed, window: SsimWindow, data_range: float) -> list[tuple[float, Shift]]:
    """What the mean similarity cannot exceed, at the shifts that can have the largest.

    A similarity is at most 1. So a shift is left as soon as it could not reach the best one if all the rest of its map
    were 1. Bounds are infinite where single precision would say nothing, or where padding ties the local means of the
    reference to the shift.

    Args:
        images: what is compared, at least as large as the window.
        window: how local statistics are taken.
        data_range: length of the value range in the constants.

    Raises:
        Undefined: no shift has two clear pixels.
    """
    sums = images.sums
    places = np.argwhere(sums.count > 1)
    order = np.argsort([sums.error[tuple(place)] for place in places], kind="stable")
    shifts = [(int(top), int(left)) for top, left in places[order]]
    slack = _slack(images, window, data_range)
    if window.border != "valid" or slack > 1:
        return [(np.inf, shift) for shift in shifts]
    maps, least, found = _Maps.of(images, window, data_range), -np.inf, []
    for shift in shifts:
        estimate = maps.mean(shift, least - slack)
        least = max(least, estimate - slack)
        found.append((estimate + slack, shift))
    return [(bound, shift) for bound, shift in found if bound >= least]


def _slack(images: Placed, window: SsimWindow, data_range: float) -> float:
    """By how much single precision may change a mean similarity, with much room.

    A local mean is off by some eps times the local mean of a^2 + b^2, against which c2 stands below the line. Errors of
    pixels have both signs, unless the image is constant: there the mean was off by a fourteenth of this, the most that
    was found for images of any kind (tests/metrics/test_registered.py).
    """
    lacking = float(np.abs(images.sums.bias).max()) * np.sqrt(images.inner.size)
    energy = np.linalg.norm(images.masked) ** 2 + (np.linalg.norm(images.inner) + lacking) ** 2
    return float(_EPSILON * (100 + 5 * energy / images.inner.size / max(window.constants(data_range)[1], 1e-300)))


@dataclass(frozen=True)
class _Maps:
    """Maps of similarities in single precision; the local means of the reference alone are taken once."""

    images: Placed
    window: SsimWindow
    data_range: float
    hr: Single
    clear: Single
    inner: Single
    means: Single
    squares: Single

    @classmethod
    def of(cls, images: Placed, window: SsimWindow, data_range: float) -> "_Maps":
        hr, clear, inner = (image.astype(np.float32) for image in (images.masked, images.clear, images.inner))
        return cls(images, window, data_range, hr, clear, inner, window.mean(hr), window.mean(hr * hr))

    def mean(self, shift: Shift, least: float) -> float:
        """The mean of the map, or anything below ``least`` that it cannot exceed."""
        rows, columns = (side - self.window.size + 1 for side in self.inner.shape)
        missing, whole = 0.0, float(rows * columns)
        for top in range(0, rows, _ROWS):
            part = self._part(shift, top, min(top + _ROWS, rows))
            missing += float(part.size - part.sum())
            if 1 - missing / whole < least:
                break
        return 1 - missing / whole

    def _part(self, shift: Shift, top: int, bottom: int) -> Single:
        """Rows of the map."""
        (down, across), overlap = shift, self.window.size - 1
        inner, width = self.inner[top : bottom + overlap], self.inner.shape[1]
        under = np.s_[down + top : down + bottom + overlap, across : across + width]
        inside = np.s_[down + top : down + bottom, across : across + width - overlap]
        sr = inner + np.float32(self.images.sums.bias[shift])
        sr *= self.clear[under]
        product = sr * self.hr[under]
        mean, product = self.window.mean(sr), self.window.mean(product)
        sr *= sr
        squares = self.window.mean(sr) + self.squares[inside]
        return similarity_of(self.means[inside], mean, squares, product, self.window, self.data_range)
