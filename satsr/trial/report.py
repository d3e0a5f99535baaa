"""What was measured on the user's pairs: a short table for the terminal, and a folder with the report."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from satsr.evaluate.measure import write_frames
from satsr.evaluate.page import LABELS, before_after, foremost, heads, panel, timeline
from satsr.files import disk_errors, replacing, write_json
from satsr.locks import locked
from satsr.pages import further, gains
from satsr.pages.page import metric
from satsr.pages.report import Report, write_report
from satsr.scores import BASELINE, EXPORTED
from satsr.trial import scores
from satsr.trial.measure import Trial
from satsr.upscale.results import own

NOTE = (
    "Measured on pairs of the user's own, each through satsr upscale as it would be applied. References are taken as "
    "they are: their radiometry is not matched to the input's, so a difference of brightness between the two counts, "
    "unless a metric is blind to it (cPSNR, cSSIM) or a note below says otherwise."
)
SHOWN = 4
"""Metrics of the table."""


def table(trial: Trial) -> str:
    """A row per metric, the first ones: bicubic, the model and the gain with its interval; a claim below them."""
    methods, found = trial.methods, trial.gains
    names = [name for name in further.main(methods[EXPORTED]) if not name.startswith("consistency_")][:SHOWN]
    rows = [["", BASELINE, "model", "gain, 95 %"]]
    for name in names:
        values = (metric(name).text(methods[method][name], brief=True) for method in (BASELINE, EXPORTED))
        rows.append([name, *values, gains.brief(name, found[name])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    first = scores.decides(trial.model.facts)[0]
    return "\n".join([*lines, f"{gains.claim(first, found[first], BASELINE)}."])


def write(folder: Path, trial: Trial, tags: Mapping[str, str], overwrite: bool = False) -> None:
    """Writes ``report.html``, ``before_after.png``, ``frames.csv`` and ``metrics.json`` into a folder, at once.

    Args:
        folder: new, or what an earlier measurement wrote.
        trial: what was measured.
        tags: what made it, of what.
        overwrite: whether what an earlier measurement wrote may be replaced.

    Raises:
        SatsrError: something is in the folder's place by now that may not be replaced, or the disk refuses.
    """
    first = scores.decides(trial.model.facts)[0]
    with disk_errors(f"writing {folder}"), locked(folder), replacing(folder) as temporary:
        temporary.mkdir()
        write_frames(trial.evaluation, temporary / "frames.csv")
        write_report(temporary / "report.html", report(trial, tags))
        before_after(temporary / "before_after.png", foremost(trial.evaluation.samples), first)
        write_json(temporary / "metrics.json", numbers(trial, tags))
        own.write_manifest(temporary, tags)
        own.require_free(folder, overwrite, folder=True)


def numbers(trial: Trial, tags: Mapping[str, str]) -> dict[str, object]:
    """What ``metrics.json`` holds: means by method over the pairs, gains with their intervals, what was measured."""
    return {
        "decides": list(scores.decides(trial.model.facts)),
        "methods": {LABELS[name]: row for name, row in trial.methods.items()},
        "gains": {name: asdict(gain) for name, gain in trial.gains.items()},
        "left_out": trial.evaluation.left_out(),
        "made": dict(tags),
    }


def report(trial: Trial, tags: Mapping[str, str]) -> Report:
    """The page's content."""
    model, evaluation = trial.model, trial.evaluation
    return Report(
        title=f"{model.name} on pairs of your own",
        paper=model.facts.citation,
        summary={LABELS[method]: row for method, row in trial.methods.items()},
        headline=scores.decides(model.facts)[0],
        gains=trial.gains,
        scenes={
            scene: {LABELS[method]: row for method, row in methods.items()}
            for scene, methods in evaluation.scenes().items()
        },
        panels=[*heads(evaluation.samples), *map(panel, evaluation.samples)],
        timelines=[timeline(sample) for sample in evaluation.samples if sample.timelines],
        manifest={name.removeprefix(own.MARK).lower(): text for name, text in tags.items()},
        notes=[NOTE, *trial.notes, *evaluation.left_out(), *evaluation.notes()],
    )
