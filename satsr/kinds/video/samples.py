"""Training samples of clips: sample i is a pure function of (seed, i)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from satsr.kinds.sampling import Crop, Shuffled, crop_size, training_scenes, window
from satsr.radiometry import Normalisation
from satsr.seeds import generator
from satsr.store.store import Scene, Store
from satsr.train.native import NativeSamples, Tensors, planes


class _Crops(NativeSamples):
    """Every (clip, frame) is one item of an epoch; the frames stay bytes, rows of pixels, until they are on the device.

    Args:
        store: the frame store with roles ``lr`` and ``hr``.
        frames: T, the number of consecutive frames.
        crop_px: side of the LR crop; smaller when a clip is smaller.
        scale: HR side over LR side.
        seed: the run's seed.
        radiometry: between the frames' values and the network's.
    """

    def __init__(
        self, store: Store, frames: int, crop_px: int, scale: int, seed: int, radiometry: Normalisation
    ) -> None:
        self.frames, self.scale, self.seed, self.radiometry = frames, scale, seed, radiometry
        self.scenes = training_scenes(store)
        self.size = crop_size(self.scenes, crop_px)
        self.items = _frames(self.scenes)
        self.order = Shuffled(len(self.items), seed)

    def values(self, batch: Mapping[str, torch.Tensor]) -> Tensors:
        """(..., H, W, 3) as stored to (..., 3, H, W) in the network's range."""
        return {name: planes(frames, self.radiometry) for name, frames in batch.items()}


class ClipCrops(_Crops):
    """Random crops of short clips for recurrent video networks.

    Every (clip, frame) is one item of an epoch; the frame is where the clip starts, or, where too few frames follow,
    the start is drawn (RASVSR's recurrent dataset, with its frame 0 allowed). A clip shorter than ``frames`` is
    continued by its mirror image in time.

    Items:
        ``x`` (T, 3, h, w) and ``target`` (T, 3, scale h, scale w), float32 in the network's range; of the first
        ``still`` items each frame is of a clip, time and crop of its own.
    """

    still = 0

    def native(self, index: int) -> Tensors:
        """Both roles as stored: (..., h, w, 3)."""
        if index < self.still:
            frames = [self._still(generator(self.seed, "still", index, number)) for number in range(self.frames)]
            return {name: torch.cat([frame[name] for frame in frames]) for name in frames[0]}
        scene, frame = self.items[self.order[index]]
        random = generator(self.seed, "sample", index)
        indices = self._clip(scene.count("lr"), frame, random)
        return self._crop(scene, indices, random)

    def _still(self, random: np.random.Generator) -> Tensors:
        scene, frame = self.items[int(random.integers(len(self.items)))]
        return self._crop(scene, [frame], random)

    def _crop(self, scene: Scene, indices: Sequence[int], random: np.random.Generator) -> Tensors:
        crop = Crop.draw(random, scene.shape("lr")[:2], self.size, turns=True)
        return {
            "x": torch.from_numpy(crop.read(scene, "lr", indices, 1)),
            "target": torch.from_numpy(crop.read(scene, "hr", indices, self.scale)),
        }

    def _clip(self, count: int, frame: int, random: np.random.Generator) -> list[int]:
        if count < self.frames:
            bounce = [*range(count), *range(count - 2, 0, -1)]
            return [bounce[item % len(bounce)] for item in range(self.frames)]
        start = frame if frame <= count - self.frames else int(random.integers(count - self.frames + 1))
        return list(range(start, start + self.frames))


class WindowCrops(_Crops):
    """Random crops of a frame with its neighbours, for networks that restore the centre frame (MSDTGP, section 2).

    Items:
        ``x`` (frames, 3, h, w) in time order and ``target`` (3, scale h, scale w), float32 in the network's range.
    """

    def native(self, index: int) -> Tensors:
        """Both roles as stored: (..., h, w, 3)."""
        scene, frame = self.items[self.order[index]]
        random = generator(self.seed, "sample", index)
        crop = Crop.draw(random, scene.shape("lr")[:2], self.size, turns=False)
        return {
            "x": torch.from_numpy(crop.read(scene, "lr", window(frame, scene.count("lr"), self.frames), 1)),
            "target": torch.from_numpy(crop.read(scene, "hr", [frame], self.scale)[0]),
        }


def planes_of(frames: np.ndarray, radiometry: Normalisation) -> np.ndarray:
    """(T, H, W, C) native values to (T, C, H, W) float32 in the network's range, contiguous."""
    return np.ascontiguousarray(radiometry.forward(frames).transpose(0, 3, 1, 2))


def _frames(scenes: Sequence[Scene]) -> list[tuple[Scene, int]]:
    return [(scene, frame) for scene in scenes for frame in range(scene.count("lr"))]
