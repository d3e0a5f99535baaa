"""NIQE, the blind quality score of Mittal, Soundararajan and Bovik (IEEE Signal Processing Letters 20, 2013).

Features of generalised Gaussians fitted to the normalised luma of 96 x 96 blocks, at two scales, are compared with a
model of pristine photographs. That model is a third party's data file which the project does not contain.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError, Undefined
from satsr.files import sha256
from satsr.metrics.inputs import require_u8, select
from satsr.resize import imresize

PARAMS_VARIABLE = "SATSR_NIQE_PARAMS"
PARAMS_SHA256 = "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296"
"""Hex digest of the file that BasicSR 1.4.2 ships, demanded of the copy in the cache."""

BLOCK = 96
"""Side of a block in pixels at the first scale; half of it at the second."""
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10.001, 0.001)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PristineModel:
    """Mean (36,) and covariance (36, 36) of pristine features, and the window (7, 7) of the local statistics."""

    mean: Array
    covariance: Array
    window: Array


def niqe(image: np.ndarray, crop_border: int = 0) -> float:
    """NIQE of a uint8 image on its rounded BT.601 luma; lower is better. Source: RASVSR's protocol (BasicSR 1.4.2).

    Args:
        image: uint8 (H, W, 3) in RGB order, or gray (H, W); at least two whole blocks of 96 x 96 after cropping.
        crop_border: pixels left out on each side.

    Raises:
        SatsrError: no uint8 image, or no pristine model.
        Undefined: the image is too small, or too flat to have statistics.
    """
    require_u8(image, "the image")
    luma = np.round(select(image, crop_border, "y")).astype(np.float32)
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    if rows * columns < 2:
        raise Undefined(
            f"NIQE needs at least two blocks of {BLOCK} x {BLOCK} pixels, found {luma.shape} after cropping: give a "
            "larger image."
        )
    model = pristine_model()
    luma = luma[: rows * BLOCK, : columns * BLOCK]
    half = imresize(luma / np.float32(255), 0.5) * np.float32(255)
    features = np.concatenate(
        [_block_features(_normalised(scaled, model.window), BLOCK // k) for k, scaled in ((1, luma), (2, half))], axis=1
    )
    complete = features[~np.isnan(features).any(axis=1)]
    if len(complete) < 2:
        raise Undefined("NIQE is undefined for this image: fewer than two of its blocks have any texture.")
    difference = model.mean - np.nanmean(features, axis=0)
    inverse = np.linalg.pinv((model.covariance + np.cov(complete, rowvar=False)) / 2)
    return float(np.sqrt(difference @ inverse @ difference))


def niqe_available() -> bool:
    """Whether a pristine model is at hand, so that an evaluation can leave NIQE out with a line instead of failing."""
    return _params_path().is_file()


def pristine_model() -> PristineModel:
    """Reads the pristine model from the file that SATSR_NIQE_PARAMS names, else from the user's cache.

    Raises:
        SatsrError: there is no file, it is not the one expected, or it does not hold the three arrays.
    """
    path = _params_path()
    if not path.is_file():
        raise SatsrError(
            f"NIQE needs its pristine model, and {path} does not exist: take niqe_pris_params.npz from BasicSR 1.4.2 "
            f"(basicsr/metrics) and name it in {PARAMS_VARIABLE}, or lay it there."
        )
    if not os.environ.get(PARAMS_VARIABLE) and sha256(path) != PARAMS_SHA256:
        raise SatsrError(
            f"{path} is not the pristine model of BasicSR (sha256 {PARAMS_SHA256}): delete it and fetch it again, or "
            f"name a model of your own in {PARAMS_VARIABLE}."
        )
    expected = {"mu_pris_param": (1, 36), "cov_pris_param": (36, 36), "gaussian_window": (7, 7)}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [np.asarray(file[key], dtype=np.float64) for key in expected]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise SatsrError(f"{path} is no pristine model of NIQE ({error}): expected arrays {list(expected)}.") from error
    found = [array.shape for array in arrays]
    if found != list(expected.values()) or not all(np.isfinite(array).all() for array in arrays):
        raise SatsrError(f"{path} is no pristine model of NIQE: expected finite arrays {expected}, found {found}.")
    return PristineModel(arrays[0][0], arrays[1], arrays[2])


def _params_path() -> Path:
    named = os.environ.get(PARAMS_VARIABLE)
    if named:
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "satsr" / "niqe_pris_params.npz"


def _normalised(luma: npt.NDArray[np.float32], window: Array) -> npt.NDArray[np.float32]:
    """Mean-subtracted, contrast-normalised luma (H, W).

    Rounded to float32 between the steps: in flat areas the sign of the residual counts, and float64 would give noise
    where the reference has exact zeros.
    """

    def local_mean(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        means = cv2.filter2D(image.astype(np.float64), cv2.CV_64F, window, borderType=cv2.BORDER_REPLICATE)
        return means.astype(np.float32)

    mean = local_mean(luma)
    deviation = np.sqrt(np.abs(local_mean(luma * luma) - mean * mean))
    return np.asarray((luma - mean) / (deviation + np.float32(1)), dtype=np.float32)


def _block_features(image: npt.NDArray[np.float32], side: int) -> Array:
    """The 18 features of each block of ``side`` pixels: (blocks, 18), NaN where a block has no texture."""
    from scipy.special import gamma

    rows, columns = image.shape[0] // side, image.shape[1] // side
    blocks = image.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows * columns, side, side)
    shape, left, right = _fit(blocks)
    features = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        shape, left, right = _fit(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * (gamma(2 / shape) / gamma(1 / shape))
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def _fit(blocks: npt.NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """Shape and the two scales of an asymmetric generalised Gaussian for each block, by moment matching.

    A block without negative or without positive values has NaN scales and, as in the authors' code, shape 0.2.
    """
    from scipy.special import gamma

    ratios, values = _shape_ratios(), blocks.reshape(len(blocks), -1).astype(np.float64)
    squares = values**2
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt((squares * (values < 0)).sum(axis=1) / (values < 0).sum(axis=1))
        right = np.sqrt((squares * (values > 0)).sum(axis=1) / (values > 0).sum(axis=1))
        ratio = left / right
        moment = np.abs(values).mean(axis=1) ** 2 / squares.mean(axis=1)
        target = moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    # The tabulated ratios increase with the shape, so the nearest is one of the two neighbours.
    above = np.searchsorted(ratios, target).clip(1, len(_SHAPES) - 1)
    nearest = above - (target - ratios[above - 1] <= ratios[above] - target)
    shape = np.where(np.isnan(target), _SHAPES[0], _SHAPES[nearest])
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


@cache
def _shape_ratios() -> Array:
    """What the moments of a distribution of each of the shapes give."""
    from scipy.special import gamma

    return np.asarray(gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES)))
