"""Training samples of image sets with quality maps (specification of QA-Net, section 2)."""

from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import Dataset

from satsr.kinds.imageset.views import random_views
from satsr.kinds.sampling import Crop, Shuffled, crop_size, training_scenes
from satsr.radiometry import Normalisation
from satsr.seeds import generator
from satsr.store.store import Scene, Store

TRIES = 10


class ViewCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of some views of an image set, drawn from all of them, cloudy or not.

    A crop is drawn again, at most ten times, while less than ``min_clear`` of it is clear, over all views; the clearest
    of them is taken then. TR-MISR's preparation, from which QA-Net starts, rejects fixed tiles by the same share.

    Args:
        store: with roles ``lr``, ``qm``, ``hr`` and ``sm``.
        views: how many are drawn; with fewer views than that, some are repeated.
        crop_px: side of the LR crop; smaller when an image is smaller.
        scale: HR side over LR side.
        seed: the run's seed.
        radiometry: between digital numbers and the network's values.
        min_clear: share of clear pixels.
        flips: whether crops are mirrored and turned, too.

    Items:
        ``x`` and ``quality`` (views, h, w), ``target`` and ``mask`` (1, scale h, scale w): float32, images in the
        network's range, masks 1 where clear and 0 elsewhere.
    """

    def __init__(
        self,
        store: Store,
        views: int,
        crop_px: int,
        scale: int,
        seed: int,
        *,
        radiometry: Normalisation,
        min_clear: float = 0.85,
        flips: bool = False,
    ) -> None:
        self.views, self.scale, self.seed, self.radiometry = views, scale, seed, radiometry
        self.min_clear, self.flips = min_clear, flips
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, crop_px)
        self.order = Shuffled(len(self.scenes), seed)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        scene = self.scenes[self.order[index]]
        random = generator(self.seed, "sample", index)
        chosen = [int(view) for view in random_views(random, scene.count("lr"), self.views)]
        crop = self._crop(scene, random)
        return {
            "x": self._image(crop.read(scene, "lr", chosen, 1)),
            "quality": _mask(crop.read(scene, "qm", chosen, 1)),
            "target": self._image(crop.read(scene, "hr", [0], self.scale)),
            "mask": _mask(crop.read(scene, "sm", [0], self.scale)),
        }

    def _image(self, numbers: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.radiometry.forward(numbers))

    def _crop(self, scene: Scene, random: np.random.Generator) -> Crop:
        """The first of the drawn crops that is clear enough, else the clearest."""
        share = np.mean([scene.read("qm", view) != 0 for view in range(scene.count("qm"))], axis=0)
        best, clearest = None, -1.0
        for _ in range(TRIES):
            crop = Crop.draw(random, share.shape, self.size, turns=True)
            clear = float(share[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width].mean())
            if best is None or clear > clearest:
                best, clearest = crop, clear
            if clearest >= self.min_clear:
                break
        assert best is not None
        return best if self.flips else replace(best, hflip=False, vflip=False, transpose=False)


def _mask(masks: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((masks != 0).astype(np.float32))
