"""Training samples of image sets with quality maps (specification of QA-Net, section 2)."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from satsr.errors import SatsrError
from satsr.kinds.imageset.views import random_views
from satsr.kinds.sampling import Crop, Shuffled, crop_size, training_scenes
from satsr.radiometry import Normalisation
from satsr.seeds import generator
from satsr.store.store import Scene, Store

TRIES = 10
Tile = tuple[int, int, int]
"""Top, left and side, in LR pixels."""


class ViewCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of some views of an image set, drawn from all of them, cloudy or not.

    A crop is drawn again, at most ten times, while less than ``min_clear`` of it is clear, over all views; the clearest
    of them is taken then. With ``tile_px`` crops lie in fixed tiles instead, as in TR-MISR's preparation from which
    QA-Net starts: of every image set those tiles, half a tile apart, of which that share is clear; every tile is one
    item of an epoch.

    Args:
        store: with roles ``lr``, ``qm``, ``hr`` and ``sm``.
        views: how many are drawn; with fewer views than that, some are repeated.
        crop_px: side of the LR crop; smaller when an image is smaller.
        scale: HR side over LR side.
        seed: the run's seed.
        radiometry: between digital numbers and the network's values.
        min_clear: share of clear pixels.
        flips: whether crops are mirrored and turned, too.
        tile_px: side of the tiles in LR pixels; None: crops lie anywhere, and every image set is one item of an epoch.

    Raises:
        SatsrError: no tile is clear enough.

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
        tile_px: int | None = None,
    ) -> None:
        self.views, self.scale, self.seed, self.radiometry = views, scale, seed, radiometry
        self.min_clear, self.flips = min_clear, flips
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, crop_px)
        self.items = [(scene, None) for scene in self.scenes] if tile_px is None else self._tiles(tile_px)
        self.order = Shuffled(len(self.items), seed)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        scene, tile = self.items[self.order[index]]
        random = generator(self.seed, "sample", index)
        chosen = [int(view) for view in random_views(random, scene.count("lr"), self.views)]
        crop = self._crop(scene, random) if tile is None else self._crop_in(tile, random)
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
        share = _clear_share(scene)
        best, clearest = None, -1.0
        for _ in range(TRIES):
            crop = Crop.draw(random, share.shape, self.size, turns=True)
            clear = float(share[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width].mean())
            if best is None or clear > clearest:
                best, clearest = crop, clear
            if clearest >= self.min_clear:
                break
        assert best is not None
        return self._turned(best)

    def _turned(self, crop: Crop) -> Crop:
        return crop if self.flips else replace(crop, hflip=False, vflip=False, transpose=False)

    def _crop_in(self, tile: Tile, random: np.random.Generator) -> Crop:
        """A crop anywhere in the tile."""
        top, left, side = tile
        size = (min(self.size[0], side), min(self.size[1], side))
        crop = Crop.draw(random, (side, side), size, turns=True)
        return self._turned(replace(crop, top=top + crop.top, left=left + crop.left))

    def _tiles(self, side: int) -> list[tuple[Scene, Tile | None]]:
        """The tiles that are clear enough, in the order of the scenes, then by row and column."""
        found: list[tuple[Scene, Tile | None]] = []
        for scene in self.scenes:
            share = _clear_share(scene)
            places = [range(0, length - side + 1, side // 2) for length in share.shape]
            tiles = [(top, left, side) for top in places[0] for left in places[1]]
            found += [(scene, tile) for tile in tiles if _part(share, tile).mean() >= self.min_clear]
        if not found:
            raise SatsrError(
                f"no tile of train.tile_px = {side} LR pixels is clear on train.min_clear = {self.min_clear} of its "
                "pixels: lower one of them, or leave tile_px out."
            )
        return found


def _clear_share(scene: Scene) -> npt.NDArray[np.float64]:
    """(h, w), the share of all views in which a pixel is clear."""
    return np.asarray(np.mean([scene.read("qm", view) != 0 for view in range(scene.count("qm"))], axis=0))


def _part(image: npt.NDArray[np.float64], tile: Tile) -> npt.NDArray[np.float64]:
    top, left, side = tile
    return image[top : top + side, left : left + side]


def _mask(masks: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((masks != 0).astype(np.float32))
