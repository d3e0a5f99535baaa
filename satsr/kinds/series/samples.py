"""Dated series drawn from the store: which dates a network sees, what it must give, and crops to train on.

What is read here serves training and measuring alike, so that both see the same dates, stretch and targets. Images
enter a network stretched to -1..1 (``breizh_s2``); the 8-bit target of the other sensor is given the colours of the
image nearest in date, channel by channel (specification of BreizhSR, section 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Dataset

from satsr.degrade import opencv_cubic
from satsr.kinds.sampling import (
    Crop,
    Sampling,
    Shuffled,
    crop_size,
    nearest_images,
    offsets,
    planes,
    training_scenes,
)
from satsr.radiometry import Normalisation, histogram_match, moment_match, normalisation
from satsr.seeds import generator
from satsr.store.store import Scene, Store

BYTES = normalisation("signed_u8")
NOISE = 12.0
"""Standard deviation of the noise of Sentinel-2's 10 m bands, in reflectance times 10000."""
DARKEST = 0.05
"""The smallest number that the ground's reflectance is multiplied by: fields become deep water."""
MATCHES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "histogram": histogram_match,
    "moments": moment_match,
    "none": lambda image, reference: BYTES.forward(image),
}
"""How the target gets the radiometry of the series."""


@dataclass(frozen=True)
class Inputs:
    """What a network takes of a series.

    Attributes:
        names: of ``x``, ``days``, ``alphas``, ``up``; ``x`` always. With ``alphas``, fewer dates than ``dates`` are
            filled up with the last one at alpha 0; without, they stay fewer.
        dates: the most dates that are taken, those nearest to the target.
        single: whether ``x`` is the one image nearest in date.
        scale: target side / image side.
        stretch: between native values and the network's.
    """

    names: tuple[str, ...]
    dates: int
    single: bool
    scale: int
    stretch: Normalisation

    def read(
        self, scene: Scene, images: Callable[[Sequence[int]], np.ndarray], most: int | None = None
    ) -> dict[str, np.ndarray]:
        """The inputs of one sample, without the batch axis.

        Args:
            scene: the series.
            images: gives those of its images, (N, h, w, 3) in native values: whole, or all cut alike.
            most: dates that are taken; None for all that the network takes.

        Returns:
            float32 by name: ``x`` (3, h, w) or (T, 3, h, w) and ``up`` (3, scale h, scale w) in -1..1; ``days`` and
            ``alphas`` (T,).
        """
        days = offsets(scene)
        chosen = nearest_images(scene, 1 if self.single else most or self.dates)
        real = len(chosen)
        if "alphas" in self.names:
            chosen += [chosen[-1]] * (self.dates - real)
        x = np.stack([planes(self.stretch.forward(image)) for image in images(chosen)])
        made = {"x": x[0] if self.single else x, "days": days[chosen]}
        made["alphas"] = (np.arange(len(chosen)) < real).astype(np.float32)
        if "up" in self.names:
            made["up"] = enlarged(images(nearest_images(scene, 1))[0], self.scale, self.stretch)
        return {name: made[name] for name in self.names}


def enlarged(image: np.ndarray, scale: int, stretch: Normalisation) -> np.ndarray:
    """Cubic enlargement of native values (h, w, 3), then the stretch: (3, scale h, scale w) in -1..1."""
    return planes(stretch.forward(opencv_cubic(image.astype(np.float32), scale)))


def target_values(scene: Scene, match: str, stretch: Normalisation) -> Callable[[np.ndarray], np.ndarray]:
    """What turns a scene's target, or a crop of it, (H, W, 3), into what the network should give, float32 in -1..1.

    An 8-bit target is another sensor's: it is matched as a whole to the image nearest in date. Equal values stay equal
    by that, so a table of 256 holds all of it. Other targets are in the units of the images and only stretched.

    Args:
        scene: the series.
        match: one of :data:`MATCHES`.
        stretch: between native values and the network's.
    """
    if scene.dtype("hr") != np.uint8:
        return stretch.forward
    hr = scene.read("hr", 0)
    reference = stretch.forward(scene.read("lr", nearest_images(scene, 1)[0]))
    matched = stretch.clipped(MATCHES[match](hr, reference))
    table = np.zeros((256, hr.shape[2]), np.float32)
    for band in range(hr.shape[2]):
        table[hr[..., band], band] = matched[..., band]
    return lambda image: np.stack([table[image[..., band], band] for band in range(image.shape[2])], axis=2)


def darkened(images: np.ndarray, factor: float, random: Sequence[np.random.Generator]) -> np.ndarray:
    """The same ground at ``factor`` times its reflectance, seen by the same sensor: its noise does not fall with it.

    Darker ground is mostly noise. A network that saw none of it takes the noise for detail and sharpens it.

    Args:
        images: (N, ...), reflectance times 10000, with noise of :data:`NOISE`.
        factor: 0..1.
        random: where the noise of each image is drawn from.
    """
    noise = np.stack([each.standard_normal(images.shape[1:], dtype=np.float32) for each in random])
    return images * np.float32(factor) + np.float32(NOISE * (1 - factor**2) ** 0.5) * noise


class SeriesCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of dated series; every scene is one item of an epoch.

    Args:
        store: the frame store with roles ``lr`` (T dates) and ``hr`` (one image), and ``days`` in the metadata.
        inputs: what the network takes.
        sampling: how crops are drawn.

    Items:
        The inputs, and ``target`` (3, scale h, scale w) in -1..1. ``up`` is made from the crop.
    """

    def __init__(self, store: Store, inputs: Inputs, sampling: Sampling) -> None:
        self.inputs, self.sampling = inputs, sampling
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, sampling.crop_px)
        self.order = Shuffled(len(self.scenes), sampling.seed)
        self._values = lru_cache(maxsize=4096)(self._target_values)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        number = self.order[index]
        scene = self.scenes[number]
        crop = self.crop(scene, index)
        random = generator(self.sampling.seed, "dark", index)
        factor = DARKEST ** random.random() if random.random() < self.sampling.dark_share else 1.0

        def images(indices: Sequence[int]) -> np.ndarray:
            cut = crop.read(scene, "lr", indices, 1)
            if factor == 1:
                return cut
            return darkened(cut, factor, [generator(self.sampling.seed, "noise", index, image) for image in indices])

        made = self.inputs.read(scene, images, self.dates(index))
        (target,) = crop.read(scene, "hr", [0], self.inputs.scale)
        made["target"] = planes(self.inputs.stretch.dimmed(self._values(number)(target), factor))
        return {name: torch.from_numpy(value) for name, value in made.items()}

    def dates(self, index: int) -> int | None:
        """How many dates sample ``index`` has at most; None for all, of most samples."""
        random = generator(self.sampling.seed, "dates", index)
        few = random.random() < self.sampling.few_dates_share
        return 1 + int(self.inputs.dates * random.random() ** 2) if few else None

    def crop(self, scene: Scene, index: int) -> Crop:
        """Where sample ``index`` is cut out."""
        random = generator(self.sampling.seed, "sample", index)
        crop = Crop.draw(random, scene.shape("lr")[:2], self.size, turns=True)
        return crop if self.sampling.augment else replace(crop, hflip=False, vflip=False, transpose=False)

    def _target_values(self, number: int) -> Callable[[np.ndarray], np.ndarray]:
        return target_values(self.scenes[number], self.sampling.match, self.inputs.stretch)
