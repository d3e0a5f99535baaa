"""One scene of which the truth is known, as the exported graph gets it: distances and errors of its blocks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.depth.blocks import BLOCK, PRESENT, Float64, blocks, tiles
from satsr.depth.training import distances, median
from satsr.export.pushes import Push
from satsr.exported.model import Model
from satsr.paper import Paper
from satsr.resize import imresize
from satsr.store.store import Scene

SIDE = 64
"""Part of a scene that is measured, in LR px, and how many frames of a clip."""
FRAMES = 3


@dataclass(frozen=True)
class Measured:
    """Blocks of one scene: distances by way, and squared errors of the model and of bicubic, each (n,)."""

    far: dict[str, Float64]
    ours: Float64
    cubic: Float64


@dataclass(frozen=True)
class Case:
    """A scene of known truth.

    Attributes:
        model: the exported model.
        images: (N, C, h, w) native values that it gets.
        more: what else it gets.
        given: (1, C, h, w), what bicubic enlarges, where that is none of the images.
        truth: (T, C, sh, sw) native values, NaN where it is not known.
        clear: (N, 1, h, w), False where an image is not to be looked at.
    """

    model: Model
    images: np.ndarray
    more: dict[str, Any]
    given: np.ndarray | None
    truth: np.ndarray
    clear: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, paper: Paper[Any], model: Model, scene: Scene) -> "Case":
        """The middle of a scene of the store."""
        inputs = paper.inputs(scene)
        images, clear = seen(paper, inputs)
        truth, given = (np.moveaxis(made(scene), -1, 1) for made in (paper.reference, paper.given))
        if "sm" in scene.roles:
            truth = np.where(scene.read("sm", 0) != 0, truth, np.nan)
        if model.kind == "window":
            middle = len(truth) // 2  # whose neighbours are seen
            truth = truth[middle : middle + 1]
        if model.kind == "video":
            images, clear, truth = images[:FRAMES], clear[:FRAMES], truth[:FRAMES]
        top, left = (max(side - SIDE, 0) // 2 for side in images.shape[2:])
        images, clear, given = (array[..., top : top + SIDE, left : left + SIDE] for array in (images, clear, given))
        fine = [slice(model.scale * start, model.scale * (start + SIDE)) for start in (top, left)]
        more: dict[str, Any] = {name: inputs[name][0] for name in ("days", "alphas") if name in inputs}
        if model.kind == "imageset":
            more["quality"] = clear[None, :, 0]
        alone = model.kind in ("image", "series")
        return cls(model, images, more, given if alone else None, truth[..., fine[0], fine[1]], clear)

    def measure(self, trained: dict[str, Any], push: Push | None, index: int) -> Measured:
        """Distances and errors of its blocks, as it is or pushed."""
        images, truth, given = self.images, self.truth, self.given
        if push is not None:
            images = push.only(push.both(images, 1), index)
            truth = push.both(np.nan_to_num(truth), self.model.scale) + 0 * truth
            given = None if given is None else push.only(push.both(given, 1), index)
        images, truth = self._native(images, whole=True), self._native(truth)
        low = self._enlarged(images) if given is None else self._native(given, whole=True)
        cubic = np.stack([np.moveaxis(imresize(np.moveaxis(item, 0, -1), self.model.scale), -1, 0) for item in low])
        ours = self.model.predict(images.reshape(1, -1, *images.shape[2:]).astype(np.float32), **self.more)
        errors = [self._errors(made, truth) for made in (ours.reshape(truth.shape), cubic)]
        return _flat(self._far(trained, images), *errors)

    def _native(self, images: np.ndarray, whole: bool = False) -> np.ndarray:
        clipped = np.clip(images, *self.model.facts.normalisation.native)
        return np.asarray(np.rint(clipped) if whole else clipped)

    def _enlarged(self, images: np.ndarray) -> np.ndarray:
        """What bicubic enlarges: every frame, the middle one, or the mean of the clear views."""
        if self.model.kind == "imageset":
            weights = np.maximum(self.clear, 1e-6)
            return np.asarray((images * weights).sum(axis=0) / weights.sum(axis=0))[None]
        return images if self.model.kind == "video" else images[len(images) // 2 :][:1]

    def _errors(self, made: np.ndarray, truth: np.ndarray) -> Float64:
        """(T, rows, columns): mean squared error; without the mean difference where views give no level to hold."""
        difference = self._native(made, whole=True) - truth
        if self.model.kind == "imageset":
            difference = difference - np.nanmean(difference)
        parts = np.stack([tiles(frame**2, self.model.scale * BLOCK) for frame in difference])
        known = np.isfinite(parts).mean(axis=(-1, -2, -3)) >= PRESENT
        return np.where(known, np.nanmean(np.where(known[..., None, None, None], parts, 0), axis=(-1, -2, -3)), np.nan)

    def _far(self, trained: dict[str, Any], images: np.ndarray) -> dict[str, Float64]:
        """By way, (T, rows, columns): of each frame, or the median of the images that become one."""
        found = [distances(trained, blocks(image)) for image in np.where(self.clear, images, np.nan)]
        each = [{way: values.max(axis=-1) for way, values in item.items()} for item in found]
        if self.model.kind == "window":
            each = each[len(each) // 2 :][:1]
        if self.model.kind == "video":
            return {way: np.stack([item[way] for item in each]) for way in each[0]}
        return {way: values[None] for way, values in median(each).items()}


def seen(paper: Paper[Any], inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, npt.NDArray[np.bool_]]:
    """What the network sees of a scene, (N, C, h, w) native values, and where that is clear, (N, 1, h, w).

    Of a clip that is seen in windows, it is the window of the middle frame.
    """
    x = inputs["x"][len(inputs["x"]) // 2]
    images = x.reshape(-1, len(paper.bands) or 1, *x.shape[-2:])
    native = np.stack([np.moveaxis(paper.radiometry.inverse(np.moveaxis(image, 0, -1)), -1, 0) for image in images])
    clear = np.ones((len(native), 1, *native.shape[2:]), np.bool_)
    return native, inputs["quality"][0][:, None] != 0 if "quality" in inputs else clear


def _flat(far: dict[str, Float64], ours: Float64, cubic: Float64) -> Measured:
    """The blocks for which everything is known."""
    known = np.isfinite(ours) & np.isfinite(cubic)
    for values in far.values():
        known &= np.isfinite(values)
    return Measured({way: values[known] for way, values in far.items()}, ours[known], cubic[known])
