"""Metrics of the bands together, from pan-sharpening: ERGAS, the universal quality index, and Q2n.

All take finite floats (H, W, C) in native values or any other linear unit, and may be told which pixels are clear.
"""

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.metrics.inputs import float_pair

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
UIQI_WINDOW = 8
"""Side of the sliding window in pixels (Wang and Bovik 2002)."""
Q2N_BLOCK = 32
"""Side of the blocks in pixels (Alparone et al. 2004; Garzelli and Nencini 2009)."""
_FLAT = 1e-10
"""Share of the energy below which a variance is what rounding left of it."""


def ergas(sr: np.ndarray, hr: np.ndarray, scale: float, clear: Mask | None = None) -> float:
    """Relative dimensionless global error: 100 / scale * sqrt(mean over bands of MSE / mean(hr)^2); 0 is best.

    The factor h / l (fine over coarse pixel) is 1 / scale, as for a sharpened image. Source: Wald, Quality of high
    resolution synthesised images, 2000.

    Args:
        sr: float (H, W, C).
        hr: the same shape, the reference.
        scale: high-resolution side over low-resolution side.
        clear: bool (H, W), True where a pixel counts; all by default.

    Raises:
        SatsrError: other shapes or values, no clear pixel, or a band of the reference whose mean is not positive.
    """
    first, second = _bands(sr, hr)
    chosen = _mask(clear, first)
    ours, theirs = first[chosen], second[chosen]
    means = theirs.mean(axis=0)
    if not (means > 0).all():
        raise SatsrError("ERGAS divides by the mean of each band, and one of the reference's is not positive.")
    return float(100 / scale * np.sqrt((((ours - theirs) ** 2).mean(axis=0) / means**2).mean()))


def uiqi(sr: np.ndarray, hr: np.ndarray, clear: Mask | None = None) -> float:
    """The universal image quality index: mean over all windows of 8 x 8 pixels, then over bands; 1 is best.

    Q = 4 cov(x, y) mean(x) mean(y) / ((var(x) + var(y)) (mean(x)^2 + mean(y)^2)), windows one pixel apart. Where both
    windows are flat only the means are compared, and where both are zero Q is 1. Source: Wang and Bovik, A universal
    image quality index, 2002, and their program.

    Args:
        sr: float (H, W, C).
        hr: the same shape, the reference.
        clear: bool (H, W); windows with a pixel that is not clear are left out.

    Raises:
        SatsrError: other shapes or values, or no window that is clear.
    """
    first, second = _bands(sr, hr)
    inside = _sums(_mask(clear, first).astype(np.float64)[..., None])[..., 0] == UIQI_WINDOW**2
    if not inside.any():
        raise SatsrError(f"the quality index needs windows of {UIQI_WINDOW} clear pixels a side, and there is none.")
    return float(np.mean([_quality_map(first[..., [k]], second[..., [k]])[inside].mean() for k in range(sr.shape[2])]))


def q2n(sr: np.ndarray, hr: np.ndarray, clear: Mask | None = None) -> float:
    """Q2n, the quality index of hypercomplex pixels: mean over blocks of 32 x 32 side by side; 1 is best.

    A pixel is one number with a component a band: Q4's quaternion for four bands, a real number (Q itself) for one;
    other counts are filled up to a power of two with bands of zeros. Q is |cov(x, y)| / (var(x) + var(y)) times
    4 |mean(x)| |mean(y)| / (|mean(x)|^2 + |mean(y)|^2), with cov(x, y) = mean(x conj(y)) - mean(x) conj(mean(y)).
    Values are taken as they are; toolboxes that bring each band of a block to mean 1 and deviation 1 first give other
    figures. Blocks that the image cuts off are left out. Sources: Alparone et al., A global quality measurement of
    pan-sharpened multispectral imagery, 2004; Garzelli and Nencini, Hypercomplex quality assessment of
    multi/hyperspectral images, 2009.

    Args:
        sr: float (H, W, C).
        hr: the same shape, the reference.
        clear: bool (H, W); blocks with a pixel that is not clear are left out.

    Raises:
        SatsrError: other shapes or values, or no block that is clear.
    """
    first, second = _bands(sr, hr)
    inside = _blocks(_mask(clear, first)[..., None])[..., 0].all(axis=1)
    if not inside.any():
        raise SatsrError(f"Q2n needs blocks of {Q2N_BLOCK} clear pixels a side, and there is none.")
    return float(_block_quality(_filled(_blocks(second)[inside]), _filled(_blocks(first)[inside])).mean())


