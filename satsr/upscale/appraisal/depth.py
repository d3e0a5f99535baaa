"""Whether an input is like what the model was trained on, in sentences; if not, whether the model still helps there.

What the training data look like, and from which distance on the model was measured to lose to bicubic, travels with the
exported file as ``depth`` (:mod:`satsr.export.depth`).

An input is refused where the gains that were measured at the distances of its blocks come to a loss over all of it.
Some blocks beyond a limit are only warned of: fine detail looks like noise to the description, and the rest may gain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from satsr.depth.blocks import Float64, blocks
from satsr.depth.training import WAYS, distances
from satsr.exported.facts import Facts
from satsr.exported.model import Model
from satsr.upscale.appraisal.checks import Say

NEAR = 0.02
OUTSIDE = 0.1
"""Shares beyond a limit, and outside the training data, that are worth a warning; some per cent lie outside anyway."""
FEW = 3
"""Blocks, or all if there are fewer, that it takes at least: one alone may be chance."""
HALF = 0.5
TOLD = 2
"""Ways in which an input differs that a warning tells, the worst first: it is to be read."""
WORDS = {
    "brighter": "is brighter than",
    "darker": "is darker than",
    "busier": "has stronger contrasts than",
    "smoother": "has weaker contrasts than",
    "noisier": "is noisier than",
    "softer": "has less fine detail than",
    "colours": "has colours farther from the usual than",
}
LOSES = ", and {:.0%} so much that the model was measured to lose to bicubic there"
ALTOGETHER = "; over all of it {:+.2f} dB against bicubic are to be expected"
SILENT = (
    "this model does not say what it was trained on in a way that an input can be compared with, so nothing is known "
    "about how it does on yours: a model that is exported again says it"
)


@dataclass(frozen=True)
class Depth:
    """What a model knows of its training data.

    Attributes:
        trained: of :func:`satsr.depth.training.describe`.
        limits: by way, of :func:`satsr.export.depth.limit`.
        bands: their names.
        inside_db: gain over bicubic on scenes like the training data; None where it was not measured.
    """

    trained: Mapping[str, Any]
    limits: Mapping[str, Mapping[str, Any]]
    bands: Sequence[str]
    inside_db: float | None = None

    def limit(self, way: str) -> float | None:
        """The distance at which the model was measured to lose to bicubic; None if it never did."""
        found = self.limits.get(way, {}).get("limit")
        return None if found is None else float(found)

    def reach(self, way: str) -> float:
        """How far was measured."""
        return float(self.limits.get(way, {}).get("reach", 0.0))

    def gains(self, way: str, far: Float64) -> Float64:
        """What the model was measured to gain over bicubic at distances, in dB; NaN where nothing was measured.

        Not below 0 up to the limit, and nowhere where there is none: either may be ahead by a hair there.
        """
        measured = np.array(self.limits.get(way, {}).get("gains", ()), np.float64).reshape(-1, 3)
        if not len(measured):
            return np.full(len(far), np.nan)
        found = np.interp(far, measured[:, 0], measured[:, 1])
        limit = self.limit(way)
        return np.where(far > (np.inf if limit is None else limit), found, np.maximum(found, 0))

    def relative(self, image: np.ndarray) -> dict[str, Float64]:
        """By way, (rows, columns): distances in units of the limit, or of the reach where no limit was found.

        Where neither is known the distance stays as it is.
        """
        far = distances(self.trained, blocks(image))
        return {way: values.max(axis=-1) / (self.limit(way) or self.reach(way) or 1.0) for way, values in far.items()}


@dataclass(frozen=True)
class Findings:
    """Sentences about an input: what it is refused for, and what is only said."""

    refused: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def known(facts: Facts, bands: Sequence[str] = ()) -> Depth | None:
    """What a model's description says; None for one that was exported before it said anything.

    Args:
        facts: of the model.
        bands: their names.
    """
    found = facts.raw.get("depth")
    if not isinstance(found, Mapping) or not isinstance(found.get("trained"), Mapping):
        return None
    count = len(found["trained"].get("saturated", ()))
    names = list(bands) if len(bands) == count else [f"band {band + 1}" for band in range(count)]
    return Depth(found["trained"], found.get("limits", {}), names, found.get("inside_db"))


def compare(model: Model, images: Sequence[np.ndarray], say: Say) -> list[str]:
    """What an input is refused for, at most one sentence; the rest is said.

    Args:
        model: with its description.
        images: samples of the input, each (C, h, w) in the model's numbers, NaN where missing.
        say: takes warnings, and a note where the model says nothing of its training data.
    """
    depth = known(model.facts, model.bands)
    if depth is None:
        say(f"note: {SILENT}")
        return []
    found = examine(depth, images)
    for sentence in found.said:
        say(f"warning: {sentence}")
    return found.refused


def examine(depth: Depth, images: Sequence[np.ndarray]) -> Findings:
    """Compares samples of an input with the training data.

    Args:
        depth: what the model knows.
        images: each (C, h, w) in the model's numbers, NaN where missing.
    """
    each = [distances(depth.trained, blocks(image)) for image in images]
    said = _hopeless(depth)
    far = {way: _present([item[way] for item in each]) for way in WAYS if each and way in each[0]}
    if not far or not len(far["brighter"]):
        return Findings([], said)
    expected = _expected(depth, far)
    if expected < 0:
        beyond = {way: _farther(far[way], depth.limit(way)) for way in far}
        worst = sorted((way for way in far if beyond[way]), key=lambda way: beyond[way], reverse=True)
        clauses = [_share(depth, way, far[way]) + LOSES.format(beyond[way]) for way in worst]
        return Findings([_shortened(clauses) + ALTOGETHER.format(expected)], said)
    strange = _strange(depth, far)
    if strange:
        return Findings([strange], said)
    near = {way: clause for way in far if (clause := _outside(depth, way, far[way]))}
    worst = sorted(near, key=lambda way: (_farther(far[way], depth.limit(way)), _farther(far[way], 0.0)), reverse=True)
    return Findings([], said + [_shortened([near[way] for way in worst])] * bool(near))


def _shortened(clauses: Sequence[str]) -> str:
    """The first :data:`TOLD` clauses, and how many more there are."""
    more = len(clauses) - TOLD
    rest = f"; and less so in {more} other way{'s' if more > 1 else ''} (--depth-map shows where)" if more > 0 else ""
    return "; ".join(clauses[:TOLD]) + rest


def _hopeless(depth: Depth) -> list[str]:
    if depth.inside_db is None or depth.inside_db > 0:
        return []
    return [
        f"on scenes like its training data this model was measured to be no better than bicubic "
        f"({depth.inside_db:+.2f} dB)"
    ]


def _expected(depth: Depth, far: Mapping[str, Float64]) -> float:
    """The gain over all blocks in dB, as if bicubic erred alike in all; of each block in the way that is worst for it.

    Below 0 only if enough blocks are beyond a limit.
    """
    each = [depth.gains(way, values.max(axis=1)) for way, values in far.items()]
    enough = [_farther(values, depth.limit(way)) > 0 for way, values in far.items()]
    kept = [gain if many else np.maximum(gain, 0) for gain, many in zip(each, enough, strict=True)]
    worst = np.fmin.reduce(kept)
    return round(float(-10 * np.log10((10 ** (-worst / 10)).mean())), 2) if np.isfinite(worst).all() else 0.0


def _outside(depth: Depth, way: str, far: Float64) -> str:
    """The clause for a way in which many blocks are outside, or some beyond its limit."""
    limit, farthest = depth.limit(way), far.max(axis=1)
    beyond = _farther(far, limit)
    if beyond >= NEAR:
        return f"{_share(depth, way, far)}{LOSES.format(beyond)}"
    if _farther(far, 0.0) < OUTSIDE:
        return ""
    untried = limit is None and np.median(farthest[farthest > 0]) > depth.reach(way)
    return _share(depth, way, far) + (", farther than the model was ever measured" if untried else "")


def _farther(far: Float64, distance: float | None) -> float:
    """Share of the blocks (n, C) that are farther in any band; 0 for no distance, and where they are too few."""
    if distance is None:
        return 0.0
    count = int((far.max(axis=1) > distance).sum())
    return count / len(far) if count >= min(FEW, len(far)) else 0.0


def _strange(depth: Depth, far: Mapping[str, Float64]) -> str:
    """The sentence for an input of which most is brighter or darker in every band than the model was ever measured."""
    for way in ("brighter", "darker"):
        nearest = far[way].min(axis=1)
        if depth.limit(way) is None and (nearest > depth.reach(way)).mean() > HALF:
            return f"{_share(depth, way, far[way])}, farther than the model was ever measured: another sensor or unit"
    return ""


def _share(depth: Depth, way: str, far: Float64) -> str:
    """For instance: 31 % of it is brighter than 99 % of the training data (B04 above 3100)."""
    sentence = f"{(far.max(axis=1) > 0).mean():.0%} of it {WORDS[way]} 99 % of the training data"
    shares = (far > 0).mean(axis=0)
    if way == "colours" or len(shares) == 1:
        return sentence
    bands = [band for band in range(len(shares)) if shares[band] >= max(shares) / 2]
    if way not in ("brighter", "darker"):
        return f"{sentence} in {_listed([depth.bands[band] for band in bands], len(shares))}"
    side, level = ("above", "p99") if way == "brighter" else ("below", "p1")
    levels = [f"{depth.bands[band]} {side} {depth.trained['brightness'][level][band]:.0f}" for band in bands]
    everywhere = "in all bands " if len(bands) == len(shares) else ""
    return f"{sentence} {everywhere}({', '.join(levels)})"


def _listed(names: Sequence[str], count: int) -> str:
    return "all bands" if len(names) == count else " and ".join(names)


def _present(parts: Sequence[Float64]) -> Float64:
    """(n, C): the blocks that are there."""
    flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    return np.asarray(flat[np.isfinite(flat).all(axis=1)])
