"""What the samples of all kinds share: an endless order, crops, the dates nearest to a target. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from satsr.errors import SatsrError
from satsr.imagery.dates import nearest
from satsr.seeds import generator

if TYPE_CHECKING:
    from satsr.store.store import Scene, Store

FLIPPABLE = (np.uint8, np.uint16, np.float32)
"""Types of which OpenCV takes images with any number of bands here."""


class Shuffled:
    """An endless sequence of items, each epoch in an order of its own that depends on (seed, epoch) alone."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._order = lru_cache(maxsize=2)(self._epoch)

    def _epoch(self, epoch: int) -> np.ndarray:
        return generator(self.seed, "epoch", epoch).permutation(self.count)

    def __getitem__(self, index: int) -> int:
        epoch, place = divmod(index, self.count)
        return int(self._order(epoch)[place])


@dataclass(frozen=True)
class Crop:
    """One crop and its flips, the same for all images of a sample.

    Attributes:
        top, left, height, width: the window in LR pixels.
        hflip, vflip, transpose: applied in this order.
    """

    top: int
    left: int
    height: int
    width: int
    hflip: bool
    vflip: bool
    transpose: bool

    @classmethod
    def draw(cls, random: np.random.Generator, image: Sequence[int], size: Sequence[int], turns: bool) -> "Crop":
        """A window of ``size`` inside ``image`` (both height, width in LR pixels), with or without 90-degree turns."""
        top, left = (int(random.integers(whole - part + 1)) for whole, part in zip(image, size, strict=True))
        hflip, vflip, transpose = (bool(draw) for draw in random.integers(2, size=3))
        return cls(top, left, size[0], size[1], hflip, vflip, transpose and turns and size[0] == size[1])

    def read(self, scene: "Scene", role: str, indices: Sequence[int], factor: int) -> np.ndarray:
        """(N, height * factor, width * factor, ...) in native dtype, flipped, contiguous; pixels are copied once."""
        window = (self.top * factor, self.left * factor, self.height * factor, self.width * factor)
        shape = window[:1:-1] if self.transpose else window[2:]
        images = np.empty((len(indices), *shape, *scene.shape(role)[2:]), scene.dtype(role))
        for image, index in zip(images, indices, strict=True):
            self._turn(scene.view(role, index, window), image)
        return images

    def _turn(self, part: np.ndarray, image: np.ndarray) -> None:
        """Copies ``part`` into ``image`` with the flips; OpenCV moves whole pixels, ten times faster than NumPy."""
        if part.dtype not in FLIPPABLE:
            part = part[:, ::-1] if self.hflip else part
            part = part[::-1] if self.vflip else part
            image[...] = part.swapaxes(0, 1) if self.transpose else part
        elif self.transpose:
            part = part[::-1].copy() if self.vflip else part
            cv2.transpose(part, dst=image)
            if self.hflip:  # columns are mirrored as rows of the transposed image, which is the faster way
                image[...] = image[::-1].copy()
        elif self.hflip:
            cv2.flip(part, -1 if self.vflip else 1, dst=image)
        else:
            image[...] = part[::-1] if self.vflip else part


def training_scenes(store: "Store") -> list["Scene"]:
    """The scenes to train on.

    Raises:
        SatsrError: there are none.
    """
    scenes = store.scenes("train")
    if not scenes:
        raise SatsrError("the store has no training scenes: convert made only a validation split.")
    return scenes


def crop_size(scenes: Sequence["Scene"], crop_px: int) -> tuple[int, int]:
    """``crop_px`` squared, or what the smallest scene allows."""
    shapes = [scene.shape("lr") for scene in scenes]
    return min(crop_px, *(shape[0] for shape in shapes)), min(crop_px, *(shape[1] for shape in shapes))


@dataclass(frozen=True)
class Sampling:
    """How training samples are drawn.

    Attributes:
        crop_px: side of the crop of the images; smaller where a scene is smaller.
        match: how another sensor's target gets the radiometry of the images; a name that the kind knows.
        augment: whether crops are mirrored and turned.
        seed: the run's seed.
        dark_share: of series, how many of the crops are made darker (:func:`satsr.kinds.series.samples.darkened`).
        few_dates_share: of series, how many of the crops have fewer dates than there are, seldom many.
    """

    crop_px: int
    match: str = "histogram"
    augment: bool = True
    seed: int = 0
    dark_share: float = 0.0
    few_dates_share: float = 0.0


def window(centre: int, count: int, frames: int) -> list[int]:
    """Indices of ``frames`` neighbours around ``centre``; those outside the clip are the centre itself."""
    half = frames // 2
    return [index if 0 <= index < count else centre for index in range(centre - half, centre + half + 1)]


def offsets(scene: "Scene") -> np.ndarray:
    """(T,) float32: signed days from the target to each image; a single image without a date is of the target's.

    Raises:
        SatsrError: the scene has no dates, or not one for each image.
    """
    days = scene.meta.get("days") or ([0] if scene.count("lr") == 1 else None)
    if days is None or len(days) != scene.count("lr"):
        raise SatsrError(
            f"the series {scene.split}/{scene.id} has {scene.count('lr')} images and {len(days or [])} dates: every "
            "image of a series needs the date it was taken on."
        )
    return np.array(days, dtype=np.float32)


def nearest_images(scene: "Scene", count: int) -> list[int]:
    """The ``count`` images of a series nearest in date to its target, or all if there are fewer, in their order."""
    return nearest(offsets(scene), count)


def planes(image: np.ndarray) -> np.ndarray:
    """(H, W, C) to (C, H, W), contiguous."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))
