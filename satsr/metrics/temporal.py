"""How steady a clip is: the warping error along the motion of its reference.

Source: Lai et al., Learning blind video temporal consistency, 2018, section 5.2; which pixels count: Ruder et al.,
Artistic style transfer for videos, 2016, section 4.1. Their flow networks are replaced by OpenCV's dense inverse search
(Kroeger et al. 2016), always of the reference's frames, so that all methods are warped alike.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError

Flow = npt.NDArray[np.float32]
MIN_SIDE = 32
"""Smaller frames have too little to follow."""


@dataclass(frozen=True)
class Motion:
    """From one frame of the reference to the next.

    Attributes:
        flow: (H, W, 2) float32, pixels to the right and down by which the content of a pixel moves.
        visible: bool (H, W), False where a pixel is hidden in the next frame, leaves it, or lies at a border of motion.
    """

    flow: Flow
    visible: npt.NDArray[np.bool_]


def motions(frames: np.ndarray) -> list[Motion]:
    """The motion between successive frames.

    Args:
        frames: (T, H, W, C) in 0..255, at least two frames of 32 pixels a side: the reference.

    Returns:
        T - 1 of them.

    Raises:
        SatsrError: other shapes.
    """
    if frames.ndim != 4 or len(frames) < 2 or min(frames.shape[1:3]) < MIN_SIDE:
        raise SatsrError(f"flicker is of clips of at least 2 frames of {MIN_SIDE} pixels a side, found {frames.shape}.")
    grays = np.clip(np.rint(frames.mean(axis=3)), 0, 255).astype(np.uint8)
    return [_motion(now, after) for now, after in pairwise(grays)]


def warping_error(frames: np.ndarray, motion: list[Motion]) -> float:
    """Lai's warping error: mean over pairs of frames, of values in 0..1; less is steadier, and so is blur.

    Of a pair it is the mean, over the visible pixels, of the squared distance of a pixel's colour from that of the next
    frame warped back by the flow (bilinear), summed over the bands. Pairs without a visible pixel are left out.

    Args:
        frames: (T, H, W, C) in 0..255.
        motion: of the reference (:func:`motions`), T - 1 of them.

    Raises:
        SatsrError: another number of frames, or no visible pixel at all.
    """
    if len(frames) != len(motion) + 1:
        raise SatsrError(f"{len(motion)} motions are between {len(motion) + 1} frames, found {len(frames)}.")
    unit = frames.astype(np.float32) / np.float32(255)
    errors = [
        float(np.square(now - _warped(after, step.flow)).sum(axis=2, dtype=np.float64)[step.visible].mean())
        for now, after, step in zip(unit[:-1], unit[1:], motion, strict=True)
        if step.visible.any()
    ]
    if not errors:
        raise SatsrError("no pixel of the reference is visible in two successive frames: there is no motion to follow.")
    return float(np.mean(errors))


def _motion(now: np.ndarray, after: np.ndarray) -> Motion:
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forward = np.asarray(search.calc(now, after, None), np.float32)
    backward = np.asarray(search.calc(after, now, None), np.float32)
    back = _warped(backward, forward)
    lengths = (forward**2).sum(axis=2) + (back**2).sum(axis=2)
    hidden = ((forward + back) ** 2).sum(axis=2) > 0.01 * lengths + 0.5
    slopes = sum((np.asarray(slope) ** 2).sum(axis=2) for slope in np.gradient(forward, axis=(0, 1)))
    border = slopes > 0.01 * (forward**2).sum(axis=2) + 0.002
    return Motion(forward, ~(hidden | border) & _inside(forward))


def _places(flow: Flow) -> tuple[Flow, Flow]:
    """Columns and rows to which the pixels move."""
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return columns + flow[..., 0], rows + flow[..., 1]


def _inside(flow: Flow) -> npt.NDArray[np.bool_]:
    columns, rows = _places(flow)
    height, width = flow.shape[:2]
    return np.asarray((columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1))


def _warped(image: np.ndarray, flow: Flow) -> Flow:
    """What ``image`` shows where the pixels move to, (H, W, C)."""
    moved = cv2.remap(image, *_places(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32).reshape(image.shape)
