"""Structural similarity (Wang et al. 2004) in the four forms that the papers report.

They differ in the window, in what happens at the border, in the covariance and in the peak; ``similarity_map`` has all
of it, the public functions fix it.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.metrics.inputs import float_pair, require_peak, require_u8_pair, select

Image = npt.NDArray[np.float64]
# Rows handled at once: the dozen temporary arrays of a strip stay in the processor's cache, which halves the time.
_STRIP = 48
_BORDERS = {"valid": cv2.BORDER_REFLECT_101, "reflect": cv2.BORDER_REFLECT_101, "zero": cv2.BORDER_CONSTANT}


@dataclass(frozen=True)
class SsimWindow:
    """How local statistics are taken.

    Attributes:
        size: side of the window in pixels, odd.
        sigma: standard deviation of a Gaussian window in pixels; None for a uniform window.
        border: "valid" leaves out what the window overhangs; "reflect" and "zero" pad, and keep the size.
        sample_covariance: divide by n - 1 instead of n, as scikit-image does for its uniform window.
        epsilon: added to the denominator, as kornia does.
    """

    size: int = 11
    sigma: float | None = 1.5
    border: Literal["valid", "reflect", "zero"] = "valid"
    sample_covariance: bool = False
    epsilon: float = 0.0

    def taps(self) -> Image:
        """The window along one axis (size,), with sum 1."""
        distance = np.arange(self.size, dtype=np.float64) - self.size // 2
        weights = np.ones(self.size) if self.sigma is None else np.exp(-(distance**2) / (2 * self.sigma**2))
        return np.asarray(weights / weights.sum())

    def mean(self, image: Image) -> Image:
        """Local means of (H, W) or (H, W, C)."""
        taps = self.taps()
        means = np.asarray(
            cv2.sepFilter2D(image, cv2.CV_64F, taps, taps, borderType=_BORDERS[self.border]), dtype=np.float64
        )
        radius = self.size // 2 if self.border == "valid" else 0
        return means[radius : means.shape[0] - radius, radius : means.shape[1] - radius]


GAUSSIAN = SsimWindow()
UNIFORM_7 = SsimWindow(size=7, sigma=None, sample_covariance=True)
UNIFORM_11 = SsimWindow(sigma=None, sample_covariance=True)


def similarity_map(a: Image, b: Image, window: SsimWindow, peak: float) -> Image:
    """The map of local similarities of two float64 images.

    Args:
        a: (H, W) or (H, W, C), each channel by itself.
        b: the same shape.
        window: how local statistics are taken.
        peak: length of the value range; the constants are (0.01 peak)^2 and (0.03 peak)^2.

    Raises:
        SatsrError: the image is smaller than the window.
    """
    if min(a.shape[:2]) < window.size:
        raise SatsrError(
            f"structural similarity with a window of {window.size} pixels needs an image of at least that size, "
            f"found {a.shape}."
        )
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_a, mean_b = window.mean(a), window.mean(b)
    product = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    # Only the sum of the two variances enters, so one filter serves both.
    variance = window.mean(a**2 + b**2) - squares
    covariance = window.mean(a * b) - product
    if window.sample_covariance:
        correction = window.size**2 / (window.size**2 - 1)
        variance *= correction
        covariance *= correction
    return (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variance + c2) + window.epsilon)


def mean_similarity(a: np.ndarray, b: np.ndarray, window: SsimWindow, peak: float) -> float:
    """The mean of ``similarity_map`` of two images of any number type, strip by strip where the window allows it.

    Raises:
        SatsrError: the image is smaller than the window.
    """
    height = a.shape[0]
    strip, overlap = (_STRIP, window.size - 1) if window.border == "valid" else (height, 0)
    total, count = 0.0, 0
    for top in range(0, max(height - overlap, 1), strip):
        rows = slice(top, top + strip + overlap)
        values = similarity_map(np.asarray(a[rows], np.float64), np.asarray(b[rows], np.float64), window, peak)
        total += float(values.sum())
        count += values.size
    return total / count


def ssim(a: np.ndarray, b: np.ndarray, crop_border: int = 0, channel: str = "rgb") -> float:
    """Structural similarity of two uint8 images: Gaussian 11 x 11, sigma 1.5, valid region, mean over channels.

    Args:
        a: uint8 (H, W, 3) in RGB order, or gray (H, W); at least 11 pixels a side after cropping.
        b: the same shape.
        crop_border: pixels left out on each side, before the conversion to luma.
        channel: "rgb", or "y" for unrounded BT.601 luma of studio range.

    Returns:
        The mean similarity; 1 for identical images. Source: RASVSR's protocol (BasicSR 1.4.2).

    Raises:
        SatsrError: not two uint8 images of one shape, too small, or an unknown channel.
    """
    require_u8_pair(a, b)
    return mean_similarity(select(a, crop_border, channel), select(b, crop_border, channel), GAUSSIAN, 255.0)


def ssim_kornia(a: np.ndarray, b: np.ndarray, peak: float, size: int = 5) -> float:
    """Structural similarity as kornia 0.7 computes it: Gaussian of sigma 1.5, reflected border, same size.

    Args:
        a: float (H, W) or (H, W, C).
        b: the same shape.
        peak: length of the value range (Remote-Sensing-SRGAN logs 1.0 for data in 0..0.3).
        size: window; 5 in Remote-Sensing-SRGAN, 11 in its successor.

    Raises:
        SatsrError: not finite floats of one shape, too small, an even window, or a peak that is not positive.
    """
    if size < 1 or size % 2 == 0:
        raise SatsrError(f"the window of a structural similarity must be odd, found {size}.")
    return _checked_mean(a, b, SsimWindow(size=size, border="reflect", epsilon=1e-12), peak)


def ssim_skimage(a: np.ndarray, b: np.ndarray, peak: float = 255.0) -> float:
    """Structural similarity as scikit-image computes it by default: uniform 7 x 7, sample covariance, valid region.

    Args:
        a: uint8 (BreizhSR's protocol) or float, (H, W) or (H, W, C).
        b: the same shape and kind.
        peak: length of the value range.

    Raises:
        SatsrError: not two images of one shape, too small, or a peak that is not positive.
    """
    if getattr(a, "dtype", None) == np.uint8 and getattr(b, "dtype", None) == np.uint8:
        require_u8_pair(a, b)
        a, b = a.astype(np.float64), b.astype(np.float64)
    return _checked_mean(a, b, UNIFORM_7, peak)


def _checked_mean(a: np.ndarray, b: np.ndarray, window: SsimWindow, peak: float) -> float:
    require_peak(peak)
    first, second = float_pair(a, b)
    if first.ndim not in (2, 3):
        raise SatsrError(f"structural similarity needs (H, W) or (H, W, C), found {first.shape}: give one image.")
    return mean_similarity(first, second, window, peak)
