"""Stage 7, register: the graph becomes a version in the model registry, behind gates."""

from pathlib import Path
from typing import Any

from satsr import tracking
from satsr.files import replacing, write_json, write_text
from satsr.locks import locked
from satsr.paper import Paper
from satsr.project import Places
from satsr.register import again, decisions, gates, registry
from satsr.register.facts import Facts, collect, details, measured, tags
from satsr.register.model_card import about, model_card
from satsr.register.paired import gains_over
from satsr.scores import Interval
from steps.job import job

ALIASES = (registry.CHALLENGER, registry.CHAMPION)
REVIEW_SECONDS = 60.0
"""How long a registration waits for a reviewer's decision that is being written."""


def run(paper: str, root: Path) -> None:
    """Registers the version, evaluates the gates, sets the aliases, and leaves manifest and card.

    The version is ``challenger``; it is ``champion`` as well when it passes its gates and nobody has decided yet. When
    the same is registered again, because the stage was killed or forced, it stays the one version that it is.

    Raises:
        SatsrError: a stage before this one has not finished, or the registry does not answer or is held for too long.
    """
    work = job(paper, root)
    recipe, places, name = work.paper, work.places, work.paper.registered_name
    facts = collect(recipe, places)
    outcome = gates.check(
        work.config.gates, recipe.decides, facts.gains, facts.for_gates, champion=over_champion(recipe, places, facts)
    )
    card = model_card(recipe, facts, outcome)
    with tracking.run(root, paper, facts.lineage, name) as run:
        version, finished = add(run, recipe, places, facts, outcome, card)
        with locked(decisions.lock(root), timeout=REVIEW_SECONDS):
            if not finished:
                put_up(run.client, name, version, gates.passed(outcome))
            aliases = [word for word in ALIASES if registry.alias(run.client, name, word) == version]
        registered = {"name": name, "version": version, "aliases": aliases, "run": run.id}
        with replacing(places.registration) as folder:
            folder.mkdir()
            write_json(folder / "registration.json", {**registered, "gates": gates.as_rows(outcome)})
            write_json(folder / "manifest.json", facts.manifest)
            write_text(folder / "model_card.md", card)
            for path in (folder / "manifest.json", folder / "model_card.md"):
                run.artifact(path)
            for path in (places.evaluation / "report.html", places.validation / "validation.html"):
                run.artifact(path, "report")
        again.finish(run, name, version)


def add(
    run: tracking.Run, recipe: Paper[Any], places: Places, facts: Facts, outcome: list[gates.Gate], card: str
) -> tuple[int, bool]:
    """The version's number, and whether it was registered completely before."""
    name, row, known = recipe.registered_name, tags(recipe, facts, outcome), details(recipe, facts)
    found = again.earlier(run, name, row, known)
    if found is not None:
        registry.describe_version(run, name, found.number, found.source, card)
        return found.number, found.finished
    place = again.here(places.root)
    again.clear(run, name, place)
    number = registry.add_version(
        run,
        name,
        places.export / "model.onnx",
        {**row, registry.UNFINISHED: place},
        card,
        facts=known,
        about=about(recipe, name, recipe.describe()),
        measured=measured(places, facts),
    )
    return number, False


def put_up(client: Any, name: str, version: int, passed: bool) -> None:
    """Makes the version ``challenger``, and ``champion`` where it may be one without a review."""
    registry.set_alias(client, name, registry.CHALLENGER, version)
    if passed and decisions.undecided(client, name, version):
        decisions.first_champion(client, name, version)


def over_champion(recipe: Paper[Any], places: Places, facts: Facts) -> dict[str, Interval] | None:
    """The gains over the present champion, if there is one of other weights that was measured on the same data."""
    client = tracking.client(places.root)
    number = registry.alias(client, recipe.registered_name, registry.CHAMPION)
    if number is None:
        return None
    found = decisions.version(client, recipe.registered_name, number)
    same = found.tags.get("lineage") == facts.lineage  # it is this version, if its registration was killed at the end
    if same or found.tags.get("data.sha256") != facts.manifest["store_sha256"]:
        return None
    means = {name: value for name, value in facts.ours.items() if value is not None}
    return gains_over(client, found, places.evaluation / "frames.csv", means)
