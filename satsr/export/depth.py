"""What a model was trained on, and how far outside of it the model still beats bicubic: measured on the exported graph.

This belongs to the export, not to the training: an edit of it must not train again, what is measured is the very file
that is applied, and the file carries the answer. The scenes are those of ``val``; ``test`` is for the evaluation alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.depth.blocks import Float64
from satsr.depth.training import WAYS, describe
from satsr.export.cases import Case, Measured, seen
from satsr.export.pushes import PUSHES
from satsr.exported.model import load
from satsr.paper import Paper
from satsr.progress import track
from satsr.radiometry import Normalisation
from satsr.store.store import Scene, Store

TRAINED = 64
"""So many training scenes are described, and of each so many images."""
IMAGES = 8
BINS = 6
LEAST = 16
"""Blocks in a bin of distances."""
NOTABLE_DB = 0.05
"""Loss that counts as one."""
USUAL = 0.99
"""Share of the blocks of scenes as they are that no limit excludes."""


def depth(paper: Paper[Any], store: Store, path: Path, count: int) -> dict[str, Any]:
    """What the exported file says of its training data and of its limits.

    Args:
        paper: the recipe.
        store: the frame store.
        path: of the exported graph.
        count: of scenes of ``val`` that are measured.

    Returns:
        JSON values: ``trained`` (:func:`satsr.depth.training.describe`), ``limits`` (:func:`limit`) by way,
        ``inside_db`` (the gain on ``val`` as it is, None if nothing was measured), ``scenes``. Empty where there is
        nothing to describe.
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
    limits = {way: limit(way, plain, found) for way, found in pushed.items() if found}
    return {"trained": trained, "limits": limits, "inside_db": _gain(plain), "scenes": [scene.id for scene in scenes]}


def limit(way: str, plain: Sequence[Measured], pushed: Sequence[Measured]) -> dict[str, Any]:
    """From which distance on the model loses to bicubic.

    Blocks are put in bins by their distance; the gain of a bin is the bicubic's summed squared error over the model's.
    The limit lies where the line through the bins' gains falls below 0 dB for good: in this bin, and notably in it and
    all farther ones together, since on blurred ground both are the same and either may be ahead by a hair.
    It is not nearer than 99 % of the blocks of scenes as they are.

    Args:
        way: a key of the distances.
        plain: scenes as they are.
        pushed: the same, pushed this way.

    Returns:
        ``limit``: None where the model does not lose as far as was measured, or already loses inside; ``reach``: the
        mean distance of the farthest bin; ``gains``: [distance, dB, blocks] of each bin.
    """
    far, ours, cubic = _together(way, [*plain, *pushed])
    bins = _bins(far)
    gains = [_decibels(ours[part], cubic[part]) for _, part in bins]
    crossing = None
    for place in range(1, len(bins)):
        rest = np.concatenate([part for _, part in bins[place:]])
        if gains[0] > 0 > gains[place] and _decibels(ours[rest], cubic[rest]) < -NOTABLE_DB:
            crossing = _crossing(bins[place - 1][0], gains[place - 1], bins[place][0], gains[place])
            usual = np.quantile(_together(way, plain)[0], USUAL)
            crossing = _figure(max(crossing, usual))
            break
    return {
        "limit": crossing,
        "reach": _figure(bins[-1][0]) if bins else 0.0,
        "gains": [[_figure(near), _figure(gain), len(part)] for (near, part), gain in zip(bins, gains, strict=True)],
    }


def _bins(far: Float64) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Mean distance and places of the blocks inside, and of equal parts of those outside, nearest first."""
    order = np.argsort(far, kind="stable")
    inside, outside = order[far[order] == 0], order[far[order] > 0]
    count = min(BINS, len(outside) // LEAST)
    parts = [inside] * bool(len(inside)) + (np.array_split(outside, count) if count else [])
    return [(float(far[part].mean()), part) for part in parts]


def _together(way: str, found: Sequence[Measured]) -> tuple[Float64, Float64, Float64]:
    """Distances, the model's squared errors and bicubic's, of all blocks."""
    columns = [(item.far[way], item.ours, item.cubic) for item in found] or [(np.empty(0),) * 3]
    far, ours, cubic = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return far, ours, cubic


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
    return near + (far - near) * max(above, 0) / (max(above, 0) - below)


def _figure(value: float) -> float:
    """Three digits after the point: what a repetition on another machine gives as well."""
    return round(float(value), 3)
