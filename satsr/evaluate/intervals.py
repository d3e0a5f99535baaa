"""Differences with their uncertainty: paired bootstrap over scenes, and what to do where there are few of them.

The unit is the scene: both methods saw the same ones, so the differences per scene are drawn, not the metrics. The
interval is the BCa bootstrap's (Efron 1987, J. Am. Stat. Assoc. 82:171-185; Efron and Tibshirani 1993, An Introduction
to the Bootstrap, section 14.3). Bootstrap intervals are too narrow for small samples, where Student's t is more
accurate (Hesterberg 2015, The American Statistician 69:371-386), so below :data:`SMALL` units the outer ends of both
count. A single clip is drawn in blocks of consecutive frames (Kuensch 1989, Annals of Statistics 17:1217-1241;
circular: Politis and Romano 1992); then the interval speaks of that clip alone.

An interval tells what other scenes of the same kind would give. It does not hold what another training seed would.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.scores import FEW, Interval
from satsr.seeds import generator

LEVEL, RESAMPLES = 0.95, 9999
SMALL = 30
LEAST_FRAMES, SHOWN = 9, 20
NOT_SCORES = ("scene", "frame", "method")
BCA, OUTER = "BCa bootstrap", "outer ends of BCa bootstrap and Student's t"
BLOCKS = "outer ends of circular block bootstrap and Student's t"
EQUAL, NONE = "all differences are equal", "none"

Values = npt.NDArray[np.float64]
Frames = Mapping[str, Mapping[str, Mapping[int, float]]]
"""Measurements of one method: scene -> metric -> frame -> value."""


def frames_of(rows: Iterable[Mapping[str, Any]], method: str) -> Frames:
    """The measurements of ``method``, of rows as in ``frames.csv``; empty cells are absent."""
    table: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        if row["method"] == method:
            scene = table.setdefault(row["scene"], {})
            for name, value in row.items():
                if name not in NOT_SCORES and value not in ("", None):
                    scene.setdefault(name, {})[int(row["frame"])] = float(value)
    return table


def read_frames(path: Path, method: str) -> Frames:
    """The measurements of ``method`` in a ``frames.csv``."""
    with path.open(newline="", encoding="utf-8") as handle:
        return frames_of(csv.DictReader(handle), method)


def gains(before: Frames, after: Frames, seed: int = 0) -> dict[str, Interval]:
    """What ``after`` gains over ``before``, by metric: the differences on the scenes and frames that both have.

    Args:
        before: measurements of one method.
        after: of another one, on the same scenes.
        seed: of the draws.

    Returns:
        In the metric's unit, positive where ``after`` has more of it, whether more is better or not.
    """
    differences = {name: _differences(before, after, name) for name in _metrics(before, after)}
    found = {name: _gain(scenes, seed) for name, scenes in differences.items()}
    chances = {name: _chance(_means(scenes)) for name, scenes in differences.items()}
    corrected = holm({name: chance for name, chance in chances.items() if chance is not None})
    return {name: replace(interval, p_holm=corrected.get(name)) for name, interval in found.items()}


def interval_of_mean(values: Mapping[str, float] | Sequence[float], seed: int = 0) -> Interval:
    """The mean over scenes and its 95 % interval.

    Args:
        values: one per scene, by its name; those that are not finite are left out, and the note says so.
        seed: of the draws.
    """
    kept, note = _finite(values)
    found, count = np.array(list(kept.values()), dtype=np.float64), len(kept)
    if count < 2:
        why = f"{count or 'No'} scene gives no interval: add scenes to the split that is measured."
        return Interval(float(found[0]) if count else None, None, None, count, "scenes", NONE, _joined(note, why))
    few = f"These are few scenes ({count}): read the interval as a rough one." if count < FEW else ""
    if _equal(found):
        low, high, method = found[0], found[0], EQUAL
    else:
        low, high = bca(found, seed)
        method = BCA if count >= SMALL else OUTER
    if method == OUTER:
        low, high = _outer((low, high), found.mean(), found.std(ddof=1) / np.sqrt(count), count - 1)
    return Interval(float(found.mean()), float(low), float(high), count, "scenes", method, _joined(note, few))


def interval_in_blocks(values: Mapping[str, float] | Sequence[float], seed: int = 0) -> Interval:
    """The mean over the frames of one clip and its 95 % interval: consecutive frames are alike, so blocks are drawn.

    Blocks have as many frames as the clip has blocks (the square root of its length), and wrap around its end.
    Student's t has as many degrees of freedom as there are such blocks, less one. Where frames far apart are alike the
    interval is too narrow: of an autoregression of 0.8, 72 to 84 % of the intervals held the mean, instead of 95 %.

    Args:
        values: one per frame, in their order; those that are not finite are left out, and the note says so.
        seed: of the draws.
    """
    kept, note = _finite(values)
    found, count = np.array(list(kept.values()), dtype=np.float64), len(kept)
    if count < LEAST_FRAMES:
        why = "One scene with so few frames gives no interval: add scenes to the split that is measured."
        mean = float(found.mean()) if count else None
        return Interval(mean, None, None, count, "frames", NONE, _joined(note, why))
    length = isqrt(count)
    blocks, unit = count // length, f"frames in blocks of {length}"
    alone = "They are of one scene, so the interval tells nothing of other scenes: add some to the split."
    if _equal(found):
        same = float(found[0])
        return Interval(same, same, same, count, unit, EQUAL, _joined(note, alone))
    means = np.convolve(np.append(found, found[: length - 1]), np.full(length, 1 / length), "valid")
    drawn = generator(seed, "blocks").choice(means, (RESAMPLES, blocks)).mean(axis=1)
    ends = tuple(np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    low, high = _outer((ends[0], ends[1]), found.mean(), drawn.std(), blocks - 1)
    return Interval(float(found.mean()), float(low), float(high), count, unit, BLOCKS, _joined(note, alone))


def bca(values: Values, seed: int, statistic: Any = np.mean, level: float = LEVEL) -> tuple[float, float]:
    """The BCa interval of a statistic of values (n,), not all equal (Efron and Tibshirani 1993, section 14.3)."""
    from scipy import stats  # a second, which a registration with nothing to compare does without

    found = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // len(values)),
        vectorized=True,
        confidence_level=level,
        method="BCa",
        rng=generator(seed, "bootstrap"),
    ).confidence_interval
    return float(found.low), float(found.high)


def holm(chances: Mapping[str, float]) -> dict[str, float]:
    """Holm's correction of p values for their number (Holm 1979, Scandinavian Journal of Statistics 6:65-70)."""
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(chances, key=lambda name: chances[name])):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[name]))
        corrected[name] = largest
    return corrected


