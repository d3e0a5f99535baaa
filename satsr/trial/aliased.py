"""Whether the coarse side of a pair is the fine side made small without antialiasing, as resizing programs may do.

Such an image looks like any other, but detail that its grid cannot hold is folded into it. No sensor sees like that, no
model here was trained on it, and all sharpen it. With the fine side at hand it can be told from an antialiased image.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from satsr.kinds.image.kernels import NAMED, weighted
from satsr.trial.images import Images

PLAIN = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)
"""OpenCV's ways without antialiasing: the same few fine pixels whatever the scale."""
NEARER = 0.5
"""Share of its distance to the nearest antialiased way that a coarse side has to one of these, at most."""
EDGE = 4
"""Coarse pixels at the borders that are left out: each program has its own."""
NAMES = 3


def aliased(images: Images) -> bool:
    """Whether the middle frame of a pair's coarse side was made so; False where nothing tells the ways apart."""
    frame, scale = len(images.lr) // 2, images.scale
    coarse, fine = images.lr[frame].astype(np.float64), images.hr[frame].astype(np.float64)
    plain = min(_rmse(_resized(fine, scale, method), coarse) for method in PLAIN)
    smooth = min(_rmse(weighted(fine, scale, name), coarse) for name in NAMED)
    return plain < NEARER * smooth


def sentence(names: Sequence[str]) -> str:
    """What is said of the pairs that were made so."""
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return (
        f"the coarse side of {', '.join(names[:NAMES])}{more} was made small without antialiasing, as OpenCV does "
        "unless told otherwise: detail that it cannot hold is folded into it, and models of antialiased images sharpen "
        "that, so the gain says nothing of images from a sensor. Make the coarse side with antialiasing (OpenCV: "
        "INTER_AREA)."
    )


def _resized(image: np.ndarray, scale: int, method: int) -> np.ndarray:
    size = image.shape[1] // scale, image.shape[0] // scale
    return np.stack([cv2.resize(band, size, interpolation=method) for band in np.moveaxis(image, -1, 0)], axis=-1)


def _rmse(ours: np.ndarray, theirs: np.ndarray) -> float:
    inner = (ours - theirs)[EDGE:-EDGE, EDGE:-EDGE]
    return float(np.sqrt(np.mean(inner**2))) if inner.size else 0.0
