"""The gates between a new model version and its use: each a name, whether it passed, and a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from satsr.config.recipe import Gates
from satsr.scores import Scores

CONSISTENCY = "consistency_rmse"


@dataclass(frozen=True)
class Gate:
    """One gate's outcome."""

    name: str
    passed: bool
    sentence: str


def check(
    settings: Gates,
    decides: tuple[str, str],
    baseline: Scores,
    ours: Scores,
    facts: Mapping[str, Any],
    champion: Scores | None = None,
) -> list[Gate]:
    """Every gate of the configuration.

    Args:
        settings: the ``gates`` section.
        decides: names of the PSNR and the SSIM that count.
        baseline: metrics of the baseline.
        ours: metrics of the candidate.
        facts: ``parity_max_abs``, ``megabytes``, ``milliseconds``, ``validation`` (bool).
        champion: metrics of the champion, if there is one that was measured on the same data.
    """
    limits = (settings.min_gain_psnr_db, settings.min_gain_ssim)
    gates = [
        _gain("gain", "bicubic", metric, baseline, ours, limit) for metric, limit in zip(decides, limits, strict=True)
    ]
    limits_of_champion = (settings.min_champion_gain_psnr_db, settings.min_champion_gain_ssim)
    for metric, wanted in zip(decides, limits_of_champion, strict=True):
        if champion is not None and wanted is not None:
            gates.append(_gain("champion_gain", "the champion", metric, champion, ours, wanted))
    if settings.max_consistency_ratio is not None:
        gates.append(_consistent(baseline, ours, settings.max_consistency_ratio))
    parity = facts["parity_max_abs"]
    gates.append(
        Gate(
            "parity",
            parity <= settings.max_abs_parity,
            f"ONNX deviates {parity:.1e}, at most {settings.max_abs_parity:.1e}",
        )
    )
    if settings.max_megabytes is not None:
        size = facts["megabytes"]
        gates.append(
            Gate("size", size <= settings.max_megabytes, f"{size:.1f} MB, at most {settings.max_megabytes:.1f} MB")
        )
    if settings.max_milliseconds is not None:
        time = facts["milliseconds"]
        gates.append(
            Gate(
                "latency",
                time <= settings.max_milliseconds,
                f"{time:.0f} ms, at most {settings.max_milliseconds:.0f} ms",
            )
        )
    gates.append(Gate("validation", bool(facts["validation"]), "the data's validation report is green"))
    return gates


def _gain(name: str, other: str, metric: str, before: Scores, after: Scores, limit: float) -> Gate:
    """Whether a metric gains enough over another model's."""
    first, second = before.get(metric), after.get(metric)
    if first is None or second is None or not isfinite(second):
        return Gate(f"{name}_{metric}", False, f"{metric} is missing or not finite")
    gain = second - first
    return Gate(f"{name}_{metric}", gain >= limit, f"{metric} gains {gain:+.4f} over {other}, needs {limit:+.4f}")


def _consistent(baseline: Scores, ours: Scores, ratio: float) -> Gate:
    """Whether a result, made small again, is about as near to its input as the baseline's is."""
    first, second = baseline.get(CONSISTENCY), ours.get(CONSISTENCY)
    if first is None or second is None or not (isfinite(first) and isfinite(second)):
        return Gate("consistency", False, f"{CONSISTENCY} is missing or not finite")
    return Gate(
        "consistency",
        second <= ratio * first,
        f"made small again it differs from its input by {second:.2f} (RMSE, native units), bicubic by {first:.2f}, at "
        f"most {ratio:.1f} times that",
    )


def passed(gates: Sequence[Gate]) -> bool:
    """Whether all did."""
    return all(gate.passed for gate in gates)


def as_rows(gates: list[Gate]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(gate) for gate in gates]
