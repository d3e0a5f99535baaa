"""What the evaluation shows: the report's content, the before/after picture, samples, and the metrics' file."""

import csv
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from satsr.evaluate.claim import Claim
from satsr.evaluate.measure import Evaluation, Sample, write_frames
from satsr.evaluate.verdict import Verdict
from satsr.files import read_json
from satsr.imagery.images import write_png
from satsr.pages.closeup import Closeup, closeup, gain_in
from satsr.pages.page import as_rgb
from satsr.pages.panels import Panel, before_after_png, enlarged, overview
from satsr.pages.report import Report, Timeline, write_report
from satsr.paper import Paper
from satsr.project import Places
from satsr.scores import BASELINE, CONSTRAINED, EXPORTED, UNCONSTRAINED, Scores
from satsr.store.store import Store
from satsr.tracking import manifest

LAST = "network"
"""Role of the weights as the last step left them."""
LABELS = {
    "lr": "LR",
    "hr": "HR",
    BASELINE: BASELINE,
    LAST: "last weights",
    EXPORTED: "ours",
    CONSTRAINED: "ours, constrained",
    UNCONSTRAINED: "ours, unconstrained",
}
ROLES = (
    "ours: the running average of the weights, which is what is exported; last weights: as the last step left them, "
    "without a picture of their own."
)
SHOWN = ("lr", BASELINE, EXPORTED, "hr")
CLOSE = 288
"""Width in pixels of the report's close-up."""


def write_pages(
    folder: Path, paper: Paper[Any], places: Places, evaluation: Evaluation, claim: Claim, outcome: Verdict, data: str
) -> None:
    """Writes ``frames.csv``, ``report.html``, ``before_after.png`` and ``samples/`` into ``folder``.

    Args:
        folder: that exists.
        paper: the recipe.
        places: of its files.
        evaluation: what was measured.
        claim: what was published.
        outcome: the verdict on that.
        data: the name of the data set.
    """
    write_frames(evaluation, folder / "frames.csv")
    write_report(folder / "report.html", report(paper, places, evaluation, claim, outcome, data))
    before_after(folder / "before_after.png", foremost(evaluation.samples), paper.decides[0])
    for sample in evaluation.samples:
        for name in SHOWN:
            stem = f"{sample.scene}-{sample.frame}-{LABELS[name].lower()}".replace("/", "-")
            write_png(folder / "samples" / f"{stem}.png", sample.pictures[name])


def foremost(samples: Sequence[Sample]) -> Sample:
    """The sample in whose part (:func:`satsr.pages.closeup.closeup`) most is gained; the first of equally good ones."""

    def gained(sample: Sample) -> float:
        images, part = _part(sample)
        return gain_in(part, images, LABELS[EXPORTED], LABELS[BASELINE])

    return max(samples, key=gained)


def before_after(path: Path, sample: Sample, psnr: str) -> None:
    """The part of a frame in which the gain is seen; under it the ``psnr`` of the whole frame, and the part's gain."""
    images, part = _part(sample)
    words = {LABELS[name]: f"{sample.scores[name][psnr]:.2f} dB" for name in (BASELINE, EXPORTED)}
    gain = gain_in(part, images, LABELS[EXPORTED], LABELS[BASELINE])
    words[LABELS[EXPORTED]] += f"; {gain:+.2f} dB in this part"
    before_after_png(path, images, part, words)


def _part(sample: Sample) -> tuple[dict[str, np.ndarray], Closeup]:
    """The pictures of a frame by their labels, and the part in which the gain is seen."""
    images = {LABELS[name]: sample.pictures[name] for name in SHOWN}
    return images, closeup(images, LABELS[EXPORTED], LABELS[BASELINE])


def heads(samples: Sequence[Sample]) -> list[Panel]:
    """The first panel of a page: the part of the foremost sample in which the gain is seen; none without samples."""
    if not samples:
        return []
    sample = foremost(samples)
    images, part = _part(sample)
    title = f"{sample.scene}, frame {sample.frame}: the part in which the error falls most from the baseline to ours"
    close = {name: enlarged(part.of(image), name, CLOSE) for name, image in images.items()}
    return [Panel(title, close, where=overview(as_rgb(images[LABELS["hr"]]), part, CLOSE))]


