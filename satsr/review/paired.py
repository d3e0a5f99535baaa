"""Versions against each other, scene by scene: better, worse, or cannot be told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from satsr.evaluate import intervals
from satsr.pages import gains as words
from satsr.pages import page
from satsr.pages.page import metric
from satsr.register.decisions import Version
from satsr.register.paired import measurements
from satsr.scores import Interval


@dataclass(frozen=True)
class Pair:
    """One version against another.

    Attributes:
        version: such as ``rasvsr v3``.
        other: that it is compared with.
        gains: by metric, what ``version`` has more than ``other``; empty where MLflow lacks the frames of one of them.
    """

    version: str
    other: str
    gains: Mapping[str, Interval]

    def rows(self) -> list[dict[str, Any]]:
        """A row per metric: the difference with its interval, and the word."""
        return [
            {
                "version": f"{self.version} against {self.other}",
                "metric": name,
                "difference": words.brief(name, interval),
                "over": words.over(interval),
                "answer": words.answer(name, interval),
            }
            for name, interval in self.gains.items()
        ]

    def notes(self) -> list[str]:
        """What must be said of it."""
        if not self.gains:
            return [f"MLflow lacks the frames of {self.version} or {self.other}: their scenes cannot be paired."]
        return words.notes(self.gains)


def pairs(client: Any, versions: Sequence[Version], metrics: Sequence[str]) -> list[Pair]:
    """The second of two versions against the first; of more, each against the best in the first metric.

    Args:
        client: MLflow's client.
        versions: two or more, measured on the same references.
        metrics: that all of them have.
    """
    other = versions[0] if len(versions) == 2 else best(versions, metrics[0])
    theirs = measurements(client, other)
    found = []
    for version in versions:
        if version is not other:
            ours = measurements(client, version)
            known = {} if ours is None or theirs is None else intervals.gains(theirs, ours)
            gains = {name: known[name] for name in metrics if name in known}
            found.append(Pair(label(version), label(other), gains))
    return found


def label(version: Version) -> str:
    """How a version is called on the page: ``rasvsr v3``."""
    return f"{version.name} v{version.number}"


def best(versions: Sequence[Version], name: str) -> Version:
    """The version with the best mean of a metric."""
    better = metric(name).better or 1
    known = [version for version in versions if version.metric(name) is not None] or versions
    return max(known, key=lambda version: better * (version.metric(name) or 0))


def table(found: Sequence[Pair]) -> page.Table | None:
    """All rows of all pairs; None without any."""
    rows = [row for pair in found for row in pair.rows()]
    return page.table(rows) if rows else None
