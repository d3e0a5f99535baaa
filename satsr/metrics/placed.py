"""A prediction and the 49 windows of its reference: what of them is compared, and the errors of all shifts at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from satsr.errors import SatsrError, Undefined
from satsr.metrics.inputs import crop, float_pair
from satsr.metrics.pixels import SHIFT_BORDER, sum_of_squares

Image = npt.NDArray[np.float64]
Shift = tuple[int, int]
SIDE = 2 * SHIFT_BORDER + 1
# Rows of the prediction in one small matrix product.
_ROWS = 2


@dataclass(frozen=True)
class Pair:
    """The prediction's inside and one window of the reference, zero where unclear, with ``count`` clear pixels."""

    sr: Image
    hr: Image
    clear: Image
    count: int

    def bias(self) -> float:
        """Mean brightness that the prediction lacks, over the clear pixels."""
        return float((self.hr - self.sr).sum()) / max(self.count, 1)

    def mean_squared_error(self) -> float:
        """Over the clear pixels, after the bias is added."""
        residual = self.hr - self.sr
        residual -= (residual.sum() / max(self.count, 1)) * self.clear
        return sum_of_squares(residual) / self.count


@dataclass(frozen=True)
class Sums:
    """Of all shifts, each (7, 7) by the place of the reference's window.

    Attributes:
        count: clear pixels.
        bias: mean brightness that the prediction lacks, over the clear pixels.
        error: mean squared error over the clear pixels, bias removed; infinite where fewer than two are clear.
        slack: by how much rounding may have changed ``error`` at most.
    """

    count: Image
    bias: Image
    error: Image
    slack: Image


@dataclass(frozen=True)
class Placed:
    """A prediction without its border and a reference that is zero where ``mask`` is not clear."""

    inner: Image
    masked: Image
    clear: Image
    mask: npt.NDArray[np.bool_]

    def window(self, shift: Shift) -> tuple[slice, slice]:
        """The part of the reference that ``shift`` lays under the prediction's inside."""
        (top, left), (height, width) = shift, self.inner.shape
        return slice(top, top + height), slice(left, left + width)

    def pair(self, shift: Shift) -> Pair:
        """What is compared at ``shift``."""
        window = self.window(shift)
        clear = self.clear[window]
        return Pair(self.inner * clear, self.masked[window], clear, int(np.count_nonzero(self.mask[window])))

    @cached_property
    def sums(self) -> Sums:
        """Counts, biases and errors of all shifts: sum m (h - s - b)^2 as sums over windows and correlations.

        With the reference h (zero where unclear) and the prediction s about their means, m the mask, and N its sum:
        sum m h^2 - 2 sum h s + sum m s^2 - N b^2, where N b = sum m h - sum m s. A sum of n terms is off by less than
        n eps times the product of the norms; n is the height and the width of the image here.

        Raises:
            Undefined: no shift has two clear pixels: the brightness bias alone fits a single one.
        """
        count = _window_sums(self.clear)
        if count.max() < 2:
            raise Undefined("the mask has no clear pixel, or a single one, so the scene has no score: leave it out.")
        level, other = float(self.masked.sum()) / np.count_nonzero(self.mask), float(self.inner.mean())
        h, s = level * self.clear, self.inner - other
        np.subtract(self.masked, h, out=h)
        square = s * s
        lacking = _window_sums(h) - _correlation(self.clear, s)
        total = _window_sums(h * h) - 2 * _correlation(h, s) + _correlation(self.clear, square)
        some = np.maximum(count, 1)
        error = np.where(count > 1, (total - lacking**2 / some) / some, np.inf)
        slack = self._rounding(h, s, square, some) / some
        return Sums(count, lacking / some + level - other, error, slack)

    def _rounding(self, h: Image, s: Image, square: Image, some: Image) -> Image:
        """By how much rounding changes the sums of squares: that of the sums, and that of taking the means off."""
        eps = float(np.finfo(np.float64).eps)
        near, squares = float(np.linalg.norm(h) + np.linalg.norm(s)), float(np.linalg.norm(square))
        mask = float(np.sqrt(np.count_nonzero(self.mask)))
        values = mask + float(max(self.inner.max(), -self.inner.min())) * np.sqrt(s.size)  # the reference is at most 1
        near += eps * values
        wrong = near * (near + values) + mask * squares + 2 * near * mask * near / np.sqrt(some)
        return np.asarray(sum(self.mask.shape) * eps * wrong)

    def best(self) -> tuple[float, Shift]:
        """The smallest mean squared error over the shifts, bias removed, and its shift.

        The sums tell which shifts can be the best; of these, most often a single one, the error is taken pixel by
        pixel, so that it is exact, and 0 where the images are equal.

        Raises:
            Undefined: no shift has two clear pixels.
        """
        sums = self.sums
        possible = np.argwhere(sums.error - sums.slack <= (sums.error + sums.slack).min())
        shifts = [(int(top), int(left)) for top, left in possible]
        return min((self.pair(shift).mean_squared_error(), shift) for shift in shifts)


