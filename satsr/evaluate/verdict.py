"""Whether a published result was reproduced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from satsr.evaluate.claim import Claim
from satsr.evaluate.conditions import Conditions
from satsr.scores import BASELINE, EXPORTED, Scores

Word = Literal[
    "reproduced",
    "not reproduced",
    "agrees, data not verified",
    "differs, data not verified",
    "undecided",
    "not comparable",
    "no published figure",
]
"""All that a verdict can be; docs/training.md says what each means."""
Interval = tuple[float, float]
ROUNDING = 1e-9
"""A difference of exactly the tolerance is within it, however floats round."""


@dataclass(frozen=True)
class Verdict:
    """Whether a published result was reproduced."""

    word: Word
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """One published value and ours, over all test scenes (``scene`` None) or of one."""

    scene: str | None
    metric: str
    published: float
    ours: float
    tolerance: float
    interval: Interval | None = None
    deviation: float = 0.0

    @property
    def known(self) -> bool:
        """Whether ours is a number."""
        return isfinite(self.ours)

    @property
    def agrees(self) -> bool:
        """Whether ours lies within the tolerance, above or below."""
        return self.known and abs(self.ours - self.published) <= self.tolerance + ROUNDING

    @property
    def open(self) -> bool:
        """Whether the scenes are too few to tell ours from the published value."""
        return self.interval is not None and self.interval[0] <= self.published <= self.interval[1]

    @property
    def by_chance(self) -> bool:
        """Whether a training with another seed may come out on the other side of the tolerance.

        The deviation over seeds is then no smaller than the tolerance, and ours is within that or two deviations.
        """
        near = self.agrees or abs(self.ours - self.published) <= 2 * self.deviation
        return near and self.deviation >= self.tolerance

    def __str__(self) -> str:
        place = f" on {self.scene}" if self.scene else ""
        between = f", interval {self.interval[0]:.4g} to {self.interval[1]:.4g}" if self.interval else ""
        seeds = f", deviation over seeds {self.deviation:g}" if self.deviation else ""
        return (
            f"{self.metric}{place} is {self.ours:.4f}, {self.ours - self.published:+.4f} from the published "
            f"{self.published:.4f} (tolerance {self.tolerance:g}{seeds}{between})"
        )


def verdict(
    claim: Claim,
    name: str,
    found: Conditions,
    methods: Mapping[str, Scores],
    scenes: Mapping[str, Mapping[str, Scores]],
    intervals: Mapping[str, Interval] | None = None,
) -> Verdict:
    """Judges the weights that are exported, and no others, by every published metric.

    Nothing is said of a paper unless the run was the paper's: first its conditions must be those of the figure, then
    the method without a network must come out as published, and only then the network's own values count.

    Args:
        claim: what was published.
        name: what the published table calls this configuration.
        found: what stands between this run and the claim (:func:`satsr.evaluate.conditions.conditions`).
        methods: method -> metric -> mean over the scenes.
        scenes: scene -> method -> metric.
        intervals: metric -> the interval of the exported weights' mean over scenes, where one was computed. Outside the
            tolerance, but with the published value inside the interval, the verdict is undecided; so it is where seeds
            differ by more than the tolerance (:attr:`Comparison.by_chance`).
    """
    if not claim.figures(name):
        return Verdict("no published figure", f"There is no known figure of {name} to compare with.")
    if found.obstacles:
        return Verdict("not comparable", f"{_published(claim, name)}, but {'; '.join(found.obstacles)}.")
    reason = _measurement(claim, methods, scenes)
    if reason:
        return Verdict("not comparable", f"{_published(claim, name)}, but {reason}.")
    compared = _comparisons(claim, name, EXPORTED, methods, scenes, intervals or {})
    unknown = [item for item in compared if not item.known]
    if unknown:
        return Verdict("not comparable", f"{_published(claim, name)}, but {_unknown(unknown)}.")
    return _judged(compared, found.unverified)


def _judged(compared: Sequence[Comparison], unverified: Sequence[str]) -> Verdict:
    """Of comparable numbers."""
    values = "; ".join(map(str, compared))
    missed = [item for item in compared if not item.agrees]
    if missed and all(item.open for item in missed):
        return Verdict("undecided", f"{values}. The published value is in the interval: too few scenes.")
    if any(item.by_chance for item in compared) and all(item.agrees or item.by_chance for item in compared):
        return Verdict("undecided", f"{values}. Other seeds differ by no less than the tolerance: train with several.")
    if unverified:
        word: Word = "differs, data not verified" if missed else "agrees, data not verified"
        return Verdict(word, f"{values}. The data could not be verified: {'; '.join(unverified)}.")
    return Verdict("not reproduced" if missed else "reproduced", f"{values}.")


def _measurement(claim: Claim, methods: Mapping[str, Scores], scenes: Mapping[str, Mapping[str, Scores]]) -> str | None:
    """Why our measurement is not the published one, told by the method that needs no training; None if it is."""
    compared = _comparisons(claim, claim.baseline, BASELINE, methods, scenes, {})
    if not compared:
        return f"no {claim.baseline} was published by which the measurement could be checked"
    unknown = [item for item in compared if not item.known]
    if unknown:
        return f"{_unknown(unknown)} for {claim.baseline}"
    wrong = [str(item) for item in compared if not item.agrees]
    return f"the measurement differs: of {claim.baseline}, {'; '.join(wrong)}" if wrong else None


def _comparisons(
    claim: Claim,
    name: str,
    method: str,
    methods: Mapping[str, Scores],
    scenes: Mapping[str, Mapping[str, Scores]],
    intervals: Mapping[str, Interval],
) -> list[Comparison]:
    """Every published value of ``name`` beside ours of ``method``; NaN where there is none."""
    compared = []
    for scene, row in claim.figures(name):
        ours = (methods if scene is None else scenes.get(scene, {})).get(method, {})
        for metric, published in row.items():
            tolerance = getattr(claim.tolerances[metric], "baseline" if method == BASELINE else "method")
            interval = intervals.get(metric) if scene is None else None
            seeds = 0.0 if method == BASELINE else claim.seeds.get(metric, 0.0)
            value = ours.get(metric, float("nan"))
            compared.append(Comparison(scene, metric, published, value, tolerance, interval, seeds))
    return compared


def _published(claim: Claim, name: str) -> str:
    scene, row = claim.figures(name)[0]
    metric = claim.metric if claim.metric in row else next(iter(row))
    return f"The published {metric} of {name}{f' on {scene}' if scene else ''} is {row[metric]:g}"


def _unknown(compared: Sequence[Comparison]) -> str:
    """Which values there are not: a metric that needs a file (NIQE), an infinite one, a scene that was not measured."""
    places = [f"{item.metric}{f' on {item.scene}' if item.scene else ''}" for item in compared]
    hint = " (NIQE needs its model, see SATSR_NIQE_PARAMS)" if any("niqe" in place for place in places) else ""
    return f"{', '.join(dict.fromkeys(places))} was not measured or is not finite{hint}"
