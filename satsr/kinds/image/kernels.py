"""What images are made small with: kernels of resizing programs, and sensors' optics by their response.

A network that learns from one kernel alone takes for granted how much fine detail is left of what it sees: of an image
that was made by a sharper one it makes more than there was, and is behind bicubic. Trained on several it has to look.

``mtf0.3`` is a Gaussian whose response at the Nyquist frequency of the coarse grid is 0.3, as the modulation transfer
function of a sensor is given; those of Sentinel-2's bands of 10 m are specified as 0.15 to 0.3.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import log, pi, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.resize import KERNELS
from satsr.sparse import Taps, matrix

Kernel = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
REACH = 3
"""Coarse pixels from its centre to where a kernel ends."""


def lanczos(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The windowed sinc of three lobes (Duchon, Journal of Applied Meteorology 18, 1979)."""
    return np.asarray(np.where(np.abs(x) < REACH, np.sinc(x) * np.sinc(x / REACH), 0.0))


NAMED: Mapping[str, Kernel] = MappingProxyType({**KERNELS, "lanczos": lanczos})
"""Kernels of resizing programs, over the distance in coarse pixels."""
RESPONSE = re.compile(r"mtf(0\.\d+)")


def kernel(name: str) -> Kernel:
    """A kernel by its name: a key of :data:`NAMED`, or ``mtf`` and a response between 0 and 1.

    Raises:
        SatsrError: there is none of that name.
    """
    if name in NAMED:
        return NAMED[name]
    response = RESPONSE.fullmatch(name)
    if response is None or not float(response[1]):
        raise SatsrError(
            f'a kernel must be one of {", ".join(NAMED)}, or "mtf" and its response at the Nyquist frequency, such as '
            f'mtf0.3; found "{name}".'
        )
    sigma = sqrt(-2 * log(float(response[1]))) / pi
    return lambda x: np.where(np.abs(x) < REACH, np.exp(-(x**2) / (2 * sigma**2)), 0.0)


def weighted(image: np.ndarray, scale: int, name: str, offset: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """An image made ``scale`` times smaller; what lies outside it has no weight.

    Args:
        image: (H, W, C) floats.
        scale: how many times, a whole number.
        name: of the kernel.
        offset: how far down and to the right the coarse pixels lie, in their widths.

    Returns:
        (H / scale, W / scale, C) of the same type, not clipped.

    Raises:
        SatsrError: there is no such kernel.
    """
    height, width, bands = image.shape
    down, across = (
        _axis(side, scale, name, shift, image.dtype) for side, shift in zip((height, width), offset, strict=True)
    )
    rows = (down @ image.reshape(height, -1)).reshape(-1, width, bands)
    columns = across @ np.ascontiguousarray(rows.swapaxes(0, 1)).reshape(width, -1)
    return np.ascontiguousarray(columns.reshape(-1, len(rows), bands).swapaxes(0, 1))


@lru_cache(maxsize=64)
def _axis(size: int, scale: int, name: str, offset: float, dtype: np.dtype[Any]) -> Taps:
    """One axis, (size / scale, size); each row adds up to 1."""
    centres = (np.arange(size // scale) + 0.5 + offset) * scale - 0.5
    taps = np.floor(centres)[:, None].astype(np.int64) + np.arange(-REACH * scale, REACH * scale + 2)
    values = kernel(name)((centres[:, None] - taps) / scale)
    values[(taps < 0) | (taps >= size)] = 0
    return matrix(taps.clip(0, size - 1), values / values.sum(axis=1, keepdims=True), size, dtype)
