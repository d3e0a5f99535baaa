"""Measuring: every test scene, every method, per frame, then per scene, then over the scenes."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from satsr.errors import SatsrError
from satsr.evaluate import intervals
from satsr.evaluate.further import Further, chosen, shared
from satsr.paper import Paper
from satsr.progress import Bar
from satsr.scores import BASELINE, EXPORTED, Interval, Scores, mean
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
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further metrics that a scene has not: metric -> scene -> reason."""

    def add(
        self,
        scene: str,
        rows: Mapping[str, Sequence[Scores]],
        more: Mapping[str, Sequence[Scores]],
        reasons: Mapping[str, str],
    ) -> None:
        """Takes in one scene: the rows of each method, its further metrics, and why some are absent."""
        for method, frames in rows.items():
            self.frames += [
                {"scene": scene, "frame": frame, "method": method, **row, **extra}
                for frame, (row, extra) in enumerate(zip(frames, more[method], strict=True))
            ]
        for metric, reason in reasons.items():
            self.absent.setdefault(metric, {})[scene] = reason

    def notes(self) -> list[str]:
        """A sentence for each metric that some scenes have not."""
        return [
            f"{metric} is not measured in {len(scenes)} of {len(self.scenes())} scenes ({', '.join(scenes)}): {reason}"
            for metric, of in self.absent.items()
            for reason, scenes in _by_reason(of).items()
        ]

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

    def gains(self) -> dict[str, Interval]:
        """What the exported network gains over the baseline, with its interval: metric -> interval."""
        before, after = (intervals.frames_of(self.frames, method) for method in (BASELINE, EXPORTED))
        return intervals.gains(before, after)


def _by_reason(absent: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason -> scenes."""
    found: dict[str, list[str]] = {}
    for scene, reason in absent.items():
        found.setdefault(reason, []).append(scene)
    return found


def measure(paper: Paper[Any], store: Store, networks: Mapping[str, nn.Module]) -> Evaluation:
    """Runs baseline and networks over the whole test split.

    Raises:
        SatsrError: the store has no test scenes, or a network gives values that are not finite.
    """
    scenes = store.scenes("test")
    if not scenes:
        raise SatsrError(
            "the store has no test scenes to measure on: add a test folder to the data, or more scenes to take some of "
            "(convert.test_share), and run convert again."
        )
    result = Evaluation()
    groups = chosen(paper.config.evaluate.metrics, paper)
    card = store.manifest["card"]
    pixel_m = card["lr_pixel_m"] / card["scale"] if "lr_pixel_m" in card else None
    with Bar("evaluate", len(scenes) * (1 + len(networks))) as bar:
        for index, scene in enumerate(scenes):
            sample, further = None, Further(paper, scene, groups, pixel_m)
            rows: dict[str, list[Scores]] = {}
            more: dict[str, list[Scores]] = {}
            for method in (BASELINE, *networks):
                output = _output(paper, scene, networks.get(method))
                rows[method], more[method] = paper.score(scene, output), further.score(output)
                if index < paper.config.evaluate.panels:
                    sample = sample or _sample(paper, scene, len(rows[method]))
                    _show(sample, method, paper.pictures(scene, output, method), rows[method])
                bar.advance(note=scene.id)
            result.add(scene.id, rows, shared(more), further.reasons)
            if sample:
                result.samples.append(sample)
    return result


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
