"""What a model was trained on, and how far outside of it the model still beats bicubic: measured on the exported graph.

This belongs to the export, not to the training: an edit of it must not train again, what is measured is the very file
that is applied, and the file carries the answer. The scenes are those of ``val``; ``test`` is for the evaluation alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.degrade import imresize
from satsr.depth.blocks import BLOCK, PRESENT, Float64, blocks, tiles
from satsr.depth.training import WAYS, describe, distances
from satsr.export.pushes import PUSHES, Push
from satsr.exported.model import Model, load
from satsr.kinds.sampling import window
from satsr.paper import Paper
from satsr.progress import track
from satsr.radiometry import Normalisation
from satsr.store.store import Scene, Store

TRAINED = 64
"""So many training scenes are described, and of each so many images."""
IMAGES = 8
SIDE = 64
"""Part of a scene that is measured, in LR px, and how many frames of a clip."""
FRAMES = 5
BINS = 6
LEAST = 16
"""Blocks in a bin of distances."""


@dataclass(frozen=True)
class Measured:
    """Blocks of one scene: distances by way, and squared errors of the model and of bicubic, each (n,)."""

    far: dict[str, Float64]
    ours: Float64
    cubic: Float64


def depth(paper: Paper[Any], store: Store, path: Path, count: int) -> dict[str, Any]:
    """What the exported file says of its training data and of its limits.

    Args:
        paper: the recipe.
        store: the frame store.
        path: of the exported graph.
        count: of scenes of ``val`` that are measured.

    Returns:
        JSON values: ``trained`` (:func:`satsr.depth.training.describe`), ``limits`` (:func:`limit`) by way, ``inside_db``
        (the gain inside, None if nothing was measured), ``scenes``. Empty where there is nothing to describe.
    """
    chosen = _spread(store.scenes("train"), TRAINED)
    trained = describe((image for scene in chosen for image in _described(paper, scene)), _top(paper.radiometry))
    if not trained:
        return {}
    model = load(path, device="cpu")
    plain: list[Measured] = []
    pushed: dict[str, list[Measured]] = {way: [] for way in WAYS}
    scenes = _spread(store.scenes("val"), count)
    for index, scene in enumerate(track(scenes, "depth", len(scenes))):
        case = Case.of(paper, model, scene)
        plain.append(case.measure(trained, None, index))
        for push in PUSHES:
            if push.way != "colours" or "colour" in trained:
                pushed[push.way].append(case.measure(trained, push, index))
    limits = {way: limit(way, [*plain, *found]) for way, found in pushed.items() if found}
    return {"trained": trained, "limits": limits, "inside_db": _gain(plain), "scenes": [scene.id for scene in scenes]}


def limit(way: str, found: Sequence[Measured]) -> dict[str, Any]:
    """From which distance on the model loses to bicubic.

    Blocks are put in bins by their distance; the gain of a bin is the bicubic's summed squared error over the model's.
    The limit lies where the line through the bins' gains falls below 0 dB for good: in this bin, and in it and all
    farther ones together.

    Returns:
        ``limit``: None where the model does not lose as far as was measured, or already loses inside; ``reach``: the
        mean distance of the farthest bin; ``gains``: [distance, dB, blocks] of each bin.
    """
    far = np.concatenate([item.far[way] for item in found])
    ours, cubic = (np.concatenate([getattr(item, name) for item in found]) for name in ("ours", "cubic"))
    order = np.argsort(far, kind="stable")
    inside, outside = order[far[order] == 0], order[far[order] > 0]
    parts = np.array_split(outside, min(BINS, len(outside) // LEAST)) if len(outside) >= LEAST else []
    bins = [(0.0, inside)] * bool(len(inside)) + [(float(far[part].mean()), part) for part in parts]
    gains = [_decibels(ours[part], cubic[part]) for _, part in bins]
    rest = [_decibels(*(np.concatenate([values[part] for _, part in bins[place:]]) for values in (ours, cubic)))
            for place in range(len(bins))]
    crossing = None
    for place in range(1, len(bins)):
        if gains[0] > 0 > gains[place] and rest[place] < 0:
            crossing = _crossing(bins[place - 1][0], gains[place - 1], bins[place][0], gains[place])
            break
    return {
        "limit": crossing,
        "reach": _figure(bins[-1][0]) if bins else 0.0,
        "gains": [[_figure(near), _figure(gain), len(part)] for (near, part), gain in zip(bins, gains, strict=True)],
    }


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
            middle = len(images) // 2
            chosen = window(middle, len(images), model.views or FRAMES)
            images, clear, truth = images[chosen], clear[chosen], truth[middle : middle + 1]
        if model.kind == "video":
            images, clear, truth = images[:FRAMES], clear[:FRAMES], truth[:FRAMES]
        top, left = (max(side - SIDE, 0) // 2 for side in images.shape[2:])
        images, clear, given = (array[..., top : top + SIDE, left : left + SIDE] for array in (images, clear, given))
        fine = [slice(model.scale * start, model.scale * (start + SIDE)) for start in (top, left)]
        more = {name: inputs[name][0] for name in ("days", "alphas") if name in inputs}
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
        each = [distances(trained, blocks(image)) for image in np.where(self.clear, images, np.nan)]
        far = {way: np.stack([item[way].max(axis=-1) for item in each]) for way in each[0]}
        if self.model.kind == "video":
            return far
        if self.model.kind == "window":
            return {way: values[len(values) // 2 :][:1] for way, values in far.items()}
        return {way: np.ma.median(np.ma.masked_invalid(values), axis=0).filled(np.nan)[None] for way, values in far.items()}  # type: ignore[no-untyped-call]


def seen(paper: Paper[Any], inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, npt.NDArray[np.bool_]]:
    """What the network sees of a scene, (N, C, h, w) native values, and where that is clear, (N, 1, h, w)."""
    x = inputs["x"][0]
    images = x.reshape(-1, len(paper.bands) or 1, *x.shape[-2:])
    native = np.stack([np.moveaxis(paper.radiometry.inverse(np.moveaxis(image, 0, -1)), -1, 0) for image in images])
    clear = np.ones((len(native), 1, *native.shape[2:]), np.bool_)
    return native, inputs["quality"][0][:, None] != 0 if "quality" in inputs else clear


def _described(paper: Paper[Any], scene: Scene) -> Iterator[np.ndarray]:
    """Some images of a training scene, NaN where they are not clear."""
    images, clear = seen(paper, paper.inputs(scene))
    for image, there in zip(_spread(list(images), IMAGES), _spread(list(clear), IMAGES), strict=True):
        yield np.where(there, image, np.nan)


def _top(normalisation: Normalisation) -> Sequence[float]:
    """Native value from which a pixel is saturated, one for all bands or one per band."""
    return normalisation.high if normalisation.saturates else normalisation.native[1:]


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most ``count`` of the items at equal distances."""
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, min(count, len(items)))]


def _flat(far: dict[str, Float64], ours: Float64, cubic: Float64) -> Measured:
    """The blocks for which everything is known."""
    known = np.isfinite(ours) & np.isfinite(cubic)
    for values in far.values():
        known &= np.isfinite(values)
    return Measured({way: values[known] for way, values in far.items()}, ours[known], cubic[known])


def _gain(found: Sequence[Measured]) -> float | None:
    if not sum(len(item.ours) for item in found):
        return None
    ours, cubic = (np.concatenate([getattr(item, name) for item in found]) for name in ("ours", "cubic"))
    return _figure(_decibels(ours, cubic))


def _decibels(ours: Float64, cubic: Float64) -> float:
    """Of summed squared errors; a thousandth of a squared count each keeps it finite."""
    return float(10 * np.log10((cubic.sum() + 1e-3) / (ours.sum() + 1e-3)))


def _crossing(near: float, above: float, far: float, below: float) -> float:
    """Where the line from a gain above 0 at ``near`` to one below it at ``far`` meets 0."""
    return _figure(near + (far - near) * max(above, 0) / (max(above, 0) - below))


def _figure(value: float) -> float:
    """Three digits after the point: what a repetition on another machine gives as well."""
    return round(float(value), 3)
