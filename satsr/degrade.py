"""How low-resolution images are made and enlarged: the antialiased cubic, blur, noise, and rounding done once."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.sparse import Taps, matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BORDERS = ("mirror", "replicate", "cut")
PROBAV_PEAK = 65535.0
"""Digital number that counts as 1 in Proba-V's files of 16 bits."""
PROBAV_SATURATED = 16383
"""The largest digital number of 14 bits."""
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
    _require_image(image)
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


def shrink(image: np.ndarray, scale: int, kernel: str = "cubic", border: str = "mirror") -> np.ndarray:
    """An image made ``scale`` times smaller by a kernel with antialiasing.

    "cubic" is :func:`imresize`, "area" the mean of the fine pixels in each coarse one, and "bilinear" is torch's
    ``interpolate(mode="bilinear", antialias=True)``, which looks at nothing outside the image.

    Args:
        image: (H, W) or (H, W, C), any number of bands, integer or float.
        scale: how many times smaller, a whole number.
        kernel: a key of :data:`KERNELS`.
        border: of the cubic, as for ``imresize``.

    Returns:
        float32 for float32 input, else float64; not clipped.

    Raises:
        SatsrError: no image, or an unknown kernel or border.
    """
    return imresize(image, 1 / scale, border if kernel == "cubic" else "cut", kernel)


def to_native(image: np.ndarray, dtype: npt.DTypeLike, ties: Literal["up", "even"] = "up") -> np.ndarray:
    """Rounds and clips to the range of an integer type, once.

    Args:
        image: any shape, values in the scale of ``dtype`` (0..255 for uint8).
        dtype: an integer type; a float type only converts.
        ties: where halves go: "up", as in images that were made small (Jilin-189), or to the "even" neighbour, as the
            papers' protocols round a network's output.

    Raises:
        SatsrError: the image holds NaN, which no integer stands for.
    """
    wanted = np.dtype(dtype)
    if wanted.kind not in "ui" or image.dtype == wanted:
        return image.astype(wanted, copy=False)
    wide = np.float64 if wanted.itemsize > 2 else None  # float32 does not hold 2**31 - 1
    rounded = np.add(image, 0.5, dtype=wide) if ties == "up" else np.rint(image, dtype=wide)
    if np.isnan(rounded.sum()) and np.isnan(rounded).any():
        raise SatsrError(f"an image with NaN cannot become {wanted}: replace nodata before rounding.")
    if ties == "up":
        np.floor(rounded, out=rounded)
    limits = np.iinfo(wanted)
    return np.asarray(rounded.clip(limits.min, limits.max, out=rounded), wanted)


