"""Metrics of single pixels: signal-to-noise ratio, absolute and squared error, spectral angle."""

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError, Undefined
from satsr.metrics.inputs import (
    crop,
    float_pair,
    require_peak,
    require_u8_pair,
    select,
)

SHIFT_BORDER = 3
"""Pixels by which a registration-tolerant metric may shift, in each direction (Proba-V and BreizhSR alike)."""


def psnr(a: np.ndarray, b: np.ndarray, crop_border: int = 0, channel: str = "rgb") -> float:
    """Peak signal-to-noise ratio of two uint8 images in dB, over all pixels and channels at once.

    Args:
        a: uint8 (H, W, 3) in RGB order, or gray (H, W).
        b: the same shape.
        crop_border: pixels left out on each side, before the conversion to luma.
        channel: "rgb", or "y" for unrounded BT.601 luma of studio range.

    Returns:
        10 log10(255^2 / MSE); infinity for identical images. Source: RASVSR's protocol (BasicSR 1.4.2).

    Raises:
        SatsrError: not two uint8 images of one shape, or an unknown channel.
    """
    require_u8_pair(a, b)
    first, second = select(a, crop_border, channel), select(b, crop_border, channel)
    return _decibel(cv2.norm(first, second, cv2.NORM_L2SQR) / first.size, 255.0)


def psnr_float(a: np.ndarray, b: np.ndarray, peak: float) -> float:
    """Peak signal-to-noise ratio of float arrays of any shape in dB, one mean square error over everything.

    A batch gives the pooled figure that Remote-Sensing-SRGAN logs, not the mean over its images.

    Args:
        a: floats, any shape.
        b: the same shape.
        peak: length of the value range. SRGAN's reflectances of 0..0.3 have 0.3; its log uses 1.0, which adds 10.46 dB.

    Raises:
        SatsrError: not finite floats of one shape, or a peak that is not positive.
    """
    require_peak(peak)
    first, second = float_pair(a, b)
    return _decibel(_mean_square(first - second), peak)


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error in the images' own scale; uint8 images (H, W[, 3]) or finite floats of any shape.

    Raises:
        SatsrError: the two are not of one kind and one shape.
    """
    if _both_u8(a, b):
        require_u8_pair(a, b)
        return cv2.norm(a, b, cv2.NORM_L2SQR) / a.size
    first, second = float_pair(a, b)
    return _mean_square(first - second)


def mae(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute error in the images' own scale; uint8 images (H, W[, 3]) or finite floats of any shape.

    Raises:
        SatsrError: the two are not of one kind and one shape.
    """
    if _both_u8(a, b):
        require_u8_pair(a, b)
        return cv2.norm(a, b, cv2.NORM_L1) / a.size
    first, second = float_pair(a, b)
    return float(np.abs(first - second).mean())


def shift_mae(sr: np.ndarray, hr: np.ndarray) -> float:
    """Smallest mean absolute error (0..255) over the 7 x 7 integer shifts of the reference.

    Three pixels are cut off the prediction, and compared with every window of that size in the reference.
    Source: BreizhSR, evaluation code.

    Args:
        sr: uint8 (H, W, 3) or (H, W), the prediction.
        hr: the same shape, the reference.

    Raises:
        SatsrError: not two uint8 images of one shape, or smaller than 7 pixels.
    """
    require_u8_pair(sr, hr)
    inner = crop(sr, SHIFT_BORDER)
    height, width = inner.shape[:2]
    shifts = range(2 * SHIFT_BORDER + 1)
    windows = (hr[top : top + height, left : left + width] for top in shifts for left in shifts)
    return min(cv2.norm(inner, window, cv2.NORM_L1) for window in windows) / inner.size


def sam(a: np.ndarray, b: np.ndarray) -> float:
    """Spectral angle in degrees, the mean over pixels.

    A pixel that is zero in all bands of either image has no angle and is left out. The half-angle form is exact where
    the arc cosine is not: identical spectra give 0.

    Args:
        a: (H, W, C) with at least 2 bands, integer or float.
        b: the same shape.

    Raises:
        SatsrError: other shapes or types, NaN or infinity.
        Undefined: there is no pixel with an angle.
    """
    for image in (a, b):
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] < 2:
            raise SatsrError("the spectral angle needs two images (H, W, C) with C >= 2: put the bands last.")
    first, second = float_pair(_as_float(a), _as_float(b))
    lengths = [np.sqrt(np.einsum("hwc,hwc->hw", image, image)) for image in (first, second)]
    defined = (lengths[0] > 0) & (lengths[1] > 0)
    if not defined.any():
        raise Undefined("the spectral angle is undefined: every pixel is zero in one of the images.")
    x, y = (
        image / np.where(defined, length, 1)[..., None] for image, length in ((first, lengths[0]), (second, lengths[1]))
    )
    apart, together = (np.sqrt(np.einsum("hwc,hwc->hw", z, z)) for z in (x - y, x + y))
    return float(np.degrees(2 * np.arctan2(apart, together)[defined].mean()))


def _both_u8(a: np.ndarray, b: np.ndarray) -> bool:
    return getattr(a, "dtype", None) == np.uint8 and getattr(b, "dtype", None) == np.uint8


def _as_float(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float64) if image.dtype.kind in "ui" else image


def _mean_square(difference: npt.NDArray[np.float64]) -> float:
    return sum_of_squares(difference) / difference.size


def sum_of_squares(values: np.ndarray) -> float:
    """Of all values, floats of any shape, in an order of adding that does not depend on the cores, as BLAS's does."""
    flat = values.reshape(-1)
    return float(np.einsum("i,i->", flat, flat))


def _decibel(mean_square: float, peak: float) -> float:
    return float("inf") if mean_square == 0 else float(10 * np.log10(peak**2 / mean_square))
