"""Gains with their intervals, in words and as a table."""

from collections.abc import Mapping

from satsr.pages import page
from satsr.pages.page import metric
from satsr.scores import FEW, Interval

NOTE = (
    "95 % intervals by paired bootstrap of the differences per scene: BCa (Efron and Tibshirani 1993, ch. 14); below 30 "
    "scenes the outer ends of that and of Student's t (Hesterberg 2015); a single clip in blocks of consecutive frames "
    "(Künsch 1989). p is of Wilcoxon's signed-rank test over the scenes, corrected for the number of metrics (Holm 1979). "
    "An interval tells what other scenes of the same kind would give, not what another training would."
)
"""How the intervals came about, for the foot of a page."""


def ends(name: str, interval: Interval, factor: int = 1) -> str:
    """``[0.71, 1.40]``, or nothing without an interval.

    Args:
        name: the metric.
        interval: of a difference in it.
        factor: -1 turns the difference around.
    """
    if interval.low is None or interval.high is None:
        return ""
    low, high = sorted((factor * interval.low, factor * interval.high))
    shown = metric(name)
    return f"[{shown.text(low, brief=True)}, {shown.text(high, brief=True)}]"


def over(interval: Interval) -> str:
    """What an interval is over: ``95 %, 20 scenes``, ``95 %, few scenes (6)``, or that there is none."""
    unit = interval.unit.removesuffix("s") if interval.count == 1 else interval.unit
    if interval.low is None:
        return f"no interval, {interval.count} {unit}"
    few = interval.count < FEW and unit == "scenes"
    return f"95 %, few scenes ({interval.count})" if few else f"95 %, {interval.count} {unit}"


def text(name: str, interval: Interval) -> str:
    """A difference in the metric ``name``: ``+1.08 dB [0.71, 1.40], 95 %, 20 scenes``."""
    return f"{brief(name, interval)}, {over(interval)}"


def brief(name: str, interval: Interval) -> str:
    """``+1.08 dB [0.71, 1.40]``."""
    shown = metric(name)
    words = (shown.text(interval.mean, sign=True, brief=True), shown.unit, ends(name, interval))
    return " ".join(filter(None, words))


def answer(name: str, interval: Interval) -> str:
    """Better, worse, or cannot be told apart; higher or lower where nobody knows which is better."""
    if interval.low is None:
        return "no interval"
    side = interval.sign
    if not side:
        return "cannot be told apart"
    better = metric(name).better
    words = ("better", "worse") if better else ("higher", "lower")
    return words[0] if side * (better or 1) > 0 else words[1]


def table(gains: Mapping[str, Interval]) -> page.Table | None:
    """A row per metric: the gain, its interval, how it came about, and p; None where there are no gains."""
    columns = [("metric", ""), ("gain", ""), ("95 % interval", ""), ("", ""), ("p", "Wilcoxon, Holm"), ("over", "")]
    rows = [_row(name, interval) for name, interval in gains.items()]
    return page.Table(columns, rows) if rows else None


def notes(gains: Mapping[str, Interval]) -> list[str]:
    """What must be said of the gains: each sentence once, with the metrics that it concerns."""
    said: dict[str, list[str]] = {}
    for name, interval in gains.items():
        if interval.note:
            said.setdefault(interval.note, []).append(name)
    return [
        f"{'All metrics' if len(names) == len(gains) else ', '.join(names)}: {note}" for note, names in said.items()
    ]


def _row(name: str, interval: Interval) -> list[page.Cell]:
    shown, sign = metric(name), interval.sign
    title = f"{shown.label}{f', {shown.unit}' if shown.unit else ''} ({name})" if shown.label != name else name
    kind = {1: "good", -1: "bad", 0: ""}[sign * shown.better]
    chance = "–" if interval.p_holm is None else f"{interval.p_holm:.2g}"
    over = f"{interval.count} {interval.unit}; {interval.method}" if interval.low is not None else interval.unit
    return [
        page.Cell(title, title),
        page.number_cell(shown.text(interval.mean, sign=True), interval.mean, kind),
        page.number_cell(ends(name, interval) or "–", interval.low),
        page.Cell(answer(name, interval), answer(name, interval)),
        page.number_cell(chance, interval.p_holm),
        page.Cell(over, over),
    ]
