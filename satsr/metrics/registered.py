"""The metrics of the Proba-V challenge: blind to a shift of up to 3 pixels, to a brightness offset, and to clouds.

Source: the challenge's scoring page (specification of QA-Net, section 2c). The border of 3 pixels is cut off the
prediction, which is compared with the 7 x 7 windows of that size in the reference; the reference's mask moves with it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError, Undefined
from satsr.metrics.inputs import crop, float_pair, require_peak
from satsr.metrics.pixels import SHIFT_BORDER
from satsr.metrics.similarity import GAUSSIAN, SsimWindow, mean_similarity

Image = npt.NDArray[np.float64]


Shift = tuple[int, int]
SHIFTS: tuple[Shift, ...] = tuple(
    (top, left) for top in range(2 * SHIFT_BORDER + 1) for left in range(2 * SHIFT_BORDER + 1)
)
# Rows of the first look at a shift: every fourth.
_STRIDE = 4


@dataclass(frozen=True)
class _Pair:
    """The prediction's inside and one window of the reference, zero where unclear, with ``count`` clear pixels."""

    sr: Image
    hr: Image
    clear: Image
    count: int

    def bias(self) -> float:
        """Mean brightness that the prediction lacks, over the clear pixels."""
        return float((self.hr - self.sr).sum()) / max(self.count, 1)

    def squared_error(self) -> float:
        """Sum of the squared error over the clear pixels, after the bias is added."""
        residual = self.hr - self.sr
        residual -= (residual.sum() / max(self.count, 1)) * self.clear
        return float(np.vdot(residual, residual))


@dataclass(frozen=True)
class _Placed:
    """A prediction without its border and a reference that is zero where ``mask`` is not clear."""

    inner: Image
    masked: Image
    clear: Image
    mask: npt.NDArray[np.bool_]

    def window(self, shift: Shift, stride: int = 1) -> tuple[slice, slice]:
        """Every ``stride``-th row of the part of the reference that ``shift`` lays under the prediction's inside."""
        (top, left), (height, width) = shift, self.inner.shape
        return slice(top, top + height, stride), slice(left, left + width)

    def counts(self) -> dict[Shift, int]:
        """Clear pixels by shift, where there are two or more: the brightness bias alone fits a single one.

        Raises:
            Undefined: there are so few at every shift.
        """
        found = {shift: int(np.count_nonzero(self.mask[self.window(shift)])) for shift in SHIFTS}
        counts = {shift: count for shift, count in found.items() if count > 1}
        if not counts:
            raise Undefined("the mask has no clear pixel, or a single one, so the scene has no score: leave it out.")
        return counts

    def pair(self, shift: Shift, stride: int = 1) -> _Pair:
        """What is compared at ``shift``, in every ``stride``-th row."""
        window = self.window(shift, stride)
        clear = self.clear[window]
        return _Pair(self.inner[::stride] * clear, self.masked[window], clear, int(np.count_nonzero(self.mask[window])))


def cpsnr(sr: np.ndarray, hr: np.ndarray, mask: np.ndarray) -> float:
    """The challenge's cPSNR in dB: the best over 49 shifts, bias removed, over clear pixels.

    Args:
        sr: float (H, W), the prediction in 0..1 (DN / 65535); slightly outside is allowed, in DN is not.
        hr: float (H, W) in 0..1, the reference.
        mask: bool (H, W), True where the reference is clear.

    Returns:
        max over shifts of -10 log10 cMSE; infinity where the prediction equals the reference at some shift.

    Raises:
        SatsrError: other types or shapes, NaN, or a reference outside 0..1.
        Undefined: a prediction beyond 10, fewer than two clear pixels, or a reference that is constant there, so that
            any constant would be perfect.
    """
    placed = _placed(sr, hr, mask)
    counts = placed.counts()
    # The error in some of the rows, about their own bias, is a lower bound of the error in all: the most promising
    # shift comes first, and one whose bound exceeds the best found needs no second look. The result stays exact.
    bounds = sorted((placed.pair(shift, _STRIDE).squared_error() / n, shift) for shift, n in counts.items())
    best = np.inf
    for bound, shift in bounds:
        if bound * (1 - 1e-9) >= best:
            break
        best = min(best, placed.pair(shift).squared_error() / counts[shift])
    return float("inf") if best == 0 else float(-10 * np.log10(best))


