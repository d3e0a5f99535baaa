"""Resizing by kernels with antialiasing: MATLAB's cubic, exact where integers allow it, and its relatives."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.sparse import Taps, matrix

BORDERS = ("mirror", "replicate", "cut")
MANTISSA = {"float32": 24, "float64": 53}
MAX_BANDS = 4
"""Up to which the blocks of an exact resize, mostly zeros between bands, are faster than sparse sums."""


def imresize(image: np.ndarray, scale: float, border: str = "mirror", kernel: str = "cubic") -> np.ndarray:
    """Resizes by the cubic of Keys (a = -0.5) on the half-pixel grid, stretched by 1 / scale when shrinking.

    MATLAB's ``imresize(..., "bicubic")``, which made the published low-resolution images: weights normalised, output of
    ceil(size * scale) pixels. Source: specification of RASVSR, section 4. In float64, shrinking uint8 by a power of two
    is exact, so rounding the result (``to_native``) reproduces the Jilin-189 frames bit for bit with "replicate".

    Args:
        image: (H, W) or (H, W, C), any number of bands, integer or float.
        scale: output side / input side, for instance 0.25 or 4.
        border: "mirror" repeats the edge pixel as the first of the reflection, "replicate" repeats it throughout, "cut"
            gives the weights of what lies outside to what lies inside.
        kernel: "cubic", or a key of :data:`KERNELS`.

    Returns:
        float32 for float32 input, else float64; not clipped.

    Raises:
        SatsrError: no image, a scale that is not positive, or an unknown border or kernel.
    """
    require_image(image)
    if not np.isfinite(scale) or scale <= 0:
        raise SatsrError(f"the scale of a resize must be a positive number, found {scale}.")
    for word, known, found in (("border", BORDERS, border), ("kernel", KERNELS, kernel)):
        if found not in known:
            raise SatsrError(f'the {word} of a resize must be one of {", ".join(known)}, found "{found}".')
    dtype = "float32" if image.dtype == np.float32 else "float64"
    height, width = image.shape[:2]
    bands = image.shape[2] if image.ndim == 3 else 1
    inner = _exact_in(image.dtype, (height, width), float(scale), border, kernel)
    if inner and bands <= MAX_BANDS:
        return _resized_exactly(image, float(scale), border, kernel, inner)
    vertical = axis_weights(height, float(scale), border, dtype, kernel)
    horizontal = axis_weights(width, float(scale), border, dtype, kernel)
    rows = vertical @ image.reshape(height, width * bands).astype(dtype, copy=False)
    # The second pass wants the columns first; by then the array is small when shrinking.
    columns = rows.reshape(-1, width, bands).swapaxes(0, 1).reshape(width, -1)
    result = (horizontal @ columns).reshape(horizontal.shape[0], vertical.shape[0], bands).swapaxes(0, 1)
    return np.ascontiguousarray(result.reshape(*result.shape[:2], *image.shape[2:]))


def _keys(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic kernel with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


KERNELS: Mapping[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = MappingProxyType(
    {
        "cubic": _keys,
        "bilinear": lambda x: np.maximum(1 - np.abs(x), 0),
        "area": lambda x: np.asarray(np.abs(x) < 0.5, np.float64),
    }
)
"""What an image is made small with, stretched by the scale: Keys' cubic, a triangle, the mean of a detector's area."""


@lru_cache(maxsize=64)
def axis_weights(size: int, scale: float, border: str, dtype: str, kernel: str = "cubic") -> Taps:
    """The resize of one axis, as :func:`imresize` does it, as a sparse matrix (ceil(size * scale), size)."""
    # 1e-9: a product such as 30 * 0.1 lies just above the whole number that is meant.
    length = max(1, int(np.ceil(size * scale - 1e-9)))
    stretch = min(scale, 1.0)
    reach = 2 / stretch
    centres = (np.arange(length) + 0.5) / scale - 0.5
    taps = np.floor(centres - reach)[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    values = KERNELS[kernel]((centres[:, None] - taps) * stretch)
    if border == "cut":
        values[(taps < 0) | (taps >= size)] = 0
    values /= values.sum(axis=1, keepdims=True)
    columns = taps.astype(np.int64)
    if border == "mirror":
        columns = columns % (2 * size)
        columns = np.minimum(columns, 2 * size - 1 - columns)
    else:
        columns = columns.clip(0, size - 1)
    return matrix(columns, values, size, dtype)


@lru_cache(maxsize=64)
def _exact_in(image: np.dtype[Any], sides: tuple[int, int], scale: float, border: str, kernel: str) -> str | None:
    """The type in which the sums of the first axis have no rounding error; None where those of both axes have one.

    Integers times weights of a few binary places (the cubic's, for scales that are powers of two) are multiples of a
    small unit. While all sums fit the mantissa, every order of adding gives the same bits, so the fastest may be taken.
    """
    if image.kind not in "ui":
        return None
    down, across = (_binary_places(size, scale, border, kernel) for size in sides)
    first = 8 * image.itemsize + down + 1  # absolute weights add up to less than 2
    if first + across + 1 > MANTISSA["float64"]:
        return None
    return "float32" if first <= MANTISSA["float32"] else "float64"


def _binary_places(size: int, scale: float, border: str, kernel: str) -> int:
    """How many binary places the weights of an axis have; as many as float64 where there is no small number of them."""
    weights = axis_weights(size, scale, border, "float64", kernel).data
    return next((places for places in range(25) if not (weights * 2.0**places % 1).any()), MANTISSA["float64"])


def _resized_exactly(image: np.ndarray, scale: float, border: str, kernel: str, inner: str) -> npt.NDArray[np.float64]:
    """:func:`imresize` by products of dense blocks, which BLAS does several times faster than sparse sums."""
    height, width = image.shape[:2]
    bands = image.shape[2] if image.ndim == 3 else 1
    pixels = image.reshape(height, width * bands)
    length, blocks = _blocks(height, scale, border, kernel, inner)
    rows = np.empty((length, width * bands), inner)
    for taken, given, weights in blocks:
        np.matmul(weights, pixels[taken].astype(inner), out=rows[given])
    wide = rows.astype(np.float64, copy=False)
    length, blocks = _blocks(width, scale, border, kernel, "float64", bands)
    result = np.empty((len(rows), length * bands))
    for taken, given, weights in blocks:
        np.matmul(wide[:, taken], weights, out=result[:, given])
    return result.reshape(len(rows), length, *image.shape[2:])


@lru_cache(maxsize=64)
def _blocks(
    size: int, scale: float, border: str, kernel: str, dtype: str, bands: int = 0
) -> tuple[int, list[tuple[slice, slice, np.ndarray]]]:
    """The output length of an axis; and for every few outputs which inputs they take, where they go, and the weights.

    Args:
        size: of the axis, as for :func:`axis_weights`.
        scale: as there.
        border: as there.
        kernel: as there.
        dtype: of the weights.
        bands: 0 for weights (outputs, inputs) to the left of an image; else for weights to its right whose rows hold so
            many interleaved bands.
    """
    sparse = axis_weights(size, scale, border, dtype, kernel)
    step, wide = max(4, round(8 * scale)), max(bands, 1)
    blocks = []
    for first in range(0, sparse.shape[0], step):
        part = sparse[first : first + step].toarray()
        used = np.flatnonzero(part.any(axis=0))
        low, high, last = int(used[0]), int(used[-1]) + 1, first + len(part)
        weights = np.ascontiguousarray(part[:, low:high])
        if bands:
            weights = np.ascontiguousarray(np.kron(weights.T, np.eye(bands, dtype=dtype)))
        blocks.append((slice(low * wide, high * wide), slice(first * wide, last * wide), weights))
    return sparse.shape[0], blocks


def require_image(image: np.ndarray) -> None:
    """Refuses what is no image (H, W) or (H, W, C) of numbers.

    Raises:
        SatsrError: it is none.
    """
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size or image.dtype.kind not in "uif":
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SatsrError(f"expected an image (H, W) or (H, W, C) of numbers, found {found}.")
