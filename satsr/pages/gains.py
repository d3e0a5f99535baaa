"""Gains with their intervals, in words and as a table."""

from collections.abc import Mapping
from typing import Any

from satsr.pages import page
from satsr.pages.chart import dot_plot
from satsr.pages.page import metric
from satsr.scores import FEW, Interval

NOTE = (
    "95 % intervals by paired bootstrap of the differences per scene: BCa (Efron and Tibshirani 1993, ch. 14); below "
    "30 scenes the outer ends of that and of Student's t (Hesterberg 2015); a single clip in blocks of consecutive "
    "frames (Künsch 1989). An interval tells what other scenes of the same kind would give, not what another training "
    "would."
)
"""How the intervals came about, for the foot of a page."""
NOTE_ON_P = "p is of Wilcoxon's signed-rank test over the scenes, corrected for the number of metrics (Holm 1979)."
"""What the column ``p`` of :func:`table` is."""


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
    """What an interval is over: ``95 %, 20 scenes``, ``95 %, only 6 scenes``, or that there is none."""
    unit = interval.unit.removesuffix("s") if interval.count == 1 else interval.unit
    if interval.low is None:
        return f"no interval, {interval.count} {unit}"
    return f"95 %, {'only ' if interval.count < FEW else ''}{interval.count} {unit}"


def text(name: str, interval: Interval) -> str:
    """A difference in the metric ``name``: ``+1.08 dB [0.71, 1.40], 95 %, 20 scenes``."""
    return f"{brief(name, interval)}, {over(interval)}"


def brief(name: str, interval: Interval) -> str:
    """``+1.08 dB [0.71, 1.40]``."""
    shown = metric(name)
    if interval.mean is None:
        return shown.text(None)
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


def claim(name: str, interval: Interval, other: str, subject: str = "") -> str:
    """A gain as a sentence: ``PSNR is 1.08 dB [0.71, 1.40] better than bicubic (95 %, 20 scenes)``.

    Args:
        name: the metric.
        interval: of the gain.
        other: over which.
        subject: what gains; by default the metric's label.
    """
    shown, mean = metric(name), interval.mean
    subject = subject or shown.label
    if mean is None or (interval.low is not None and not interval.sign):
        return f"{subject} cannot be told apart from {other}: {text(name, interval)}"
    better = shown.better * ((mean > 0) - (mean < 0))
    if not better:
        return f"{subject} against {other}: {text(name, interval)}"
    size = (shown.text(abs(mean), brief=True), shown.unit, ends(name, interval, 1 if mean > 0 else -1))
    word = "better" if better > 0 else "worse"
    return f"{subject} is {' '.join(filter(None, size))} {word} than {other} ({over(interval)})"


def picture(name: str, interval: Interval, differences: Mapping[str, float]) -> dict[str, Any] | None:
    """Title and SVG of the differences scene by scene; None where there are too few to be drawn."""
    if interval.mean is None or len(differences) < 2:
        return None
    shown = metric(name)
    both = None if interval.low is None or interval.high is None else (interval.low, interval.high)
    label = f"gain in {shown.label}{f', {shown.unit}' if shown.unit else ''}: each scene, and their mean"
    return {"title": f"{shown.label}: {text(name, interval)}", "svg": dot_plot(differences, interval.mean, both, label)}


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
    every = [name for name, interval in gains.items() if interval.count]
    return [f"{'All metrics' if names == every else ', '.join(names)}: {note}" for note, names in said.items()]


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