def _metrics(before: Frames, after: Frames) -> list[str]:
    """Names in the order of ``after``, of metrics that some scene of both has."""
    names = dict.fromkeys(name for metrics in after.values() for name in metrics)
    return [name for name in names if any(name in metrics for metrics in before.values())]


def _differences(before: Frames, after: Frames, name: str) -> dict[str, dict[int, float]]:
    found = {}
    for scene in after:
        old, new = before.get(scene, {}).get(name, {}), after[scene].get(name, {})
        shared = {frame: new[frame] - old[frame] for frame in new if frame in old}
        if shared:
            found[scene] = shared
    return found


def _gain(scenes: Mapping[str, Mapping[int, float]], seed: int) -> Interval:
    if len(scenes) == 1:
        ((scene, frames),) = scenes.items()
        return interval_in_blocks({f"{scene}, frame {frame}": value for frame, value in frames.items()}, seed)
    found = interval_of_mean(_means(scenes), seed)
    return replace(found, note=_joined(_partly(scenes), found.note))


def _means(scenes: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """Means over the frames of each scene whose difference is finite; NaN where none is."""
    kept = {scene: [value for value in frames.values() if np.isfinite(value)] for scene, frames in scenes.items()}
    return {scene: float(np.mean(values)) if values else np.nan for scene, values in kept.items()}


def _partly(scenes: Mapping[str, Mapping[int, float]]) -> str:
    """A sentence on scenes of which some frames are left out."""
    lost = {scene: sum(not np.isfinite(value) for value in frames.values()) for scene, frames in scenes.items()}
    some = [
        f"{scene} ({count} of {len(scenes[scene])})" for scene, count in lost.items() if 0 < count < len(scenes[scene])
    ]
    return f"Frames whose value is not finite are left out: {_listed(some)}." if some else ""


def _chance(differences: Mapping[str, float]) -> float | None:
    """The p of Wilcoxon's signed-rank test over scenes, two-sided; None for fewer than two scenes."""
    kept, _ = _finite(differences)
    if len(kept) < 2:
        return None
    from scipy import stats

    return float(stats.wilcoxon(list(kept.values())).pvalue) if any(kept.values()) else 1.0


def _finite(values: Mapping[str, float] | Sequence[float]) -> tuple[dict[str, float], str]:
    """The finite values by name, and a sentence on the others."""
    named = dict(values) if isinstance(values, Mapping) else {f"number {i}": value for i, value in enumerate(values)}
    kept = {name: value for name, value in named.items() if np.isfinite(value)}
    lost = [name for name in named if name not in kept]
    return kept, f"Left out, because the value is not finite: {_listed(lost)}." if lost else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _equal(values: Values) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _outer(ends: tuple[float, float], mean: float, error: float, freedom: int) -> tuple[float, float]:
    """The outer ends of a bootstrap interval and Student's t interval."""
    from scipy.special import stdtrit

    half = stdtrit(freedom, (1 + LEVEL) / 2) * error
    return min(ends[0], mean - half), max(ends[1], mean + half)


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))
