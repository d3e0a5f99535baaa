"""Pairs of a coarse image (or several views) and a fine one: what SRGAN's networks see, whole and as training crops.

What is made here serves training and measuring alike, so that both see the same images, matching and noise. A scene of
the store has ``lr`` (one image, or dated ones) and one ``hr``; where ``hr`` has 8 bits and ``lr`` does not, it is
another sensor's. Source: specification of Remote-Sensing-SRGAN, sections 1.7 and 1.8.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from satsr.errors import SatsrError
from satsr.kinds.image.kernels import weighted
from satsr.kinds.sampling import (
    Crop,
    Sampling,
    Shuffled,
    crop_size,
    nearest_images,
    planes,
    training_scenes,
)
from satsr.radiometry import Normalisation, histogram_match, moment_match
from satsr.seeds import generator
from satsr.store.store import Scene, Store

PAIRS = ("stored", "interpolated", "interpolated_matched", "matched_interpolated")
KERNEL = "bilinear"
"""What makes a target small: torch's, with antialiasing, as the author's code has it."""
MATCHES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "histogram": histogram_match,
    "moments": moment_match,
}


@dataclass(frozen=True)
class Pairing:
    """How the two sides of a pair come about.

    Attributes:
        pairs: ``stored``: the views are the scene's own ``lr``, nearest in date (the authors' ``cross_sensor``).
            ``interpolated``: all views are the target, shrunk (bilinear, antialiased). ``interpolated_matched``: so,
            and matched to the image nearest in date as the target is. ``matched_interpolated``: the matched target,
            shrunk; what both matchings change is not to be learnt then, and the views are the target made small.
        normalisation: between native values and the network's range.
        match: how the other sensor's target gets the radiometry of ``lr``: ``histogram``, ``moments``, or ``none``: its
            8 bits are taken as the whole native range.
        views: images of a sample; where a scene has fewer, the last is repeated.
        noise_sigma: standard deviation of the noise on each view, in the network's range; clamped to it
            where it saturates.
        scale: target side / image side.
    """

    pairs: str
    normalisation: Normalisation
    match: str = "histogram"
    views: int = 1
    noise_sigma: float = 0.0
    scale: int = 4

    def whole(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """The views (K, 3, h, w), without noise, and the target (3, scale h, scale w), float32 in the network's range.

        Raises:
            SatsrError: the scene's values are not those of the normalisation, or it has no dates.
        """
        return self.images(scene), self.target(scene)

    def images(self, scene: Scene, kernel: str = KERNEL) -> np.ndarray:
        """The views of :meth:`whole` alone; those that are made of the target are made by ``kernel``."""
        self._require(scene)
        low = self.low(scene, kernel)
        low += [low[-1]] * (self.views - len(low))
        return np.stack([planes(self.normalisation.forward(image)) for image in low])

    def target(self, scene: Scene) -> np.ndarray:
        """The target of :meth:`whole` alone."""
        self._require(scene)
        return planes(self.normalisation.forward(self._native(scene, scene.read("hr", 0))))

    def low(self, scene: Scene, kernel: str = KERNEL) -> list[np.ndarray]:
        """The views as they are, (h, w, 3) native values: at most ``views``, in the order of their dates."""
        if self.pairs == "stored":
            return [scene.read("lr", index) for index in nearest_images(scene, self.views)]
        return [self._small(scene, scene.read("hr", 0), kernel)]

    def _small(self, scene: Scene, hr: np.ndarray, kernel: str) -> np.ndarray:
        """The shrunk target in native values."""
        if self.pairs == "matched_interpolated":
            return shrunk(self._native(scene, hr), self.scale, kernel)
        return self._native(scene, shrunk(hr, self.scale, kernel))

    def noisy(self, views: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The views with noise, each with its own."""
        if not self.noise_sigma:
            return views
        noise = random.standard_normal(views.shape, dtype=np.float32) * np.float32(self.noise_sigma)
        return self.normalisation.clipped(views + noise)

    def scene_views(self, scene: Scene, seed: int) -> np.ndarray:
        """What a network sees of a whole scene: noise depends on seed and scene alone."""
        return self.noisy(self.whole(scene)[0], generator(seed, "noise", zlib.crc32(scene.id.encode())))

    def _native(self, scene: Scene, image: np.ndarray) -> np.ndarray:
        """The target, or its shrunk copy, in the native values of the normalisation."""
        if scene.dtype("hr") != np.uint8:
            return image
        if self.pairs == "interpolated" or self.match == "none" or scene.dtype("lr") == np.uint8:
            return image * np.float32(self.normalisation.native[1] / 255)
        return MATCHES[self.match](image, scene.read("lr", nearest_images(scene, 1)[0]))

    def _require(self, scene: Scene) -> None:
        bytes_wanted = self.normalisation.native[1] == 255
        used = ("hr",) if self.pairs == "interpolated" else ("hr", "lr")
        strange = [role for role in used if (scene.dtype(role) == np.uint8) != bytes_wanted]
        if strange and (bytes_wanted or "lr" in strange):  # a target of 8 bits becomes reflectance
            raise SatsrError(
                f"network.normalisation = {self.normalisation.name} is for "
                f"{'8-bit images' if bytes_wanted else 'reflectance times 10000'}, but {strange[-1]} of "
                f"{scene.split}/{scene.id} is {scene.dtype(strange[-1])}: choose "
                f"{'s2_norm' if bytes_wanted else 'signed_u8'}."
            )


class PairCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of pairs; every scene is one item of an epoch.

    Args:
        store: the frame store with roles ``lr`` and ``hr``.
        pairing: how the two sides come about.
        sampling: how crops are drawn; its ``match`` is the pairing's.
        kernels: what targets are made small with: for each crop one of them is drawn.

    Items:
        ``x`` (3, h, w), or (K, 3, h, w) of several views, and ``target`` (3, scale h, scale w), in the network's range.
    """

    def __init__(self, store: Store, pairing: Pairing, sampling: Sampling, kernels: Sequence[str] = (KERNEL,)) -> None:
        self.pairing, self.sampling, self.kernels = pairing, sampling, tuple(kernels)
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, sampling.crop_px)
        self.order = Shuffled(len(self.scenes), sampling.seed)
        self._views = lru_cache(maxsize=128 * len(self.kernels))(self._read_views)
        self._target = lru_cache(maxsize=128)(self._read_target)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        number = self.order[index]
        views, target = self._views(number, self.kernel(index)), self._target(number)
        random = generator(self.sampling.seed, "sample", index)
        crop = Crop.draw(random, views.shape[2:], self.size, turns=self.sampling.augment)
        views = self.pairing.noisy(cut(views, crop, 1, self.sampling.augment), random)
        x = views if self.pairing.views > 1 else views[0]
        high = cut(target, crop, self.pairing.scale, self.sampling.augment)
        return {"x": torch.from_numpy(x.copy()), "target": torch.from_numpy(high.copy())}

    def kernel(self, index: int) -> str:
        """What makes the target of sample ``index`` small."""
        return self.kernels[int(generator(self.sampling.seed, "kernel", index).integers(len(self.kernels)))]

    def _read_views(self, number: int, kernel: str) -> np.ndarray:
        return self.pairing.images(self.scenes[number], kernel)

    def _read_target(self, number: int) -> np.ndarray:
        return self.pairing.target(self.scenes[number])


def cut(planes: np.ndarray, crop: Crop, factor: int, turned: bool) -> np.ndarray:
    """The window of a crop out of (..., H, W), mirrored and turned as the crop says if ``turned``."""
    top, left = crop.top * factor, crop.left * factor
    part = planes[..., top : top + crop.height * factor, left : left + crop.width * factor]
    if not turned:
        return part
    part = part[..., ::-1] if crop.hflip else part
    part = part[..., ::-1, :] if crop.vflip else part
    return part.swapaxes(-1, -2) if crop.transpose else part


def shrunk(image: np.ndarray, scale: int, kernel: str = KERNEL) -> np.ndarray:
    """(H, W, C) of any number type to float32 (H / scale, W / scale, C).

    Args:
        image: to be made small.
        scale: how many times, a whole number.
        kernel: :data:`KERNEL`, or another one of :mod:`satsr.kinds.image.kernels`.
    """
    if kernel != KERNEL:
        return weighted(image.astype(np.float32), scale, kernel)
    x = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    small = interpolate(x, scale_factor=1 / scale, mode="bilinear", antialias=True, align_corners=False)
    return small[0].permute(1, 2, 0).numpy()
