"""Stage 5, evaluate: the weights are measured, compared with what was published, and shown."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from satsr import tracking
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.evaluate.claim import Claim, load_claim
from satsr.evaluate.conditions import Run, as_trained, conditions
from satsr.evaluate.headline import write
from satsr.evaluate.measure import Evaluation, measure
from satsr.evaluate.page import write_pages
from satsr.evaluate.verdict import Verdict, verdict
from satsr.files import read_json, replacing, write_json
from satsr.project import Places
from satsr.scores import EXPORTED, Scores, unheld
from satsr.store.fingerprint import fingerprint, references_sha256
from satsr.store.store import Store
from satsr.train.devices import device
from satsr.train.weights import APPLICABLE, trained
from steps.job import Job, job


def run(paper: str, root: Path) -> None:
    """Writes ``metrics.json``, ``headline.json``, the frames' metrics, what they were measured on, the report, and the
    before/after picture.

    Raises:
        SatsrError: no training has finished, there is nothing to test on, or the network gives values that are not
            finite.
    """
    work = job(paper, root)
    recipe, config, places = work.paper, work.config, work.places
    store, claim = Store(places.store), load_claim(root, paper)
    evaluation = measure(recipe, store, {role: trained(recipe, places, role, device()) for role in APPLICABLE})
    for sentence in evaluation.left_out():
        print(f"evaluate: {sentence}", file=sys.stderr, flush=True)
    methods = evaluation.methods()
    data = store.manifest["card"].get("name", "unknown")
    draws = evaluation.count()
    outcome = judged(work, claim, store, evaluation)
    with replacing(places.evaluation) as folder:
        folder.mkdir()
        write_json(folder / "data.json", fingerprint(store))
        write_pages(folder, recipe, places, evaluation, claim, outcome, data)
    write_json(
        places.metrics,
        {
            "title": recipe.title,
            "profile": config.profile,
            "dataset": data,
            "split": "test",
            "decides": list(recipe.decides),
            "exported": EXPORTED,
            "methods": methods,
            "gains": {name: asdict(gain) for name, gain in evaluation.gains().items()},
            "left_out": evaluation.left_out(),
            **({"draws": {"count": draws, "deviation": evaluation.deviation()}} if draws > 1 else {}),
            "verdict": vars(outcome),
        },
    )
    write(places)
    track(paper, places, methods)


def judged(work: Job, claim: Claim, store: Store, evaluation: Evaluation) -> Verdict:
    """The verdict on what was published of this configuration."""
    name = work.paper.published_as or claim.method
    scenes = {scene: unheld(methods) for scene, methods in evaluation.scenes().items()}
    found = conditions(claim, made(work, claim.profile(name), store, len(scenes)))
    return verdict(claim, name, found, unheld(evaluation.methods()), scenes, evaluation.spans())


def made(work: Job, profile: str, store: Store, scenes: int) -> Run:
    """What the run was, beside the profile to which the published figure belongs."""
    config, places = work.config, work.places
    identity: dict[str, Any] = read_json(places.training / "train.json")["identity"]
    values = merged(places.paper, places.root, {"profile": profile, "data": config.data})
    return Run(
        config=as_trained(config, identity),
        own=resolved(type(config), places.paper, values).model_dump(mode="json"),
        card=store.manifest["card"].get("name", "unknown"),
        scenes=scenes,
        references_sha256=references_sha256(store),
        trained_on_it=identity["data"] == store.manifest["data"]["sha256"],
        departures=work.paper.departures,
    )


def track(paper: str, places: Places, methods: dict[str, Scores]) -> None:
    """Adds the metrics and the report to the MLflow run of the training."""
    lineage = read_json(places.training / "train.json")["lineage"]
    with tracking.run(places.root, paper, lineage) as run:
        run.metrics({f"{method}/{name}": value for method, scores in methods.items() for name, value in scores.items()})
        for name in ("report.html", "before_after.png", "frames.csv"):
            run.artifact(places.evaluation / name, "report")
        for path in sorted((places.evaluation / "samples").iterdir()):
            run.artifact(path, tracking.SAMPLES)
