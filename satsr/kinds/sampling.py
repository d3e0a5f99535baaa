"""Training samples drawn from the store: sample i is a pure function of (seed, i)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Dataset

from satsr.errors import SatsrError
from satsr.seeds import generator
from satsr.store.store import Scene, Store


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

    def read(self, scene: Scene, role: str, indices: Sequence[int], factor: int) -> np.ndarray:
        """(N, height * factor, width * factor, ...) in native dtype, flipped."""
        window = (self.top * factor, self.left * factor, self.height * factor, self.width * factor)
        images = np.stack([scene.read(role, index, window) for index in indices])
        if self.hflip:
            images = images[:, :, ::-1]
        if self.vflip:
            images = images[:, ::-1]
        return images.swapaxes(1, 2) if self.transpose else images


def training_scenes(store: Store) -> list[Scene]:
    """The scenes to train on.

    Raises:
        SatsrError: there are none.
    """
    scenes = store.scenes("train")
    if not scenes:
        raise SatsrError("the store has no training scenes: convert made only a validation split.")
    return scenes


def crop_size(scenes: Sequence[Scene], crop_px: int) -> tuple[int, int]:
    """``crop_px`` squared, or what the smallest scene allows."""
    shapes = [scene.shape("lr") for scene in scenes]
    return min(crop_px, *(shape[0] for shape in shapes)), min(crop_px, *(shape[1] for shape in shapes))


class ClipCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of short clips for recurrent video networks.

    Every (clip, frame) is one item of an epoch; the frame is where the clip starts, or, where too few frames follow,
    the start is drawn (RASVSR's recurrent dataset, with its frame 0 allowed). A clip shorter than ``frames`` is
    continued by its mirror image in time.

    Args:
        store: the frame store with roles ``lr`` and ``hr``.
        frames: T, the number of consecutive frames.
        crop_px: side of the LR crop; smaller when a clip is smaller.
        scale: HR side over LR side.
        seed: the run's seed.

    Items:
        ``x`` (T, 3, h, w) and ``target`` (T, 3, scale h, scale w), float32 in 0..1.
    """

    def __init__(self, store: Store, frames: int, crop_px: int, scale: int, seed: int) -> None:
        self.frames, self.scale, self.seed = frames, scale, seed
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, crop_px)
        self.items = _frames(self.scenes)
        self.order = Shuffled(len(self.items), seed)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        scene, frame = self.items[self.order[index]]
        random = generator(self.seed, "sample", index)
        indices = self._clip(scene.count("lr"), frame, random)
        crop = Crop.draw(random, scene.shape("lr")[:2], self.size, turns=True)
        return {
            "x": to_tensor(crop.read(scene, "lr", indices, 1)),
            "target": to_tensor(crop.read(scene, "hr", indices, self.scale)),
        }

    def _clip(self, count: int, frame: int, random: np.random.Generator) -> list[int]:
        if count < self.frames:
            bounce = [*range(count), *range(count - 2, 0, -1)]
            return [bounce[item % len(bounce)] for item in range(self.frames)]
        start = frame if frame <= count - self.frames else int(random.integers(count - self.frames + 1))
        return list(range(start, start + self.frames))


class WindowCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of a frame with its neighbours, for networks that restore the centre frame (MSDTGP, section 2).

    Args:
        store: the frame store with roles ``lr`` and ``hr``.
        frames: window length, odd.
        crop_px: side of the LR crop; smaller when a clip is smaller.
        scale: HR side over LR side.
        seed: the run's seed.

    Items:
        ``x`` (frames, 3, h, w) in time order and ``target`` (3, scale h, scale w), float32 in 0..1.
    """

    def __init__(self, store: Store, frames: int, crop_px: int, scale: int, seed: int) -> None:
        self.frames, self.scale, self.seed = frames, scale, seed
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, crop_px)
        self.items = _frames(self.scenes)
        self.order = Shuffled(len(self.items), seed)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        scene, frame = self.items[self.order[index]]
        random = generator(self.seed, "sample", index)
        crop = Crop.draw(random, scene.shape("lr")[:2], self.size, turns=False)
        return {
            "x": to_tensor(crop.read(scene, "lr", window(frame, scene.count("lr"), self.frames), 1)),
            "target": to_tensor(crop.read(scene, "hr", [frame], self.scale))[0],
        }


def window(centre: int, count: int, frames: int) -> list[int]:
    """Indices of ``frames`` neighbours around ``centre``; those outside the clip are the centre itself."""
    half = frames // 2
    return [index if 0 <= index < count else centre for index in range(centre - half, centre + half + 1)]


def to_tensor(frames: np.ndarray) -> torch.Tensor:
    """(T, H, W, C) uint8 to (T, C, H, W) float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float().div_(255)


def _frames(scenes: Sequence[Scene]) -> list[tuple[Scene, int]]:
    return [(scene, frame) for scene in scenes for frame in range(scene.count("lr"))]
