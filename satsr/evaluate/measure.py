"""Measuring: every validation scene, every method, per frame, then per scene, then over the scenes."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from satsr.errors import SatsrError
from satsr.paper import Paper
from satsr.progress import Bar
from satsr.scores import BASELINE, Scores, complete, paired
from satsr.store.store import Scene, Store

PLACE = ("scene", "frame", "method")
"""Columns of ``frames.csv`` that are no metrics."""
SHOWN = 5


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
        """Means over the frames of each scene, the same frames for all methods: scene -> method -> metric."""
        return {scene: paired(frames) for scene, frames in self._frames().items()}

    def methods(self) -> dict[str, Scores]:
        """Means over the scenes, the same scenes for all methods: method -> metric."""
        return paired(list(self.scenes().values()))

    def left_out(self) -> list[str]:
        """A sentence for each metric that is infinite or missing somewhere: where, and what its means are over."""
        scenes = self._frames()
        names = dict.fromkeys(key for row in self.frames for key in row if key not in PLACE)
        return [line for name in names if (line := _left_out(name, scenes))]

    def _frames(self) -> dict[str, list[dict[str, Scores]]]:
        """Scene -> of each frame, method -> metric."""
        table: dict[str, dict[int, dict[str, Scores]]] = {}
        for row in self.frames:
            scores = {key: value for key, value in row.items() if key not in PLACE}
            table.setdefault(row["scene"], {}).setdefault(row["frame"], {})[row["method"]] = scores
        return {scene: list(frames.values()) for scene, frames in table.items()}


def measure(paper: Paper[Any], store: Store, networks: Mapping[str, nn.Module]) -> Evaluation:
    """Runs baseline and networks over the whole validation split; networks with equal weights are run once.

    Raises:
        SatsrError: the store has no validation scenes, or a network gives values that are not finite.
    """
    scenes = store.scenes("val")
    if not scenes:
        raise SatsrError("the store has no validation scenes: set convert.val_share, or add a val folder to the data.")
    result, twins = Evaluation(), equals(networks)
    with Bar("evaluate", len(scenes) * (1 + len(networks))) as bar:
        for index, scene in enumerate(scenes):
            sample = None
            found: dict[str, tuple[np.ndarray, list[Scores]]] = {}
            for method in (BASELINE, *networks):
                output, rows = found.get(twins.get(method, method)) or _measured(paper, scene, networks.get(method))
                found[method] = output, rows
                result.frames += [
                    {"scene": scene.id, "frame": frame, "method": method, **row} for frame, row in enumerate(rows)
                ]
                if index < paper.config.evaluate.panels:
                    sample = sample or _sample(paper, scene, len(rows))
                    _show(sample, method, paper.pictures(scene, output, method), rows)
                bar.advance(note=scene.id)
            if sample:
                result.samples.append(sample)
    return result


def equals(networks: Mapping[str, nn.Module]) -> dict[str, str]:
    """Role -> an earlier role with the very same weights, for the roles that have one (``ema: 0``)."""
    states = {role: network.state_dict() for role, network in networks.items()}
    found: dict[str, str] = {}
    for role, state in states.items():
        for other in [name for name in states if name not in found]:
            if other == role:
                break
            if all(torch.equal(value, states[other][name]) for name, value in state.items()):
                found[role] = other
                break
    return found


def _measured(paper: Paper[Any], scene: Scene, network: nn.Module | None) -> tuple[np.ndarray, list[Scores]]:
    output = _output(paper, scene, network)
    return output, paper.score(scene, output)


def _left_out(name: str, scenes: Mapping[str, list[dict[str, Scores]]]) -> str:
    """Where the metric ``name`` is not finite for all methods; empty if it is everywhere that it is measured."""
    measured = {key: [f for f in frames if any(name in s for s in f.values())] for key, frames in scenes.items()}
    measured = {key: frames for key, frames in measured.items() if frames}
    whole = {key: len(complete(frames, name)) for key, frames in measured.items()}
    short = [f"{key} ({len(frames) - whole[key]})" for key, frames in measured.items() if whole[key] < len(frames)]
    if not short:
        return ""
    kept = sum(count > 0 for count in whole.values())
    over = f"{kept} of {len(measured)} scenes" if kept else "what each method has by itself"
    more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
    return (
        f"{name} is infinite or has no value for a method on {', '.join(short[:SHOWN])}{more} (in brackets: frames): "
        f"these frames are left out for all methods, and the means are over {over}."
    )


def _output(paper: Paper[Any], scene: Scene, network: nn.Module | None) -> np.ndarray:
    if network is None:
        return paper.baseline(scene)
    try:
        return paper.run(network, paper.inputs(scene))
    except SatsrError as error:
        raise SatsrError(f"on the scene {scene.id}, {error}") from None


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
