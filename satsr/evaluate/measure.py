"""Measuring: every validation scene, every method, per frame, then per scene, then over the scenes."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from satsr.config import Config
from satsr.errors import SatsrError
from satsr.paper import Paper, Scores
from satsr.progress import Bar
from satsr.store.store import Scene, Store

BASELINE = "bicubic"


@dataclass
class Sample:
    """The pictures of one frame: by method, and the scene's own, with the scores of that frame."""

    scene: str
    frame: int
    pictures: dict[str, np.ndarray]
    scores: dict[str, Scores]
    profiles: dict[str, np.ndarray]


@dataclass
class Evaluation:
    """What was measured."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def scenes(self) -> dict[str, dict[str, Scores]]:
        """Means over the frames of each scene: scene -> method -> metric."""
        table: dict[str, dict[str, list[Scores]]] = {}
        for row in self.frames:
            scores = {key: value for key, value in row.items() if key not in ("scene", "frame", "method")}
            table.setdefault(row["scene"], {}).setdefault(row["method"], []).append(scores)
        return {scene: {m: mean(rows) for m, rows in methods.items()} for scene, methods in table.items()}

    def methods(self) -> dict[str, Scores]:
        """Means over the scenes: method -> metric."""
        collected: dict[str, list[Scores]] = {}
        for methods in self.scenes().values():
            for method, scores in methods.items():
                collected.setdefault(method, []).append(scores)
        return {method: mean(rows) for method, rows in collected.items()}


def mean(rows: list[Scores]) -> Scores:
    """Mean of each metric over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def measure(paper: Paper, config: Config, store: Store, networks: Mapping[str, nn.Module]) -> Evaluation:
    """Runs baseline and networks over the whole validation split.

    Raises:
        SatsrError: the store has no validation scenes, or a network gives values that are not finite.
    """
    scenes = store.scenes("val")
    if not scenes:
        raise SatsrError("the store has no validation scenes: set convert.val_share, or add a val folder to the data.")
    result = Evaluation()
    with Bar("evaluate", len(scenes) * (1 + len(networks))) as bar:
        for index, scene in enumerate(scenes):
            sample = None
            for method in (BASELINE, *networks):
                output = _output(paper, config, scene, networks.get(method))
                rows = paper.score(config, scene, output)
                result.frames += [
                    {"scene": scene.id, "frame": frame, "method": method, **row} for frame, row in enumerate(rows)
                ]
                if index < config.evaluate.panels:
                    sample = sample or _sample(paper, config, scene, len(rows))
                    _show(sample, method, paper.pictures(config, scene, output, method), rows)
                bar.advance(note=scene.id)
            if sample:
                result.samples.append(sample)
    return result


def _output(paper: Paper, config: Config, scene: Scene, network: nn.Module | None) -> np.ndarray:
    if network is None:
        return paper.baseline(config, scene)
    output = paper.run(network, paper.inputs(config, scene))
    if not np.isfinite(output).all():
        raise SatsrError(f"the network's output for {scene.id} is not finite: the training has diverged.")
    return output


def _sample(paper: Paper, config: Config, scene: Scene, count: int) -> Sample:
    frame = count // 2
    sample = Sample(scene.id, frame, {}, {}, {})
    for role in ("lr", "hr"):
        pictures = paper.pictures(config, scene, None, role)
        sample.pictures[role] = pictures[min(frame, len(pictures) - 1)]
        if role == "hr" and len(pictures) > 1:
            sample.profiles["hr"] = pictures[:, pictures.shape[1] // 2]
    return sample


def _show(sample: Sample, method: str, pictures: np.ndarray, rows: list[Scores]) -> None:
    sample.pictures[method] = pictures[sample.frame]
    sample.scores[method] = rows[sample.frame]
    if len(pictures) > 1:
        sample.profiles[method] = pictures[:, pictures.shape[1] // 2]


def validator(paper: Paper, config: Config, store: Store) -> Callable[[Mapping[str, nn.Module]], Scores]:
    """The short validation inside training: the first validation scenes, the metrics that are watched."""
    scenes = store.scenes("val")[: paper.glimpses(config)]

    def validate(networks: Mapping[str, nn.Module]) -> Scores:
        rows = [row for scene in scenes for row in paper.glimpse(networks["network"], config, scene)]
        scores = mean(rows)
        return {name.split("_")[0]: scores[name] for name in paper.watched if name in scores}

    return validate


def write_frames(evaluation: Evaluation, path: Path) -> None:
    """Every frame's metrics as CSV."""
    columns = list(dict.fromkeys(key for row in evaluation.frames for key in row))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(evaluation.frames)


@dataclass(frozen=True)
class Verdict:
    """Whether a published result was reproduced."""

    word: str
    sentence: str


def verdict(paper: Paper, config: Config, dataset: str, methods: Mapping[str, Scores]) -> Verdict:
    """Reproduced within tolerance, not reproduced, not comparable, or no published figure; and why."""
    claim, name = paper.claim, paper.published_as(config)
    published = next((row.values[claim.metric] for row in claim.rows if row.method == name), None)
    if published is None:
        return Verdict("no published figure", f"There is no known {claim.metric} of {name} to compare with.")
    if not claim.repeatable:
        return Verdict(
            "not comparable", f"The published {published:.3f} dB of {name} was measured on data that are not public."
        )
    ours = max(scores[claim.metric] for method, scores in methods.items() if method != BASELINE)
    if dataset != claim.dataset or config.profile != "paper":
        return Verdict(
            "not comparable",
            f"The published {published:.3f} dB belongs to {claim.dataset} and the full recipe; this run used "
            f"{dataset} and the profile {config.profile}.",
        )
    difference = ours - published
    word = "reproduced" if difference >= -config.evaluate.tolerance_db else "not reproduced"
    return Verdict(
        word,
        f"{claim.metric} is {ours:.3f} dB, {difference:+.3f} dB from the published {published:.3f} dB "
        f"(tolerance {config.evaluate.tolerance_db:.2f} dB).",
    )
