"""What a metric accepts, and the sentences for what it does not; cropping and luma."""

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError

# BT.601 studio range, in RGB order: luma = 16 + LUMA . rgb with rgb in 0..1.
LUMA = (65.481, 128.553, 24.966)


def require_u8(image: np.ndarray, name: str) -> None:
    """Checks that ``image`` is uint8, (H, W) or (H, W, 3).

    Raises:
        SatsrError: it is not.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise SatsrError(
            f"{name} must be a uint8 image, found {_described(image)}: round it once with satsr.degrade.to_native, or "
            "use a float metric with its peak (psnr_float)."
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise SatsrError(f"{name} must be (H, W) or (H, W, 3), found {_described(image)}: put the channels last.")


def require_u8_pair(a: np.ndarray, b: np.ndarray) -> None:
    """Checks that both are uint8 images (``require_u8``) of one shape.

    Raises:
        SatsrError: they are not.
    """
    require_u8(a, "the first image")
    require_u8(b, "the second image")
    require_same_shape(a, b)


def require_same_shape(a: np.ndarray, b: np.ndarray) -> None:
    """Checks that two arrays have one shape.

    Raises:
        SatsrError: they have not.
    """
    if a.shape != b.shape:
        raise SatsrError(
            f"the two images must have one shape, found {a.shape} and {b.shape}: crop the reference to a multiple of "
            "the scale before comparing."
        )


def finite_float(image: np.ndarray, name: str) -> npt.NDArray[np.float64]:
    """``image`` as float64, after a check that it holds finite floats.

    Raises:
        SatsrError: it is empty or no array of floats, or holds NaN or infinity.
    """
    if not isinstance(image, np.ndarray) or image.dtype.kind != "f" or not image.size:
        raise SatsrError(
            f"{name} must be an array of floats, found {_described(image)}: bring it to its value range with "
            "satsr.radiometry first."
        )
    result = image.astype(np.float64, copy=False)
    # A sum is finite unless an element is not: one pass and no temporary array.
    if not np.isfinite(result.sum()) and not np.isfinite(result).all():
        raise SatsrError(f"{name} holds NaN or infinite values: replace nodata before comparing, or mask it out.")
    return result


def float_pair(a: np.ndarray, b: np.ndarray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Both as float64, after a check that they hold finite floats in one shape.

    Raises:
        SatsrError: they do not.
    """
    first, second = finite_float(a, "the first image"), finite_float(b, "the second image")
    require_same_shape(first, second)
    return first, second


def require_peak(peak: float) -> None:
    """Checks that a peak (the length of the value range) is a positive number.

    Raises:
        SatsrError: it is not.
    """
    if not np.isfinite(peak) or peak <= 0:
        raise SatsrError(f"the peak must be a positive number, found {peak}: give the length of the value range.")


def crop(image: np.ndarray, border: int) -> np.ndarray:
    """``image`` without ``border`` pixels on each side.

    Raises:
        SatsrError: the border is negative or leaves nothing.
    """
    if border < 0 or 2 * border >= min(image.shape[:2]):
        raise SatsrError(
            f"a border of {border} pixels cannot be cropped off an image of {image.shape}: give one of at least 0 that "
            "leaves something, or a larger image."
        )
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def select(image: np.ndarray, crop_border: int, channel: str) -> np.ndarray:
    """The part of a uint8 image that is compared: cropped, then all channels or luma.

    Returns:
        uint8 of the cropped shape for ``"rgb"``; float64 (H, W) for the luma of a colour image; gray stays as it is.

    Raises:
        SatsrError: the channel is neither "rgb" nor "y", or the border does not fit.
    """
    if channel not in ("rgb", "y"):
        raise SatsrError(f'the channel must be "rgb" or "y", found "{channel}".')
    image = crop(image, crop_border)
    return luma(image) if channel == "y" and image.ndim == 3 else image


def luma(image: np.ndarray) -> npt.NDArray[np.float64]:
    """Unrounded BT.601 luma (16..235) of a uint8 RGB image (H, W, 3), as BasicSR computes it.

    The float32 roundings between are part of that convention (specification of RASVSR, section 4).
    """
    unit = image.astype(np.float32) / np.float32(255)
    y = cv2.transform(unit.astype(np.float64), np.array([[*LUMA, 16.0]]))
    return ((y / 255).astype(np.float32) * np.float32(255)).astype(np.float64)


def _described(image: object) -> str:
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