def downscale_frame(
    image: np.ndarray,
    scale: int,
    border: str = "mirror",
    *,
    blur_sigma: float = 0.0,
    noise_sigma: float = 0.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """A low-resolution frame of the same type: blur, shrink, noise, then one rounding.

    Networks trained on a plain cubic fall below the cubic itself on blurred input (specification of MSDTGP, section
    5.4); the two options make such data.

    Args:
        image: (H, W) or (H, W, C), integer or float.
        scale: how many times smaller, a whole number; 4 in the video papers.
        border: as for ``imresize``.
        blur_sigma: standard deviation of a Gaussian before shrinking, in pixels of ``image``; 0 for none.
        noise_sigma: standard deviation of white noise after shrinking, in the units of ``image``; 0 for none.
        rng: where noise is drawn from (``satsr.seeds.generator``).

    Returns:
        (ceil(H / scale), ceil(W / scale)[, C]) in the type of ``image``.

    Raises:
        SatsrError: no image, a scale that is not a whole number, a negative sigma, or noise without a generator.
    """
    if not float(scale).is_integer() or scale < 1:
        raise SatsrError(f"downscale_frame wants how many times smaller, a whole number such as 4, found {scale}.")
    if noise_sigma and rng is None:
        raise SatsrError("noise needs a generator: pass rng=satsr.seeds.generator(seed, purpose, index).")
    small = imresize(blur(image, blur_sigma), 1 / int(scale), border)
    if rng is not None:
        small = add_noise(small, noise_sigma, rng)
    return to_native(small, image.dtype)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur with a mirrored border, cut off at three standard deviations.

    Args:
        image: (H, W) or (H, W, C), integer or float.
        sigma: standard deviation in pixels; 0 returns ``image`` as it is.

    Returns:
        float32 for float32 input, else float64.

    Raises:
        SatsrError: no image, or a negative sigma.
    """
    _require_image(image)
    _require_sigma(sigma)
    if sigma == 0:
        return image
    taps = gaussian(sigma)
    values: npt.NDArray[np.floating] = image.astype(np.float32 if image.dtype == np.float32 else np.float64)
    return cv2.sepFilter2D(values, -1, taps, taps, borderType=cv2.BORDER_REFLECT).reshape(image.shape)


def gaussian(sigma: float) -> npt.NDArray[np.float64]:
    """The weights of :func:`blur` along an axis, an odd number that adds up to 1; ``sigma`` is positive, in pixels."""
    radius = int(np.ceil(3 * sigma))
    distance = np.arange(-radius, radius + 1)
    taps = np.exp(-(distance**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum())


def add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """White Gaussian noise of standard deviation ``sigma``, drawn in float64; not clipped.

    Args:
        image: any shape, float or integer.
        sigma: in the units of ``image``; 0 returns ``image`` as it is and draws nothing.
        rng: where the noise is drawn from.

    Returns:
        float32 for float32 input, else float64.

    Raises:
        SatsrError: a negative sigma.
    """
    _require_sigma(sigma)
    if sigma == 0:
        return image
    noisy = image + sigma * rng.standard_normal(image.shape)
    return noisy.astype(np.float32 if image.dtype == np.float32 else np.float64)


def probav_baseline(lr: np.ndarray, qm: np.ndarray) -> npt.NDArray[np.float64]:
    """The challenge's bicubic baseline: the mean of the clearest views, each enlarged three times.

    Keys' cubic (a = -0.5) on half-pixel centres with replicated edge, clipped to each view's own range. This is what
    norm.csv was made with; today's scikit-image and OpenCV give other kernels (specification of QA-Net, section 2c).

    Args:
        lr: integers (T, H, W), the views in digital numbers.
        qm: (T, H, W), non-zero where clear.

    Returns:
        (3H, 3W) in 0..1 (DN / 65535).

    Raises:
        SatsrError: the views are no integers, or the shapes are not (T, H, W) with T >= 1, or differ.
    """
    if lr.ndim != 3 or lr.shape != qm.shape or not lr.size or lr.dtype.kind not in "ui":
        raise SatsrError(
            f"the baseline needs integer views and masks of one shape (T, H, W), found {lr.dtype} {lr.shape} and "
            f"{qm.shape}."
        )
    clear = np.count_nonzero(qm, axis=(1, 2))
    views = lr[clear == clear.max()].astype(np.float64) / PROBAV_PEAK
    enlarged = imresize(np.moveaxis(views, 0, 2), 3, border="replicate")
    return np.asarray(enlarged.clip(views.min(axis=(1, 2)), views.max(axis=(1, 2))).mean(axis=2))


def expose(
    truth: np.ndarray, shape: tuple[int, int], pitch: int, offset: tuple[float, float], blur: float
) -> np.ndarray:
    """Samples a fine image as a sensor does: square detectors behind a Gaussian blur, shifted by a fraction of a pixel.

    Args:
        truth: (H, W, C), the fine image; the sensor looks at its middle.
        shape: height and width of the sensor's image.
        pitch: fine pixels per pixel of the sensor.
        offset: how far down and to the right the sensor is shifted, in its pixels.
        blur: standard deviation of the optics, in its pixels.

    Returns:
        (h, w, C).
    """
    height, width, bands = truth.shape
    rows = apertures(height, shape[0], pitch, offset[0], blur)
    columns = apertures(width, shape[1], pitch, offset[1], blur)
    down = (rows @ truth.reshape(height, width * bands)).reshape(shape[0], width, bands)
    across = columns @ down.swapaxes(0, 1).reshape(width, shape[0] * bands)
    return np.ascontiguousarray(across.reshape(shape[1], shape[0], bands).swapaxes(0, 1))


def apertures(length: int, count: int, pitch: int, offset: float, blur: float) -> "csr_array":
    """What each detector of a row takes from each fine pixel: a box of its width behind a Gaussian.

    Args:
        length: number of fine pixels; the detectors look at the middle of them.
        count: number of detectors.
        pitch: fine pixels per detector.
        offset: by how many detectors the row is shifted towards larger coordinates.
        blur: standard deviation of the Gaussian, in detectors.

    Returns:
        (count, length), each row adds up to 1. Sparse, so that the sums have one order whatever the number of threads.
    """
    from scipy.sparse import csr_array  # a quarter of a second, which applying a model does without
    from scipy.special import erf

    start = (length - count * pitch) / 2 + offset * pitch
    centres = start + (np.arange(count) + 0.5) * pitch
    edges = (np.arange(length + 1) - centres[:, None]) / pitch
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    soft = np.sqrt(2) * max(blur, 1e-3)
    weights = erf((middle + 0.5) / soft) - erf((middle - 0.5) / soft)
    weights[weights < 1e-6] = 0
    return csr_array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def probav_numbers(
    image: npt.NDArray[np.float64], clear: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Numbers of 14 bits, and the quality map, 255 where clear: saturated pixels are not clear either."""
    numbers = to_native(image.clip(0, PROBAV_SATURATED), np.uint16)
    return numbers, np.where(clear & (numbers < PROBAV_SATURATED), 255, 0).astype(np.uint8)


def opencv_cubic(image: np.ndarray, scale: int) -> np.ndarray:
    """Enlarges by OpenCV's cubic (a = -0.75, replicated edge), as BreizhSR made its upsampled input.

    Args:
        image: (H, W) or (H, W, C), float32 or float64.
        scale: how many times larger, a whole number.

    Returns:
        (scale H, scale W[, C]) of the same type, not clipped.

    Raises:
        SatsrError: no image of floats.
    """
    _require_image(image)
    if image.dtype not in (np.float32, np.float64):
        raise SatsrError(f"OpenCV's cubic rounds integers: convert {image.dtype} to float32 first.")
    size = (image.shape[1] * scale, image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC).reshape(size[1], size[0], *image.shape[2:])


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


def _require_image(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size or image.dtype.kind not in "uif":
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SatsrError(f"expected an image (H, W) or (H, W, C) of numbers, found {found}.")


def _require_sigma(sigma: float) -> None:
    if not np.isfinite(sigma) or sigma < 0:
        raise SatsrError(f"a standard deviation must be 0 or positive, found {sigma}.")
