"""The opensr-test triple: consistency with the input, synthesis of detail, correctness against the reference.

Source: Aybar et al., A comprehensive benchmark for optical remote sensing image super-resolution, 2024, with the
settings of opensr-test (specification of SRGAN, section 4): per pixel, distance ``nd``, 16 pixels of the reference cut
off each side, shifts of at most 5 pixels. Its aligner is replaced by the phase correlation of :mod:`satsr.shift`, on
the mean over the bands. Images are finite floats (H, W, C) and (H / s, W / s, C) of one radiometry, such as reflectance
in 0..1.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.metrics.inputs import crop, float_pair
from satsr.metrics.pixels import sam
from satsr.radiometry import histogram_match
from satsr.shift import Shift, measure_shift

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
BORDER_PX = 16
MAX_SHIFT_PX = 5.0
KEPT_ABOVE = 75
"""Percentile of the distance between enlarged input and reference above which a pixel counts for correctness."""
EPSILON = 1e-8
BEND = 0.05
TEMPERATURE = 0.25
_STILL_PX = 0.01


@dataclass(frozen=True)
class Correctness:
    """Shares of an output's detail that sum to 1: right (improvement), missing (omission), invented (hallucination)."""

    improvement: float
    omission: float
    hallucination: float


def opensr_reflectance(sr: np.ndarray, lr: np.ndarray, clear: Mask | None = None) -> float:
    """Mean absolute difference between the input and the output shrunk to it, in the images' unit; 0 is best.

    Args:
        sr: float (s h, s w, C), the output.
        lr: float (h, w, C), what it enlarges.
        clear: bool (s h, s w); an input pixel counts where all of its output pixels are clear.

    Raises:
        SatsrError: other shapes or values, or nothing left to compare.
    """
    small, given, kept = _small_pair(sr, lr, clear)
    return float(np.abs(small - given)[kept].mean())


def opensr_spectral(sr: np.ndarray, lr: np.ndarray, clear: Mask | None = None) -> float:
    """Mean spectral angle in degrees between the input and the output shrunk to it; 0 is best.

    Args:
        sr: float (s h, s w, C) with at least 2 bands.
        lr: float (h, w, C).
        clear: as for :func:`opensr_reflectance`.

    Raises:
        SatsrError: other shapes or values, one band, or nothing left to compare.
    """
    small, given, kept = _small_pair(sr, lr, clear)
    return sam(small[kept][None], given[kept][None])


def opensr_spatial(sr: np.ndarray, lr: np.ndarray) -> float:
    """Length of the shift between the input and the output shrunk to it, in pixels of the input; 0 is best.

    Args:
        sr: float (s h, s w, C).
        lr: float (h, w, C).

    Raises:
        SatsrError: other shapes or values, or a shift that cannot be measured or exceeds 5 pixels.
    """
    small, given = float_pair(_shrunk(sr, lr), lr)
    return _measured(small, given).length


def harmonised(sr: np.ndarray, hr: np.ndarray, clear: Mask | None = None) -> Image:
    """The output with the histogram of the reference, band by band, and moved onto it: (H, W, C).

    Args:
        sr: float (H, W, C).
        hr: the same shape, the reference.
        clear: bool (H, W), the pixels whose histograms are matched.

    Raises:
        SatsrError: other shapes or values, or a shift that cannot be measured or exceeds 5 pixels.
    """
    ours, theirs = float_pair(sr, hr)
    matched = ours.copy()
    chosen = np.ones(ours.shape[:2], bool) if clear is None else clear
    if not chosen.any():
        raise SatsrError("the mask has no clear pixel, so there is nothing to compare.")
    matched[chosen] = histogram_match(ours[chosen][None], theirs[chosen][None])[0]
    shift = _measured(matched, theirs)
    if shift.length < _STILL_PX:
        return matched
    from scipy import ndimage

    return np.asarray(ndimage.shift(matched, (-shift.y, -shift.x, 0), order=3, mode="reflect"))


def opensr_synthesis(harmonised_sr: np.ndarray, lr: np.ndarray, clear: Mask | None = None) -> float:
    """Mean absolute difference between the harmonised output and the input enlarged (bilinear): detail added.

    More of it is better only as far as correctness says that it is right. A plain enlargement has none.

    Args:
        harmonised_sr: float (H, W, C), from :func:`harmonised`.
        lr: float (h, w, C).
        clear: bool (H, W), the pixels that count.

    Raises:
        SatsrError: other shapes or values, or nothing left to compare.
    """
    ours, enlarged = float_pair(harmonised_sr, _enlarged(lr, harmonised_sr))
    return float(np.abs(ours - enlarged)[_inner(clear, ours)].mean())


