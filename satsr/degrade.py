"""How low-resolution images are made and enlarged: blur, the antialiased cubic, noise, and rounding done once."""

from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.resize import imresize, require_image

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PROBAV_PEAK = 65535.0
"""Digital number that counts as 1 in Proba-V's files of 16 bits."""
PROBAV_SATURATED = 16383
"""The largest digital number of 14 bits."""


def shrink(image: np.ndarray, scale: int, kernel: str = "cubic", border: str = "mirror") -> np.ndarray:
    """An image made ``scale`` times smaller by a kernel with antialiasing.

    "cubic" is :func:`satsr.resize.imresize`, "area" the mean of the fine pixels in each coarse one, and "bilinear" is
    torch's ``interpolate(mode="bilinear", antialias=True)``, which looks at nothing outside the image.

    Args:
        image: (H, W) or (H, W, C), any number of bands, integer or float.
        scale: how many times smaller, a whole number.
        kernel: a key of :data:`satsr.resize.KERNELS`.
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
    require_image(image)
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
    require_image(image)
    if image.dtype not in (np.float32, np.float64):
        raise SatsrError(f"OpenCV's cubic rounds integers: convert {image.dtype} to float32 first.")
    size = (image.shape[1] * scale, image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC).reshape(size[1], size[0], *image.shape[2:])


def _require_sigma(sigma: float) -> None:
    if not np.isfinite(sigma) or sigma < 0:
        raise SatsrError(f"a standard deviation must be 0 or positive, found {sigma}.")
