"""Training samples drawn from the store: sample i is a pure function of (seed, i)."""

from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Dataset

from satsr.data.store import Scene, Store
from satsr.errors import SatsrError
from satsr.seeds import generator


class ClipCrops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of short clips for recurrent video networks.

    Every (clip, frame) is one item of an epoch, as in BasicSR's recurrent dataset; the epoch's order, the start of the
    clip where the frame lies too near the end, the crop, flips and transposition are drawn from
    (seed, purpose, sample). All frames of a sample share the crop and the flips. A clip shorter than ``frames`` is
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
        self.store, self.frames, self.scale, self.seed = store, frames, scale, seed
        self.scenes = store.scenes("train")
        if not self.scenes:
            raise SatsrError("the store has no training clips: convert made only a validation split.")
        shapes = [scene.shape("lr") for scene in self.scenes]
        self.height = min(crop_px, *(shape[0] for shape in shapes))
        self.width = min(crop_px, *(shape[1] for shape in shapes))
        self.items = [(index, frame) for index, scene in enumerate(self.scenes) for frame in range(scene.count("lr"))]
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return generator(self.seed, "epoch", epoch).permutation(len(self.items))

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        epoch, place = divmod(index, len(self.items))
        scene_index, frame = self.items[int(self._order(epoch)[place])]
        scene = self.scenes[scene_index]
        random = generator(self.seed, "sample", index)
        indices = self._clip(scene, frame, random)
        height, width = scene.shape("lr")[:2]
        top = int(random.integers(height - self.height + 1))
        left = int(random.integers(width - self.width + 1))
        hflip, vflip, transpose = (bool(draw) for draw in random.integers(2, size=3))

        def clip(role: str, factor: int) -> torch.Tensor:
            window = (top * factor, left * factor, self.height * factor, self.width * factor)
            frames = np.stack([scene.read(role, item, window) for item in indices])
            if hflip:
                frames = frames[:, :, ::-1]
            if vflip:
                frames = frames[:, ::-1]
            if transpose and self.height == self.width:
                frames = frames.swapaxes(1, 2)
            return to_tensor(frames)

        return {"x": clip("lr", 1), "target": clip("hr", self.scale)}

    def _clip(self, scene: Scene, frame: int, random: np.random.Generator) -> list[int]:
        count = scene.count("lr")
        if count < self.frames:
            bounce = [*range(count), *range(count - 2, 0, -1)] or [0]
            return [bounce[item % len(bounce)] for item in range(self.frames)]
        start = frame if frame <= count - self.frames else int(random.integers(count - self.frames + 1))
        return list(range(start, start + self.frames))


def to_tensor(frames: np.ndarray) -> torch.Tensor:
    """(T, H, W, C) uint8 to (T, C, H, W) float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float().div_(255)
