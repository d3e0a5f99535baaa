"""What blocks of an image look like: brightness, texture and noise of each band, on the low-resolution grid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError

Float64 = npt.NDArray[np.float64]
BLOCK = 16
"""Side of a block in LR px."""
PRESENT = 0.5
"""Share of a block's pixels that must be there."""
MAD = 0.6745
"""Median of the absolute value of a standard normal variable."""
ROUNDING = 1 / np.sqrt(12)
"""Standard deviation of what rounding to whole numbers adds, in native values."""


@dataclass(frozen=True)
class Blocks:
    """Descriptors of the blocks of one image, each (rows, columns, C), NaN where too little of a block is there.

    Attributes:
        brightness: mean, in native values.
        texture: log2 of the standard deviation over the mean.
        noise: log2 of the robust deviation of the finest detail over the mean: the median of the absolute diagonal
            coefficients of the finest Haar wavelet over 0.6745 (Donoho and Johnstone, Biometrika 81, 1994).
    """

    brightness: Float64
    texture: Float64
    noise: Float64

    @property
    def colour(self) -> Float64:
        """log2 of each band's brightness without the bands' mean of it: blind to how bright a block is."""
        level = np.log2(np.maximum(self.brightness, 1))
        return np.asarray(level - level.mean(axis=-1, keepdims=True))


def blocks(image: np.ndarray) -> Blocks:
    """The blocks of an image; those at its right and lower edge are smaller.

    Args:
        image: (C, h, w) native values, NaN where missing. What one band lacks is missing in all.

    Raises:
        SatsrError: no image.
    """
    if image.ndim != 3 or not image.size:
        raise SatsrError(f"blocks are made of an image (C, h, w), found the shape {image.shape}.")
    parts = tiles(np.where(np.isfinite(image).all(axis=0), image, np.nan))
    absent = np.isfinite(parts).mean(axis=(-1, -2)) < PRESENT
    parts[absent] = 0
    brightness = np.nanmean(parts, axis=(-1, -2))
    level = np.maximum(brightness, 1)
    texture = np.log2(np.hypot(np.nanstd(parts, axis=(-1, -2)), ROUNDING) / level)
    noise = np.log2(np.hypot(_deviation(parts), ROUNDING) / level)
    return Blocks(*(np.where(absent, np.nan, values) for values in (brightness, texture, noise)))


def tiles(image: np.ndarray, side: int = BLOCK) -> Float64:
    """(C, h, w) to (rows, columns, C, side, side), NaN beyond the edges."""
    bands, height, width = image.shape
    rows, columns = -(-height // side), -(-width // side)
    padded = np.full((bands, rows * side, columns * side), np.nan)
    padded[:, :height, :width] = image
    return np.ascontiguousarray(padded.reshape(bands, rows, side, columns, side).transpose(1, 3, 0, 2, 4))


def _deviation(parts: Float64) -> Float64:
    """The noise of each part, in native values; 0 where no four neighbours are all there."""
    upper, lower = parts[..., 0::2, :], parts[..., 1::2, :]
    detail = (upper[..., 0::2] - upper[..., 1::2] - lower[..., 0::2] + lower[..., 1::2]) / 2
    flat = np.abs(detail).reshape(*parts.shape[:3], -1)
    flat[np.isnan(flat).all(axis=-1)] = 0
    median = np.nanmedian if np.isnan(flat).any() else np.median
    return np.asarray(median(flat, axis=-1) / MAD)
