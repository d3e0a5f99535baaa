"""Stage 5, evaluate: the weights are measured, compared with what was published, and shown."""

import csv
from pathlib import Path
from typing import Any

from satsr import manifest, tracking
from satsr.evaluate.measure import BASELINE, Evaluation, Verdict, measure, verdict, write_frames
from satsr.files import read_json, replacing, write_json
from satsr.imagery.images import write_png
from satsr.pages.report import Panel, Profile, Report, before_after_png, write_report
from satsr.register.compare import SAMPLES
from satsr.store.store import Store
from steps.export import ROLE
from steps.recipes import Job
from steps.train import trained

LABELS = {"lr": "LR", "hr": "HR", BASELINE: BASELINE, "network": "network", ROLE: "ours"}


def run(job: Job) -> None:
    """Writes ``metrics.json``, the frames' metrics, the report and the before/after picture.

    Raises:
        SatsrError: there is nothing to validate on, or the network gives values that are not finite.
    """
    paper, config, layout = job.paper, job.config, job.layout
    store = Store(layout.store)
    evaluation = measure(paper, config, store, trained(job))
    methods = evaluation.methods()
    dataset = store.manifest["card"].get("name", "unknown")
    outcome = verdict(paper, config, dataset, methods)
    with replacing(layout.evaluation) as folder:
        folder.mkdir()
        write_frames(evaluation, folder / "frames.csv")
        write_report(folder / "report.html", report(job, evaluation, outcome, dataset))
        sample = evaluation.samples[0]
        images = {LABELS[name]: sample.pictures[name] for name in ("lr", BASELINE, ROLE, "hr")}
        psnr, _ = paper.decides
        words = {LABELS[name]: f"{sample.scores[name][psnr]:.2f} dB" for name in (BASELINE, ROLE)}
        before_after_png(folder / "before_after.png", images, words)
        for sample in evaluation.samples:
            for name in ("lr", BASELINE, ROLE, "hr"):
                stem = f"{sample.scene}-{sample.frame}-{LABELS[name].lower()}".replace("/", "-")
                write_png(folder / "samples" / f"{stem}.png", sample.pictures[name])
    write_json(
        layout.metrics,
        {
            "title": paper.title,
            "profile": config.profile,
            "dataset": dataset,
            "decides": list(paper.decides),
            "exported": ROLE,
            "methods": methods,
            "verdict": vars(outcome),
        },
    )
    track(job, methods)


def track(job: Job, methods: dict[str, dict[str, float]]) -> None:
    """Adds the metrics and the report to the MLflow run of the training."""
    layout = job.layout
    lineage = read_json(layout.training / "train.json")["lineage"]
    with tracking.run(layout.root, job.paper.name, lineage) as run:
        run.metrics({f"{method}/{name}": value for method, scores in methods.items() for name, value in scores.items()})
        run.artifact(layout.evaluation / "report.html", "report")
        run.artifact(layout.evaluation / "before_after.png", "report")
        run.artifact(layout.evaluation / "frames.csv", "report")
        for path in sorted((layout.evaluation / "samples").iterdir()):
            run.artifact(path, SAMPLES)


def report(job: Job, evaluation: Evaluation, outcome: Verdict, dataset: str) -> Report:
    """The page's content."""
    paper, config, layout = job.paper, job.config, job.layout
    training = read_json(layout.training / "train.json")
    return Report(
        title=paper.title,
        paper=paper.citation,
        summary={LABELS[method]: scores for method, scores in evaluation.methods().items()},
        published=[{"method": row.method, **row.values} for row in paper.claim.rows],
        verdict=f"{outcome.word.capitalize()}. {outcome.sentence} Published: {paper.claim.source}.",
        scenes={
            scene: {LABELS[method]: scores for method, scores in methods.items()}
            for scene, methods in evaluation.scenes().items()
        },
        curves=curves(layout.results),
        panels=[
            Panel(
                f"{sample.scene}, frame {sample.frame}",
                {LABELS[name]: image for name, image in sample.pictures.items()},
                {LABELS[name]: scores for name, scores in sample.scores.items()},
            )
            for sample in evaluation.samples
        ],
        profiles=[
            Profile(
                f"{sample.scene}: the middle row of every frame",
                {LABELS[name]: image for name, image in sample.profiles.items()},
            )
            for sample in evaluation.samples
            if sample.profiles
        ],
        manifest={
            **manifest.code(layout.root),
            "dataset": dataset,
            "profile": config.profile,
            **training["identity"],
            "lineage": training["lineage"],
        },
        notes=[f"Deviations: {paper.deviations}"] if paper.deviations else [],
    )


def curves(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """The training's curves by name, as (step, value)."""
    points: dict[str, list[tuple[float, float]]] = {}
    for name in ("loss", "validation"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                _add(points, row)
    return points


def _add(points: dict[str, list[tuple[float, float]]], row: dict[str, Any]) -> None:
    step = float(row.pop("step"))
    for name, value in row.items():
        if value:
            points.setdefault(name, []).append((step, float(value)))
