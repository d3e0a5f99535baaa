"""Measuring: every validation scene, every method, per frame, then per scene, then over the scenes."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from satsr.errors import SatsrError
from satsr.evaluate.radiometry import consistencies, variants
from satsr.paper import Paper
from satsr.progress import Bar
from satsr.scores import BASELINE, Scores, mean
from satsr.store.store import Scene, Store


@dataclass
class Sample:
    """The pictures of one frame: by method, and the scene's own, with the scores of that frame."""

    scene: str
    frame: int
    pictures: dict[str, np.ndarray]
    scores: dict[str, Scores]
    timelines: dict[str, np.ndarray]


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


def measure(paper: Paper[Any], store: Store, networks: Mapping[str, nn.Module]) -> Evaluation:
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
                output = _output(paper, scene, networks.get(method))
                for name, shown, written in variants(paper, scene, method, output):
                    rows = _merged(paper.score(scene, shown), consistencies(paper, scene, written))
                    result.frames += [
                        {"scene": scene.id, "frame": frame, "method": name, **row} for frame, row in enumerate(rows)
                    ]
                    if index < paper.config.evaluate.panels:
                        sample = sample or _sample(paper, scene, len(rows))
                        _show(sample, name, paper.pictures(scene, shown, name), rows)
                bar.advance(note=scene.id)
            if sample:
                result.samples.append(sample)
    return result


def _merged(rows: list[Scores], more: list[Scores]) -> list[Scores]:
    return [{**row, **other} for row, other in zip(rows, more, strict=True)]


def _output(paper: Paper[Any], scene: Scene, network: nn.Module | None) -> np.ndarray:
    if network is None:
        return paper.baseline(scene)
    output = paper.run(network, paper.inputs(scene))
    if not np.isfinite(output).all():
        raise SatsrError(f"the network's output for {scene.id} is not finite: the training has diverged.")
    return output


def _sample(paper: Paper[Any], scene: Scene, count: int) -> Sample:
    frame = count // 2
    sample = Sample(scene.id, frame, {}, {}, {})
    for role in ("lr", "hr"):
        pictures = paper.pictures(scene, None, role)
        sample.pictures[role] = pictures[min(frame, len(pictures) - 1)]
        if role == "hr" and len(pictures) > 1:
            sample.timelines["hr"] = pictures[:, pictures.shape[1] // 2]
    return sample


def _show(sample: Sample, method: str, pictures: np.ndarray, rows: list[Scores]) -> None:
    sample.pictures[method] = pictures[sample.frame]
    sample.scores[method] = rows[sample.frame]
    if len(pictures) > 1:
        sample.timelines[method] = pictures[:, pictures.shape[1] // 2]


def write_frames(evaluation: Evaluation, path: Path) -> None:
    """Every frame's metrics as CSV."""
    columns = list(dict.fromkeys(key for row in evaluation.frames for key in row))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(evaluation.frames)