def placed(sr: np.ndarray, hr: np.ndarray, mask: np.ndarray) -> Placed:
    """Checks a prediction, a reference and its mask, all (H, W), and lays one over the other.

    Raises:
        SatsrError: other types or shapes, NaN, or a reference outside 0..1.
        Undefined: a prediction beyond 10, or a reference that is constant where it is clear.
    """
    prediction, reference = float_pair(sr, hr)
    if prediction.ndim != 2 or min(prediction.shape) < SIDE:
        raise SatsrError(f"a Proba-V metric needs images (H, W) of more than 6 pixels a side, found {sr.shape}.")
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != hr.shape:
        found = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise SatsrError(f"the mask must be bool {hr.shape}, True where clear, found {found}: compare it with 0.")
    strange = reference.min() < 0 or reference.max() > 1
    if strange or max(prediction.max(), -prediction.min()) > 10:
        raise (SatsrError if strange else Undefined)(
            f"a Proba-V metric needs values in 0..1, found {reference.min():g}..{reference.max():g} in the reference "
            f"and {prediction.min():g}..{prediction.max():g} in the prediction: divide digital numbers by 65535."
        )
    if mask.any() and not (mask & (reference != reference.flat[mask.argmax()])).any():
        raise Undefined("the reference is constant where it is clear, so that any constant image would be perfect.")
    clear = mask.astype(np.float64)
    return Placed(np.ascontiguousarray(crop(prediction, SHIFT_BORDER)), reference * clear, clear, mask)


def _window_sums(image: Image) -> Image:
    """Sums over the 49 windows that are 6 pixels shorter a side, (7, 7)."""
    down, across = (_windows(side) for side in image.shape)
    return np.asarray(down @ image @ across.T)


def _windows(side: int) -> Image:
    """1 where a window covers an axis of this length, (7, side)."""
    place = np.arange(side) - np.arange(SIDE)[:, None]
    return np.asarray((place >= 0) & (place <= side - SIDE), np.float64)


def _correlation(reference: Image, prediction: Image) -> Image:
    """Sums of the products of a prediction and the window of the reference at each shift, (7, 7)."""
    whole = len(prediction) - len(prediction) % _ROWS
    found = _products(reference, prediction[:whole], _ROWS)
    if whole < len(prediction):
        found += _products(reference[whole:], prediction[whole:], len(prediction) - whole)
    return found


def _products(reference: Image, prediction: Image, rows: int) -> Image:
    """The same, by products of blocks of ``rows`` rows with the rows that the shifts lay under them.

    Half of what the products give is needed, but they are as fast as a processor multiplies.
    """
    count, width = len(prediction) // rows, prediction.shape[1]
    step, pixel = reference.strides
    strides = (rows * step, pixel, step, pixel)
    windows = as_strided(reference, (count, SIDE, rows + SIDE - 1, width), strides)
    parts = prediction.reshape(count, 1, rows, width).swapaxes(2, 3)
    products = np.matmul(windows, parts).sum(axis=0)  # (left, row of the window, row of the prediction)
    row = np.arange(rows)
    return np.asarray(products[:, np.arange(SIDE)[:, None] + row, row].sum(axis=-1).T)
