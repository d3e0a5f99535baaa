"""What measurements are called, wherever they are made, written and shown; and their mean."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite, nan

import numpy as np

Scores = dict[str, float]
"""Metrics by name; a name carries its convention."""
BASELINE = "bicubic"
"""The method without a network."""
EXPORTED = "ema"
"""Role of the weights that are exported, and so the one that is judged."""


def mean(rows: Sequence[Scores]) -> Scores:
    """Mean of each metric over the rows in which it is finite; infinite only if all are, NaN if there is no other."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _average([row[name] for row in rows if name in row]) for name in names}


def paired(units: Sequence[Mapping[str, Scores]]) -> dict[str, Scores]:
    """Means by method over frames or scenes, always over the same ones for all methods.

    A unit in which a metric of any method is infinite or missing is left out of that metric's means. Where this would
    leave none, each method has the mean over its own.

    Args:
        units: of each frame or scene, method -> metric -> value.
    """
    names = dict.fromkeys(name for unit in units for scores in unit.values() for name in scores)
    means: dict[str, Scores] = {method: {} for unit in units for method in unit}
    for name in names:
        chosen = complete(units, name) or units
        for method, row in means.items():
            values = [unit[method][name] for unit in chosen if name in unit.get(method, {})]
            row |= {name: _average(values)} if values else {}
    return means


def complete(units: Sequence[Mapping[str, Scores]], name: str) -> list[Mapping[str, Scores]]:
    """The units in which every method has a finite value of the metric ``name``."""
    return [unit for unit in units if all(isfinite(scores.get(name, nan)) for scores in unit.values())]


def _average(values: Sequence[float]) -> float:
    found = [value for value in values if isfinite(value)]
    if found:
        return float(np.mean(found))
    return inf if all(value == inf for value in values) else nan
