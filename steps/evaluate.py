"""Stage 5, evaluate: the weights are measured, compared with what was published, and shown."""

from pathlib import Path

from satsr import tracking
from satsr.evaluate.measure import measure
from satsr.evaluate.page import write_pages
from satsr.evaluate.verdict import load_claim, verdict
from satsr.files import read_json, replacing, write_json
from satsr.project import Places
from satsr.scores import EXPORTED, Scores, bare
from satsr.store.store import Store
from satsr.train.weights import APPLICABLE, trained
from steps.job import job


def run(paper: str, root: Path) -> None:
    """Writes ``metrics.json``, the frames' metrics, the report and the before/after picture.

    Raises:
        SatsrError: there is nothing to validate on, or the network gives values that are not finite.
    """
    work = job(paper, root)
    recipe, config, places = work.paper, work.config, work.places
    store, claim = Store(places.store), load_claim(root, paper)
    evaluation = measure(recipe, store, {role: trained(recipe, places, role) for role in APPLICABLE})
    methods = evaluation.methods()
    data = store.manifest["card"].get("name", "unknown")
    name = recipe.published_as or claim.method
    outcome = verdict(claim, name, config.profile, data, bare(methods), config.evaluate.tolerance_db)
    with replacing(places.evaluation) as folder:
        folder.mkdir()
        write_pages(folder, recipe, places, evaluation, claim, outcome, data)
    write_json(
        places.metrics,
        {
            "title": recipe.title,
            "profile": config.profile,
            "dataset": data,
            "decides": list(recipe.decides),
            "exported": EXPORTED,
            "methods": methods,
            "verdict": vars(outcome),
        },
    )
    track(paper, places, methods)


def track(paper: str, places: Places, methods: dict[str, Scores]) -> None:
    """Adds the metrics and the report to the MLflow run of the training."""
    lineage = read_json(places.training / "train.json")["lineage"]
    with tracking.run(places.root, paper, lineage) as run:
        run.metrics({f"{method}/{name}": value for method, scores in methods.items() for name, value in scores.items()})
        for name in ("report.html", "before_after.png", "frames.csv"):
            run.artifact(places.evaluation / name, "report")
        for path in sorted((places.evaluation / "samples").iterdir()):
            run.artifact(path, tracking.SAMPLES)
