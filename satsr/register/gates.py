"""The gates between a new model version and its use: each a name, whether it passed, and a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from satsr.config.recipe import Gates
from satsr.pages.gains import over
from satsr.scores import Interval

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
    gains: Mapping[str, Interval],
    facts: Mapping[str, Any],
    champion: Mapping[str, Interval] | None = None,
) -> list[Gate]:
    """Every gate of the configuration.

    Args:
        settings: the ``gates`` section.
        decides: names of the PSNR and the SSIM that count.
        gains: of the candidate over the baseline, by metric; the lower end of the interval is what a limit holds for.
        facts: ``parity_max_abs``, ``megabytes``, ``milliseconds``, ``validation`` (bool), and ``consistency``, the
            baseline's ``consistency_rmse`` and the candidate's.
        champion: gains over the champion, if there is one that was measured on the same data.
    """
    limits = (settings.min_gain_psnr_db, settings.min_gain_ssim)
    gates = [
        _gain("gain", "bicubic", metric, gains.get(metric), limit)
        for metric, limit in zip(decides, limits, strict=True)
        if limit is not None
    ]
    limits_of_champion = (settings.min_champion_gain_psnr_db, settings.min_champion_gain_ssim)
    for metric, wanted in zip(decides, limits_of_champion, strict=True):
        if champion is not None and wanted is not None:
            gates.append(_gain("champion_gain", "the champion", metric, champion.get(metric), wanted))
    if settings.max_consistency_ratio is not None:
        gates.append(_consistent(facts["consistency"], settings.max_consistency_ratio))
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


def _gain(name: str, other: str, metric: str, gain: Interval | None, limit: float) -> Gate:
    """Whether the lower end of a gain over another model is large enough."""
    name, wanted = f"{name}_{metric}", f"at least {limit:+.4f} is needed"
    if gain is None or gain.mean is None:
        return Gate(name, False, f"{metric} is missing or not finite, {wanted}. {gain.note if gain else ''}".strip())
    words = f"{metric} gains {gain.mean:+.4f} over {other}"
    if gain.low is None:
        return Gate(name, False, f"{words}, how surely is not known, {wanted} at the lower end. {gain.note}")
    found = f"{words}, {gain.low:+.4f} at the lower end ({over(gain)}), {wanted}. {gain.note}".removesuffix(". ")
    return Gate(name, gain.low >= limit, found)


def _consistent(found: tuple[float | None, float | None], ratio: float) -> Gate:
    """Whether a result, made small again, is about as near to its input as the baseline's (the first) is."""
    first, second = found
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