def report(
    paper: Paper[Any], places: Places, evaluation: Evaluation, claim: Claim, outcome: Verdict, data: str
) -> Report:
    """The page's content."""
    training, scenes = read_json(places.training / "train.json"), evaluation.scenes()
    methods = told_apart(evaluation.methods())
    return Report(
        title=paper.title,
        paper=paper.citation,
        summary={LABELS[method]: scores for method, scores in methods.items()},
        gains=evaluation.gains(),
        published=claim.shown(),
        comparable=data == claim.data.card,
        runtimes=bool(claim.runtime_ms),
        clips=claim.clip_table({scene: methods[EXPORTED] for scene, methods in scenes.items()}),
        clips_metric=claim.metric,
        verdict=f"{outcome.word.capitalize()}. {outcome.sentence} Published: {claim.source}.",
        scenes={
            scene: {LABELS[method]: scores for method, scores in methods.items()} for scene, methods in scenes.items()
        },
        curves=curves(places.results),
        panels=[
            *heads(evaluation.samples),
            *map(panel, evaluation.samples),
        ],
        timelines=[timeline(sample) for sample in evaluation.samples if sample.timelines],
        manifest={
            **manifest.code(places.root),
            "dataset": data,
            "profile": paper.config.profile,
            **training["identity"],
            "lineage": training["lineage"],
        },
        notes=[
            f"Measured on test, scenes that neither train nor choose anything. {divided(places)}",
            *([ROLES] if LAST in methods else []),
            *([f"Deviations: {paper.deviations}"] if paper.deviations else []),
            *(sentence[0].upper() + sentence[1:] for sentence in paper.departures),
            *drawn(evaluation, paper.decides),
            *evaluation.left_out(),
            *evaluation.notes(),
        ],
    )


def drawn(evaluation: Evaluation, decides: Sequence[str]) -> list[str]:
    """A sentence on several draws: how far what decides differs from one to the other; none for one draw."""
    count, deviation = evaluation.count(), evaluation.deviation()
    if count == 1:
        return []
    each = ", ".join(f"{name} {deviation[name]:.2g}" for name in decides if name in deviation)
    return [
        f"Every scene was measured on {count} draws of other noise, and its scores are their means. The mean over the "
        f"scenes has a standard deviation, from draw to draw, of {each}. Pictures show the first draw."
    ]


def told_apart(methods: dict[str, Scores]) -> dict[str, Scores]:
    """The methods without the last weights where they are the average: a training without one has no others."""
    same = methods.get(LAST) == methods.get(EXPORTED)
    return {name: scores for name, scores in methods.items() if name != LAST or not same}


def panel(sample: Sample) -> Panel:
    """A sample's pictures side by side, with their scores."""
    return Panel(
        f"{sample.scene}, frame {sample.frame}",
        {LABELS[name]: image for name, image in sample.pictures.items() if name != LAST},
        {LABELS[name]: scores for name, scores in sample.scores.items()},
    )


def timeline(sample: Sample) -> Timeline:
    """What becomes of a row of a clip in time, by each method."""
    images = {LABELS[name]: image for name, image in sample.timelines.items() if name != LAST}
    return Timeline(f"{sample.scene}: the middle row of every frame", images)


def divided(places: Places) -> str:
    """How the data were divided, a clause a split."""
    division = Store(places.store).manifest.get("division", {})
    return (
        "; ".join(f"{split}: {division[split].rstrip('.')}" for split in ("train", "val", "test") if split in division)
        + "."
    )


def curves(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """The training's curves by name, as (step, value); those of the average stand with those of the last weights."""
    points: dict[str, list[tuple[float, float]]] = {}
    for name in ("loss", "validation"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                _add(points, row)
    return _together(points)


def _together(points: dict[str, list[tuple[float, float]]]) -> dict[str, list[tuple[float, float]]]:
    """``ours/val_psnr`` and ``last weights/val_psnr`` of ``val_ema_psnr`` and ``val_psnr``, or one of both."""
    found = dict[str, list[tuple[float, float]]]()
    for name, values in points.items():
        average = points.get(name.replace("val_", "val_ema_", 1))
        if name.startswith("val_ema_") and name.replace("ema_", "", 1) in points:
            continue
        if average is None or average is values or average == values:
            found[name] = values
        else:
            found |= {f"{LABELS[EXPORTED]}/{name}": average, f"{LABELS[LAST]}/{name}": values}
    return found


def _add(points: dict[str, list[tuple[float, float]]], row: dict[str, Any]) -> None:
    step = float(row.pop("step"))
    for name, value in row.items():
        if value and isfinite(float(value)):
            points.setdefault(name, []).append((step, float(value)))
