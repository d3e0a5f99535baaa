"""The metrics of the Proba-V challenge: blind to a shift of up to 3 pixels, to a brightness offset, and to clouds.

Source: the challenge's scoring page (specification of QA-Net, section 2c). The border of 3 pixels is cut off the
prediction, which is compared with the 7 x 7 windows of that size in the reference; the reference's mask moves with it.
"""

import numpy as np
import numpy.typing as npt

from satsr.errors import Undefined
from satsr.metrics.bounds import bounds
from satsr.metrics.inputs import require_peak
from satsr.metrics.placed import Image, placed
from satsr.metrics.similarity import GAUSSIAN, SsimWindow, mean_similarity, require_room


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
    error, _ = placed(sr, hr, mask).best()
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def registered(sr: np.ndarray, hr: np.ndarray, mask: np.ndarray) -> tuple[Image, Image, npt.NDArray[np.bool_]]:
    """Prediction, reference and mask at the shift where cPSNR has its best, each 6 pixels shorter a side.

    Brightness stays as it is.

    Args:
        sr: float (H, W), the prediction (as for ``cpsnr``).
        hr: float (H, W) in 0..1, the reference.
        mask: bool (H, W), True where the reference is clear.

    Raises:
        SatsrError: as for ``cpsnr``.
    """
    pair = placed(sr, hr, mask)
    window = pair.window(pair.best()[1])
    return pair.inner, np.asarray(hr[window], np.float64), mask[window]


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
    images = placed(sr, hr, mask)
    require_room(images.inner.shape, window)
    best = -np.inf
    for bound, shift in sorted(bounds(images, window, data_range), reverse=True):
        if bound < best:
            break
        pair = images.pair(shift)
        best = max(best, mean_similarity(pair.hr, pair.sr + pair.bias() * pair.clear, window, data_range))
    return float(best)
