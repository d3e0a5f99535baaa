"""Which details an image shares with its reference, by frequency: Fourier ring correlation, and what it resolves.

Sources: van Heel and Schatz, Fourier shell correlation threshold criteria, 2005; Nieuwenhuizen et al., Measuring image
resolution in optical nanoscopy, 2013 (threshold 1/7).
"""

from bisect import bisect

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.metrics.inputs import float_pair

Array = npt.NDArray[np.float64]
THRESHOLD = 1 / 7
"""Correlation below which a ring counts as not resolved."""
MIN_SIDE = 16
"""Smaller images have too few rings."""


def ring_correlation(sr: np.ndarray, hr: np.ndarray) -> Array:
    """Fourier ring correlation: Re(sum of F G*) / sqrt(sum of |F|^2 sum of |G|^2) over a ring of frequencies.

    Every plane loses its mean under the window and is multiplied by a Hann window along both axes. Ring k holds the
    frequencies that are nearest to k / min(H, W) cycles a pixel; the sums run over all frames and bands. Nothing is
    smoothed.

    Args:
        sr: float (T, H, W, C), at least 16 pixels a side.
        hr: the same shape, the reference.

    Returns:
        (min(H, W) // 2 + 1,) from ring 0, which means nothing, to the Nyquist frequency; NaN where both have no energy.

    Raises:
        SatsrError: other shapes or values.
    """
    first, second = float_pair(sr, hr)
    if first.ndim != 4 or min(first.shape[1:3]) < MIN_SIDE:
        raise SatsrError(f"ring correlation needs images (T, H, W, C) of {MIN_SIDE} pixels a side, found {sr.shape}.")
    planes = [image.transpose(0, 3, 1, 2).reshape(-1, *image.shape[1:3]) for image in (first, second)]
    totals = sum((_ring_sums(x, y) for x, y in zip(*planes, strict=True)), start=np.zeros(1))
    cross, energy, other = totals
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(cross / np.sqrt(energy * other))


def resolved_period(sr: np.ndarray, hr: np.ndarray) -> float:
    """The period in pixels of the reference below which the ring correlation drops under 1/7; less is better.

    The first ring below the threshold counts, with linear interpolation from the ring before. An image that never drops
    has 2, the shortest period that the grid can hold: it may resolve no more than that. The sampling distance that
    shows this period is half of it.

    Args:
        sr: float (T, H, W, C), at least 16 pixels a side.
        hr: the same shape, the reference.

    Raises:
        SatsrError: other shapes or values, or nothing in common even in the lowest ring.
    """
    correlation, side = ring_correlation(sr, hr), min(hr.shape[1:3])
    below = np.flatnonzero(~(correlation[1:] >= THRESHOLD)) + 1
    if not below.size:
        return 2.0
    ring = int(below[0])
    if ring == 1:
        raise SatsrError("the ring correlation is below 1/7 from the lowest frequency on: the images share nothing.")
    before, at = correlation[ring - 1], correlation[ring]
    part = (before - THRESHOLD) / (before - at) if np.isfinite(at) else 0.0
    return float(side / (ring - 1 + part))


def clear_part(clear: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns without an unclear pixel: all of them, or the largest square that there is.

    Args:
        clear: bool (H, W).

    Raises:
        SatsrError: there is no clear square of 16 pixels.
    """
    if clear.all():
        return slice(None), slice(None)
    sums = np.pad(np.cumsum(np.cumsum(clear.astype(np.int64), axis=0), axis=1), ((1, 0), (1, 0)))
    side = bisect(range(1, min(clear.shape) + 1), False, key=lambda side: not _squares(sums, side).any())
    if side < MIN_SIDE:
        raise SatsrError(f"there is no square of {MIN_SIDE} clear pixels to compare frequencies in.")
    top, left = (int(place) for place in np.argwhere(_squares(sums, side))[0])
    return slice(top, top + side), slice(left, left + side)


def _squares(sums: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.bool_]:
    """Where a clear square of ``side`` pixels begins, from the sums over all rectangles from the first corner."""
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(inside == side * side)


def _ring_sums(x: Array, y: Array) -> Array:
    """Sums over rings, (3, rings): real cross spectrum, and both energies, of planes (H, W)."""
    from scipy import fft

    height, width = x.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    f, g = (fft.rfft2((plane - np.average(plane, weights=window)) * window) for plane in (x, y))
    radius = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None]) * min(height, width)
    ring = np.rint(radius).astype(int).ravel()
    twice = np.full(f.shape, 2.0)  # the half of the spectrum that a real image repeats
    twice[:, 0] = 1
    if width % 2 == 0:
        twice[:, -1] = 1
    count = min(height, width) // 2 + 1
    terms = (f * g.conj()).real, np.abs(f) ** 2, np.abs(g) ** 2
    return np.stack([np.bincount(ring, (term * twice).ravel(), count)[:count] for term in terms])
