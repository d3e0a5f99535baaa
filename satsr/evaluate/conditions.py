"""Whether a run was what a published figure belongs to: its recipe, its configuration, its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from satsr.config.recipe import Config
from satsr.evaluate.claim import Claim, PublishedData

EXECUTION = frozenset(
    {
        *("paper", "profile", "data"),  # what the data are is compared by their content
        *(
            "convert.workers",
            "train.workers",
            "train.threads",
            "train.recompute",
            "train.checkpoint_every",
            "evaluate.panels",
        ),
        "train.seed",  # a result that one seed alone gives is none
    }
)
"""Settings that a reproduction may choose: they say how and where a run is executed, not what is computed."""
AFTERWARDS = ("export", "gates")
"""Sections about what is done with a model after it was measured."""
SHOWN = 6


@dataclass(frozen=True)
class Conditions:
    """What stands between a run and a published figure.

    Attributes:
        obstacles: why they cannot be compared, in clauses.
        unverified: what nobody can tell about the data, in clauses.
    """

    obstacles: Sequence[str] = ()
    unverified: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """What a run was.

    Attributes:
        config: its whole configuration, with the network and the training as the weights were really trained.
        own: the same of the profile that the published row belongs to, without changes.
        departures: what its recipe says it does otherwise than published, and which matters.
        card: the name of the data set.
        scenes: how many scenes were measured.
        references_sha256: of their references.
        trained_on_it: whether the weights were trained on this very store.
    """

    config: Mapping[str, Any]
    own: Mapping[str, Any]
    card: str
    scenes: int
    references_sha256: str
    trained_on_it: bool = True
    departures: Sequence[str] = field(default=())


def as_trained(config: Config, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of ``config``, with those sections that a training recorded when it made the weights."""
    values = config.model_dump(mode="json")
    recorded = {name: {**values[name], **identity[name]} for name in ("convert", "network", "train")}
    return {**values, **recorded}


def conditions(claim: Claim, run: Run) -> Conditions:
    """Compares a run with what was published."""
    obstacles = [] if claim.repeatable else ["its data are not public"]
    obstacles += _configuration(claim, run)
    departures = (*claim.departures, *run.departures)
    obstacles += [f"the recipe departs from the published one: {sentence}" for sentence in departures]
    if not run.trained_on_it:
        obstacles.append("the weights were trained on another store than the one that was measured")
    wrong, unverified = _data(claim.data, run)
    return Conditions([*obstacles, *wrong], unverified)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Settings that differ, ``train.iterations = 1 instead of 100000``; those of :data:`EXECUTION` aside."""
    first, second = _flat(ours), _flat(theirs)
    keys = [key for key in dict.fromkeys((*first, *second)) if key not in EXECUTION]
    keys = [key for key in keys if key.split(".")[0] not in AFTERWARDS and first.get(key) != second.get(key)]
    return [f"{key} = {first.get(key)} instead of {second.get(key)}" for key in keys]


def _configuration(claim: Claim, run: Run) -> list[str]:
    supplied = tuple(claim.supplied)
    values = _flat(run.config)
    missing = [key for key in supplied if values.get(key) in (None, "scratch")]
    differing = [
        line for line in differences(run.config, run.own) if not line.startswith(tuple(f"{k} =" for k in supplied))
    ]
    clauses = [f"{key} is not given, from which the published training starts" for key in missing]
    if differing:
        more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        profile = run.own.get("profile")
        clauses.append(f"the configuration is not that of the profile {profile}: {', '.join(differing[:SHOWN])}{more}")
    return clauses


def _data(published: PublishedData, run: Run) -> tuple[list[str], list[str]]:
    """What is wrong with the data, and what is not known of them."""
    if run.card != published.card:
        return [f"the figure belongs to the data set {published.card}, and this run measured {run.card}"], []
    if published.test_scenes not in (None, run.scenes):
        return [f"{published.card} has {published.test_scenes} test scenes, and {run.scenes} were measured"], []
    if published.references_sha256 is None:
        return [], [f"no hash of its references is pinned yet; these have {run.references_sha256}"]
    if published.references_sha256 != run.references_sha256:
        return [
            f"the references of {published.card} have the hash {published.references_sha256[:12]}, and those that were "
            f"measured {run.references_sha256[:12]}"
        ], []
    return [], []


def _flat(values: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{place}{name}.") if isinstance(value, Mapping) else {f"{place}{name}": value}
    return flat
