"""What measurements are called, wherever they are made, written and shown; and their mean."""

from collections.abc import Sequence

import numpy as np

Scores = dict[str, float]
"""Metrics by name; a name carries its convention."""
BASELINE = "bicubic"
"""The method without a network."""
EXPORTED = "ema"
"""Role of the weights that are exported, and so the one that is judged."""


def mean(rows: Sequence[Scores]) -> Scores:
    """Mean of each metric over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
