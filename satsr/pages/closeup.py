"""The part of a frame in which a gain is seen: where it lies, and what each picture shows of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from satsr.pages import page
from satsr.pages.page import Image

SHARE, LEAST = 4, 48
"""A close-up's side is the frame's over ``SHARE``, at least ``LEAST`` pixels, and never more than the frame's."""


@dataclass(frozen=True)
class Closeup:
    """A square of a frame.

    Attributes:
        top: its first row, in pixels of the frame's finest pictures.
        left: its first column.
        side: its height and width.
        frame: height and width of these pictures.
    """

    top: int
    left: int
    side: int
    frame: tuple[int, int]

    def of(self, image: Image) -> Image:
        """The same ground in a picture of the frame, which may be coarser: uint8 (h, w) or (h, w, 3)."""
        fine, height = self.frame[0], image.shape[0]
        top, left, side = (round(place * height / fine) for place in (self.top, self.left, self.side))
        return image[top : top + max(side, 1), left : left + max(side, 1)]


def closeup(images: Mapping[str, Image], ours: str, baseline: str, reference: str = "HR") -> Closeup:
    """The square in which the squared error falls most from the baseline to ours, where there is structure.

    Structure: the variance of the reference is at least half the median over all squares. Without a reference it is
    the square in which ours differs most from the baseline. Squares begin at whole pixels of the coarsest picture; of
    equally good ones the first is taken, row by row.

    Args:
        images: by name, uint8 (H, W) or (H, W, 3); ``ours``, ``baseline`` and the reference share one size, others may
            be coarser.
        ours: the picture whose gain is shown.
        baseline: the picture that it is compared with.
        reference: the picture that both should be.
    """
    after, before = (_levels(images[name]) for name in (ours, baseline))
    height, width = after.shape[:2]
    side, step = min(max(min(height, width) // SHARE, LEAST), height, width), _step(images, height)
    truth = _levels(images[reference]) if reference in images else after
    fall = (before - truth) ** 2 - (after - truth) ** 2 if reference in images else (after - before) ** 2
    gain, brightness, squares = (_sums(values, side, step) for values in (fall, truth, truth**2))
    variance = (squares - brightness**2 / side**2).sum(axis=2)
    gain = np.where(variance >= np.median(variance) / 2, gain.sum(axis=2), -np.inf)
    top, left = np.unravel_index(int(gain.argmax()), gain.shape)
    return Closeup(int(top) * step, int(left) * step, side, (height, width))


def gain_in(part: Closeup, images: Mapping[str, Image], ours: str, baseline: str, reference: str = "HR") -> float:
    """By how many dB ours is closer to the reference than the baseline in this part of the pictures.

    The PSNR's range cancels, so this holds for any linear stretch; infinite where ours is the reference.
    """
    truth, *others = (_levels(part.of(images[name])) for name in (reference, ours, baseline))
    after, before = (float(((values - truth) ** 2).mean()) for values in others)
    return float("inf") if after == 0 else float(10 * np.log10(max(before, 1e-12) / after))


def _levels(image: Image) -> npt.NDArray[np.float64]:
    return page.as_rgb(image).astype(np.float64)


def _step(images: Mapping[str, Image], height: int) -> int:
    """Fine pixels in one of the coarsest picture."""
    return max([height // image.shape[0] for image in images.values() if height % image.shape[0] == 0], default=1)


def _sums(values: npt.NDArray[np.float64], side: int, step: int) -> npt.NDArray[np.float64]:
    """Sums over the squares that begin at every ``step``-th row and column, (rows, columns, channels)."""
    total = np.asarray(cv2.integral(values), np.float64).reshape(values.shape[0] + 1, values.shape[1] + 1, -1)
    far, near = slice(side, None), slice(None, -side)
    return np.asarray(total[far, far] - total[near, far] - total[far, near] + total[near, near])[::step, ::step]
