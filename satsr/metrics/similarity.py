"""Structural similarity (Wang et al. 2004) in the four forms that the papers report.

They differ in the window, in what happens at the border, in the covariance and in the peak; ``similarity_map`` has all
of it, the public functions fix it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from satsr.errors import SatsrError
from satsr.metrics.inputs import float_pair, require_peak, require_u8_pair, select

Image = npt.NDArray[np.float64]
Real = npt.NDArray[np.floating]
"""float64, or float32 where an estimate is enough."""
# Rows handled at once: the dozen temporary arrays of a strip stay in the processor's cache, which halves the time.
_STRIP = 24
# Means that one small matrix product finds along an axis: few, since the matrix is the window between zeros.
_BLOCK = 4
_PADDING: dict[str, Literal["reflect", "constant"]] = {"reflect": "reflect", "zero": "constant"}


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

    def mean(self, image: Real) -> Real:
        """Local means of (H, W) or (H, W, C), in the number type of the image: down the rows, then across."""
        if self.border != "valid":
            sides = [(self.size // 2,) * 2] * 2 + [(0, 0)] * (image.ndim - 2)
            image = np.pad(image, sides, _PADDING[self.border])
        height, width, *bands = image.shape
        down = _slid(image.reshape(height, -1), self, turned=True)
        across = _slid(down.T.reshape(width, -1), self)
        return np.moveaxis(across.reshape(len(across), *bands, -1), -1, 0)

    def constants(self, peak: float) -> tuple[float, float, float]:
        """What is added to brightness, to structure and to their product, for a value range of this length.

        A sample covariance multiplies both variances of the quotient by one factor: its constants are divided by it.
        """
        correction = self.size**2 / (self.size**2 - 1) if self.sample_covariance else 1.0
        return (0.01 * peak) ** 2, (0.03 * peak) ** 2 / correction, self.epsilon / correction


GAUSSIAN = SsimWindow()
UNIFORM_7 = SsimWindow(size=7, sigma=None, sample_covariance=True)
UNIFORM_11 = SsimWindow(sigma=None, sample_covariance=True)


@cache
def _matrix(window: SsimWindow, kind: str) -> Real:
    """The window under each of ``_BLOCK`` places along an axis, between zeros: (block, block + size - 1)."""
    rows = [np.pad(window.taps(), (place, _BLOCK - 1 - place)) for place in range(_BLOCK)]
    return np.stack(rows).astype(kind)


def _slid(image: Real, window: SsimWindow, *, turned: bool = False) -> Real:
    """Means along the first axis of (H, N): (H - size + 1, N); if ``turned``, rows of the transpose are contiguous.

    Small matrix products are two to three times as fast as OpenCV's separable filter, whose float64 is not vectorised.
    """
    matrix, (height, width) = _matrix(window, image.dtype.str), image.shape
    rows = height - window.size + 1
    whole = rows - rows % _BLOCK
    means = np.empty((width, rows), image.dtype).T if turned else np.empty((rows, width), image.dtype)
    count, step = whole // _BLOCK, image.strides[0]
    parts = as_strided(image, (count, matrix.shape[1], width), (_BLOCK * step, *image.strides))
    if turned:
        results = means.T[:, :whole].reshape(width, count, _BLOCK).transpose(1, 2, 0)
    else:
        results = means[:whole].reshape(count, _BLOCK, width)
    np.matmul(matrix, parts, out=results)
    left = rows - whole
    np.matmul(matrix[:left, : left + window.size - 1], image[whole:], out=means[whole:])
    return means


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
    require_room(a.shape, window)
    squares, product = a * a, a * b
    squares += b * b
    of_squares, of_product = window.mean(squares), window.mean(product)
    return np.asarray(similarity_of(window.mean(a), window.mean(b), of_squares, of_product, window, peak), np.float64)


def similarity_of(mean_a: Real, mean_b: Real, squares: Real, product: Real, window: SsimWindow, peak: float) -> Real:
    """The map of similarities from local means, of one shape: of a, b, a^2 + b^2 and ab.

    Only the sum of the two variances enters, so one mean serves both. Above the line are halves, made up for at last.
    """
    c1, c2, epsilon = window.constants(peak)
    above = mean_a * mean_b
    covariance = product - above
    below = mean_a * mean_a
    below += mean_b * mean_b
    variance = squares - below
    for part, constant in ((above, c1 / 2), (below, c1), (covariance, c2 / 2), (variance, c2)):
        part += constant
    covariance *= 4
    above *= covariance
    below *= variance
    if epsilon:
        below += epsilon
    above /= below
    return above


def require_room(shape: tuple[int, ...], window: SsimWindow) -> None:
    """Checks that an image of this shape has room for the window.

    Raises:
        SatsrError: it has not.
    """
    if min(shape[:2]) < window.size:
        raise SatsrError(
            f"structural similarity with a window of {window.size} pixels needs an image of at least that size, "
            f"found {shape}."
        )


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
        first, second = (np.ascontiguousarray(image[rows], np.float64) for image in (a, b))
        values = similarity_map(first, second, window, peak)
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