def probav_score(sr: np.ndarray, hr: np.ndarray, mask: np.ndarray, norm: float) -> float:
    """The challenge's score of one scene: norm / cPSNR. The bicubic baseline has 1, lower is better.

    A submission's score is the mean of this over scenes, not the ratio of the means.

    Args:
        sr: float (H, W), the prediction (as for ``cpsnr``).
        hr: float (H, W) in 0..1, the reference.
        mask: bool (H, W), True where the reference is clear.
        norm: the scene's baseline cPSNR in dB, from norm.csv.

    Raises:
        SatsrError: as for ``cpsnr``.
        Undefined: as for ``cpsnr``, or the norm or the cPSNR is not positive.
    """
    found = cpsnr(sr, hr, mask)
    if not np.isfinite(norm) or norm <= 0:
        raise Undefined(f"the baseline of a Proba-V scene is a positive number of dB, found {norm}: check norm.csv.")
    if found <= 0:
        raise Undefined(f"a prediction of {found:.2f} dB is too far off for a score, which divides by it.")
    return norm / found


def cssim(
    sr: np.ndarray,
    hr: np.ndarray,
    mask: np.ndarray,
    *,
    window: SsimWindow = GAUSSIAN,
    data_range: float = 1.0,
) -> float:
    """Structural similarity with the challenge's shifts, bias and mask: the best over 49 shifts.

    Both images are zero where unclear. The challenge does not define it, so the papers differ: the default is RAMS's
    form; QA-Net's published figures are ``window=UNIFORM_11, data_range=2.0``. The range matters, since data of 14 bits
    fill a quarter of 0..1.

    Args:
        sr: float (H, W), the prediction (as for ``cpsnr``).
        hr: float (H, W) in 0..1, the reference.
        mask: bool (H, W), True where the reference is clear.
        window: how local statistics are taken.
        data_range: length of the value range in the constants.

    Raises:
        SatsrError: as for ``cpsnr``, or images smaller than the window.
        Undefined: as for ``cpsnr``.
    """
    require_peak(data_range)
    placed = _placed(sr, hr, mask)
    pairs = map(placed.pair, placed.counts())
    return max(mean_similarity(pair.hr, pair.sr + pair.bias() * pair.clear, window, data_range) for pair in pairs)


def _placed(sr: np.ndarray, hr: np.ndarray, mask: np.ndarray) -> _Placed:
    prediction, reference = float_pair(sr, hr)
    if prediction.ndim != 2 or min(prediction.shape) <= 2 * SHIFT_BORDER:
        raise SatsrError(f"a Proba-V metric needs images (H, W) of more than 6 pixels a side, found {sr.shape}.")
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != hr.shape:
        found = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise SatsrError(f"the mask must be bool {hr.shape}, True where clear, found {found}: compare it with 0.")
    strange = reference.min() < 0 or reference.max() > 1
    if strange or np.abs(prediction).max() > 10:
        raise (SatsrError if strange else Undefined)(
            f"a Proba-V metric needs values in 0..1, found {reference.min():g}..{reference.max():g} in the reference "
            f"and {prediction.min():g}..{prediction.max():g} in the prediction: divide digital numbers by 65535."
        )
    seen = reference[mask]
    if seen.size and seen.min() == seen.max():
        raise Undefined("the reference is constant where it is clear, so that any constant image would be perfect.")
    clear = mask.astype(np.float64)
    return _Placed(np.ascontiguousarray(crop(prediction, SHIFT_BORDER)), reference * clear, clear, mask)
