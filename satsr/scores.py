"""What measurements are called, wherever they are made, written and shown; and their mean."""

from collections.abc import Mapping, Sequence

import numpy as np

Scores = dict[str, float]
"""Metrics by name; a name carries its convention."""
BASELINE = "bicubic"
"""The method without a network."""
EXPORTED = "ema"
"""Role of the weights that are exported, applied as they are by default, and so the one that is judged."""
UNCONSTRAINED = "ema_unconstrained"
"""The same without the constraint, where it is applied by default: what a published figure is compared with."""
CONSTRAINED = "ema_constrained"
"""The same with the constraint, where it is not applied by default."""
PER_BAND = ("consistency_bias_", "consistency_rmse_")
"""Metrics of single bands, which tables of all metrics leave to a table of their own."""


def bare(methods: Mapping[str, Scores]) -> dict[str, Scores]:
    """The methods as a published figure is compared with them: the network's own output, without a constraint."""
    return {**methods, EXPORTED: methods.get(UNCONSTRAINED, methods[EXPORTED])}


def mean(rows: Sequence[Scores]) -> Scores:
    """Mean of each metric over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
