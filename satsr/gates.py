"""The gates between a new model version and its use: each a name, whether it passed, and a sentence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from satsr.config import Gates
from satsr.paper import Scores


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
) -> list[Gate]:
    """Every gate of the configuration.

    Args:
        settings: the ``gates`` section.
        decides: names of the PSNR and the SSIM that count.
        baseline: metrics of the baseline.
        ours: metrics of the candidate.
        facts: ``parity_max_abs``, ``megabytes``, ``milliseconds``, ``validation`` (bool).
    """
    gates = []
    limits = (settings.min_gain_psnr_db, settings.min_gain_ssim)
    for metric, limit in zip(decides, limits, strict=True):
        before, after = baseline.get(metric), ours.get(metric)
        if before is None or after is None or not isfinite(after):
            gates.append(Gate(f"gain_{metric}", False, f"{metric} is missing or not finite"))
            continue
        gain = after - before
        gates.append(
            Gate(f"gain_{metric}", gain >= limit, f"{metric} gains {gain:+.4f} over bicubic, needs {limit:+.4f}")
        )
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


def passed(gates: list[Gate]) -> bool:
    """Whether all did."""
    return all(gate.passed for gate in gates)


def as_rows(gates: list[Gate]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(gate) for gate in gates]
