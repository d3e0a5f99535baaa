"""What measurements are called, wherever they are made, written and shown; their mean, and a mean with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan

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
FEW = 10
"""Fewer scenes than these make an interval a rough one, and pages say so."""

HIGHER = ("psnr", "cpsnr", "ssim", "cssim", "uiqi", "q2n", "opensr_synthesis", "opensr_improvement")
"""First words of the names of metrics of which more is better."""
LOWER = (
    *("niqe", "sam", "lpips", "shift_mae", "mae", "mse", "rmse", "probav_score", "l1", "l2", "loss"),
    *("ergas", "frc_period", "warping_error", "opensr_reflectance", "opensr_spectral", "opensr_spatial"),
    *("opensr_omission", "opensr_hallucination", "consistency_rmse", "consistency_sam", "params_m", "runtime_ms"),
)
"""First words of the names of metrics of which less is better."""


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval (:mod:`satsr.evaluate.intervals`); the keys of ``gains`` in ``metrics.json``.

    Attributes:
        mean: of a metric, or of its differences, in the metric's unit; None where there is nothing finite.
        low: the lower end; None without an interval.
        high: the upper end; likewise.
        count: units that the mean is over.
        unit: what was drawn: ``scenes``, or such as ``frames in blocks of 5``.
        method: how the interval came about; ``none`` without one.
        note: sentences on what was left out, on too few units, or why there is no interval.
        p_holm: of Wilcoxon's signed-rank test that there is no difference, corrected for the number of metrics.
    """

    mean: float | None
    low: float | None
    high: float | None
    count: int
    unit: str
    method: str
    note: str = ""
    p_holm: float | None = None

    @property
    def sign(self) -> int:
        """+1 if all of the interval is above zero, -1 if all is below, 0 if it holds zero or there is none."""
        if self.low is None or self.high is None:
            return 0
        return (self.low > 0) - (self.high < 0)


def unheld(methods: Mapping[str, Scores]) -> dict[str, Scores]:
    """The methods as a published figure is compared with them: the network's own output, without a constraint."""
    return {**methods, EXPORTED: methods.get(UNCONSTRAINED, methods[EXPORTED])}


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


def bare(name: str) -> str:
    """A metric's name without the curve that it belongs to: ``ours/val_psnr`` and ``val_ema_psnr`` are ``psnr``."""
    return name.rsplit("/", 1)[-1].removeprefix("val_").removeprefix("train_").removeprefix("ema_")


def direction(name: str) -> int:
    """+1 if more of a metric is better, -1 if less is, 0 if neither is known; by the first words of its name."""
    found = {word: side for side, words in ((1, HIGHER), (-1, LOWER)) for word in words if _begins(bare(name), word)}
    return found[max(found, key=len)] if found else 0


def lower_is_better(name: str) -> bool:
    """Whether less of a metric is better; False where that is not known (:func:`direction` tells the two apart)."""
    return direction(name) < 0


def _begins(name: str, words: str) -> bool:
    return f"{name}_".startswith(f"{words}_")


def _average(values: Sequence[float]) -> float:
    found = [value for value in values if isfinite(value)]
    if found:
        return float(np.mean(found))
    return inf if all(value == inf for value in values) else nan