def _bands(sr: np.ndarray, hr: np.ndarray) -> tuple[Image, Image]:
    first, second = float_pair(sr, hr)
    if first.ndim != 3:
        raise SatsrError(f"a metric of bands needs images (H, W, C), found {first.shape}: put the bands last.")
    return first, second


def _mask(clear: Mask | None, image: Image) -> Mask:
    """``clear``, or all pixels; at least one."""
    mask = np.ones(image.shape[:2], bool) if clear is None else clear
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise SatsrError(f"the mask must be bool {image.shape[:2]}, found {mask.dtype} {mask.shape}.")
    if not mask.any():
        raise SatsrError("the mask has no clear pixel, so there is nothing to compare.")
    return mask


def _sums(image: Image) -> Image:
    """Sums over every window of (H, W, 1): (H - 7, W - 7, 1), empty for smaller images."""
    height, width = (max(side - UIQI_WINDOW + 1, 0) for side in image.shape[:2])
    window = (UIQI_WINDOW, UIQI_WINDOW)
    total = cv2.boxFilter(image[..., 0], cv2.CV_64F, window, anchor=(0, 0), normalize=False)
    return np.asarray(total[:height, :width, None])


def _quality_map(x: Image, y: Image) -> Image:
    """Q of every window of two bands (H, W, 1)."""
    count = UIQI_WINDOW**2
    mean_x, mean_y = _sums(x) / count, _sums(y) / count
    energy = _sums(x * x + y * y) / count
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    covariance = _sums(x * y) / count - product
    return _quality(2 * covariance, energy - squares, 2 * product, squares, energy)[..., 0]


def _quality(alike: Image, spread: Image, product: Image, squares: Image, energy: Image) -> Image:
    """(alike / spread) (product / squares), each 1 where it would be 0 / 0."""
    flat, dark = spread <= _FLAT * energy, squares == 0
    structure = np.where(flat, 1, alike / np.where(flat, 1, spread))
    brightness = np.where(dark, 1, product / np.where(dark, 1, squares))
    return np.asarray(structure * brightness)


def _blocks(image: np.ndarray) -> np.ndarray:
    """Whole blocks of (H, W, C) as (blocks, pixels, C)."""
    rows, columns = (side // Q2N_BLOCK for side in image.shape[:2])
    cut = image[: rows * Q2N_BLOCK, : columns * Q2N_BLOCK]
    parts = cut.reshape(rows, Q2N_BLOCK, columns, Q2N_BLOCK, image.shape[2]).swapaxes(1, 2)
    return np.asarray(parts.reshape(rows * columns, Q2N_BLOCK**2, image.shape[2]))


def _filled(blocks: Image) -> Image:
    """Bands of zeros behind the others, up to a power of two."""
    bands = blocks.shape[2]
    return np.pad(blocks, ((0, 0), (0, 0), (0, (1 << (bands - 1).bit_length()) - bands)))


def _block_quality(x: Image, y: Image) -> Image:
    """Q of blocks (N, pixels, C): (N,)."""
    mean_x, mean_y = x.mean(axis=1), y.mean(axis=1)
    covariance = _product(x, _conjugate(y)).mean(axis=1) - _product(mean_x, _conjugate(mean_y))
    size_x, size_y = np.linalg.norm(mean_x, axis=1), np.linalg.norm(mean_y, axis=1)
    energy, squares = ((x**2).sum(axis=2) + (y**2).sum(axis=2)).mean(axis=1), size_x**2 + size_y**2
    return _quality(2 * np.linalg.norm(covariance, axis=1), energy - squares, 2 * size_x * size_y, squares, energy)


def _conjugate(z: Image) -> Image:
    return np.concatenate([z[..., :1], -z[..., 1:]], axis=-1)


def _product(x: Image, y: Image) -> Image:
    """The product of hypercomplex numbers (..., 2^n) by halves, in the order of the toolbox of Q2n's authors."""
    half = x.shape[-1] // 2
    if not half:
        return x * y
    a, b, c, d = x[..., :half], _conjugate(x[..., half:]), y[..., :half], _conjugate(y[..., half:])
    first = _product(a, c) - _product(d, _conjugate(b))
    return np.concatenate([first, _product(_conjugate(a), d) + _product(c, b)], axis=-1)