def opensr_correctness(
    harmonised_sr: np.ndarray, hr: np.ndarray, lr: np.ndarray, clear: Mask | None = None
) -> Correctness:
    """Whether the detail of the harmonised output is the reference's, the enlarged input's, or nobody's.

    A distance d is the mean over bands of abs(x - y) / abs(x + y + 1e-8). With d_ref = d(enlarged input, reference),
    a = d(output, reference) / d_ref, b = d(output, enlarged input) / d_ref and H = a + b - 1, the distance to
    improvement is a + b (1 - e^(-0.05 H)), to omission b + a (1 - e^(-0.05 H)), to hallucination e^(-0.05 a b); the
    shares are the means of their softmin with temperature 0.25. A pixel counts where one of the three d exceeds the
    75th percentile of d_ref, and d_ref is not 0.

    Args:
        harmonised_sr: float (H, W, C), from :func:`harmonised`.
        hr: float (H, W, C), the reference.
        lr: float (h, w, C).
        clear: bool (H, W), the pixels that count.

    Raises:
        SatsrError: other shapes or values, or nothing left to compare.
    """
    ours, theirs = float_pair(harmonised_sr, hr)
    enlarged = _enlarged(lr, ours)
    inner = _inner(clear, ours)
    reference, wrong, added = (
        _distance(x[inner], y[inner]) for x, y in ((enlarged, theirs), (ours, theirs), (ours, enlarged))
    )
    limit = np.percentile(reference, KEPT_ABOVE)
    kept = ((reference > limit) | (wrong > limit) | (added > limit)) & (reference > 0)
    if not kept.any():
        raise SatsrError("the reference has no detail that the enlarged input has not: there is nothing to get right.")
    return Correctness(*shares(wrong[kept] / reference[kept], added[kept] / reference[kept]).mean(axis=1).tolist())


def shares(a: Image, b: Image) -> Image:
    """Improvement, omission and hallucination of each pixel, (3, N): the softmin of the distances to them.

    Args:
        a: (N,) distances to the reference over that between enlarged input and reference.
        b: (N,) distances to the enlarged input, likewise.
    """
    bend = 1 - np.exp(-BEND * (a + b - 1))
    nearness = -np.stack([a + b * bend, b + a * bend, np.exp(-BEND * a * b)]) / TEMPERATURE
    weights = np.exp(nearness - nearness.max(axis=0))
    return np.asarray(weights / weights.sum(axis=0))


def _distance(x: Image, y: Image) -> Image:
    return np.asarray((np.abs(x - y) / np.abs(x + y + EPSILON)).mean(axis=-1))


def _small_pair(sr: np.ndarray, lr: np.ndarray, clear: Mask | None) -> tuple[Image, Image, Mask]:
    """The output shrunk, the input, and the pixels of these that count."""
    small, given = float_pair(_shrunk(sr, lr), lr)
    fine = _inner(clear, sr)
    (height, width), scale = given.shape[:2], _scale(sr, lr)
    kept = np.asarray(fine.reshape(height, scale, width, scale).all(axis=(1, 3)))
    if not kept.any():
        raise SatsrError("no pixel of the input has only clear pixels of the output.")
    return small, given, kept


def _inner(clear: Mask | None, image: np.ndarray) -> Mask:
    """Clear pixels that are not of the border (H, W)."""
    if min(image.shape[:2]) <= 2 * BORDER_PX:
        raise SatsrError(f"opensr-test cuts {BORDER_PX} pixels off each side, which leaves nothing of {image.shape}.")
    inner = np.zeros(image.shape[:2], bool)
    crop(inner, BORDER_PX)[...] = True
    if clear is not None:
        inner &= clear
    if not inner.any():
        raise SatsrError(f"the mask has no clear pixel within the border of {BORDER_PX} pixels.")
    return inner


def _scale(large: np.ndarray, small: np.ndarray) -> int:
    scale = int(large.shape[0] // max(small.shape[0], 1))
    if large.ndim != 3 or large.shape != (small.shape[0] * scale, small.shape[1] * scale, small.shape[2]):
        raise SatsrError(f"an output {large.shape} is no whole multiple of its input {small.shape}.")
    return scale


def _shrunk(sr: np.ndarray, lr: np.ndarray) -> Image:
    _scale(sr, lr)
    return _bilinear(sr, lr.shape[:2])


def _enlarged(lr: np.ndarray, like: np.ndarray) -> Image:
    _scale(like, lr)
    return _bilinear(lr, like.shape[:2])


def _bilinear(image: np.ndarray, size: tuple[int, ...]) -> Image:
    """Triangle filter, wider where it shrinks (antialiasing), cut off and renormalised at the border."""
    down, right = (_weights(before, after) for before, after in zip(image.shape[:2], size, strict=True))
    return np.asarray(np.einsum("ih,hwc,jw->ijc", down, image.astype(np.float64), right, optimize=True))


def _weights(before: int, after: int) -> Image:
    """(after, before), rows with sum 1; pixels are areas, so centres lie half a pixel inside."""
    step = before / after
    centres, places = (np.arange(after) + 0.5) * step, np.arange(before) + 0.5
    weights = np.maximum(1 - np.abs(places - centres[:, None]) / max(step, 1), 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _measured(image: Image, reference: Image) -> Shift:
    """The shift of ``image`` against ``reference``; an error where there is none to be had."""
    shift = measure_shift(*(values.mean(axis=2).astype(np.float32) for values in (image, reference)))
    if not shift.length <= MAX_SHIFT_PX:
        raise SatsrError(f"the images cannot be registered within {MAX_SHIFT_PX:g} pixels by phase correlation.")
    return shift
