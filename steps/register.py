"""Stage 7, register: the graph becomes a version in the model registry, behind gates."""

from pathlib import Path
from typing import Any

from satsr import tracking
from satsr.files import replacing, write_json, write_text
from satsr.paper import Paper
from satsr.project import Places
from satsr.register import decisions, gates, registry
from satsr.register.facts import Facts, collect, details, measured, tags
from satsr.register.model_card import about, model_card
from satsr.register.paired import gains_over
from satsr.scores import Interval
from steps.job import job


def run(paper: str, root: Path) -> None:
    """Registers the version, evaluates the gates, sets the aliases, and leaves manifest and card.

    The version is ``challenger``; it is ``champion`` as well when it passes its gates and nobody has decided yet.
    """
    work = job(paper, root)
    recipe, places, name = work.paper, work.places, work.paper.registered_name
    facts = collect(recipe, places)
    outcome = gates.check(
        work.config.gates, recipe.decides, facts.gains, facts.for_gates, champion=over_champion(recipe, places, facts)
    )
    card = model_card(recipe, facts, outcome)
    with tracking.run(root, paper, facts.lineage, name) as run:
        version = registry.add_version(
            run,
            name,
            places.export / "model.onnx",
            tags(recipe, facts, outcome),
            card,
            facts=details(recipe, facts),
            about=about(recipe, name, recipe.describe()),
            measured=measured(places, facts),
        )
        aliases = [registry.CHALLENGER]
        registry.set_alias(run.client, name, registry.CHALLENGER, version)
        if gates.passed(outcome) and decisions.undecided(run.client, name):
            registry.set_alias(run.client, name, registry.CHAMPION, version)
            decisions.first_champion(run.client, name, version)
            aliases.append(registry.CHAMPION)
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


def over_champion(recipe: Paper[Any], places: Places, facts: Facts) -> dict[str, Interval] | None:
    """The gains over the present champion, if there is one that was measured on the same data."""
    client = tracking.client(places.root)
    number = registry.alias(client, recipe.registered_name, registry.CHAMPION)
    if number is None:
        return None
    found = decisions.version(client, recipe.registered_name, number)
    if found.tags.get("data.sha256") != facts.manifest["store_sha256"]:
        return None
    means = {name: value for name, value in facts.ours.items() if value is not None}
    return gains_over(client, found, places.evaluation / "frames.csv", means)
