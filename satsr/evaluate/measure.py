"""Measuring: every test scene, every method, per frame, then per scene, then over the scenes."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from satsr.errors import SatsrError
from satsr.evaluate import intervals
from satsr.evaluate.further import Further, chosen, shared
from satsr.evaluate.radiometry import consistencies, variants
from satsr.paper import Paper
from satsr.progress import Bar
from satsr.scores import BASELINE, EXPORTED, Interval, Scores, complete, mean, paired, unheld
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
    further: set[str] = field(default_factory=set)
    """Names of the further metrics."""
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further metrics that a scene has not: metric -> scene -> reason."""
    draws: list[dict[str, list[Scores]]] = field(default_factory=list)
    """Of each scene, by method, the means over the frames of every draw: one unless the paper draws more."""

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
        self.further |= {name for scores in more.values() for row in scores for name in row}
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
        """Means over the frames of each scene, the same frames for all methods: scene -> method -> metric."""
        return {scene: paired(frames) for scene, frames in self._frames().items()}

    def methods(self) -> dict[str, Scores]:
        """Means over the scenes, the same scenes for all methods: method -> metric."""
        return paired(list(self.scenes().values()))

    def left_out(self) -> list[str]:
        """A sentence for each metric that is infinite or missing somewhere: where, and what its means are over."""
        scenes = self._frames()
        names = dict.fromkeys(key for row in self.frames for key in row if key not in (*PLACE, *self.further))
        return [line for name in names if (line := _left_out(name, scenes))]

    def _frames(self) -> dict[str, list[dict[str, Scores]]]:
        """Scene -> of each frame, method -> metric."""
        table: dict[str, dict[int, dict[str, Scores]]] = {}
        for row in self.frames:
            scores = {key: value for key, value in row.items() if key not in PLACE}
            table.setdefault(row["scene"], {}).setdefault(row["frame"], {})[row["method"]] = scores
        return {scene: list(frames.values()) for scene, frames in table.items()}

    def gains(self) -> dict[str, Interval]:
        """What the exported network gains over the baseline, with its interval: metric -> interval."""
        before, after = (intervals.frames_of(self.frames, method) for method in (BASELINE, EXPORTED))
        return intervals.gains(before, after)

    def count(self) -> int:
        """How many draws of the networks every scene was measured on."""
        return max((len(each) for methods in self.draws for each in methods.values()), default=1)

    def deviation(self) -> Scores:
        """How far the exported network's means over the scenes differ from draw to draw: the standard deviation by
        metric; empty where there is one draw, as of all networks but those that are given noise.
        """
        if self.count() == 1:
            return {}
        each = [mean(scenes) for scenes in zip(*(methods[EXPORTED] for methods in self.draws), strict=True)]
        names = [name for name in each[0] if all(isfinite(row[name]) for row in each)]
        return {name: float(np.std([row[name] for row in each], ddof=1)) for name in names}

    def spans(self) -> dict[str, tuple[float, float]]:
        """The interval of the exported network's own mean over the scenes, of the metrics that have one."""
        scenes = {scene: unheld(methods)[EXPORTED] for scene, methods in self.scenes().items()}
        names = dict.fromkeys(name for scores in scenes.values() for name in scores)
        found = {name: _span({key: row[name] for key, row in scenes.items() if name in row}) for name in names}
        return {name: span for name, span in found.items() if span is not None}


def _span(values: Mapping[str, float]) -> tuple[float, float] | None:
    found = intervals.interval_of_mean(values)
    return None if found.low is None or found.high is None else (found.low, found.high)


def _by_reason(absent: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason -> scenes."""
    found: dict[str, list[str]] = {}
    for scene, reason in absent.items():
        found.setdefault(reason, []).append(scene)
    return found


def measure(paper: Paper[Any], store: Store, networks: Mapping[str, nn.Module]) -> Evaluation:
    """Runs baseline and networks over the whole test split; networks with equal weights are run once.

    Raises:
        SatsrError: the store has no test scenes, or a network gives values that are not finite.
    """
    scenes = store.scenes("test")
    if not scenes:
        raise SatsrError(
            "the store has no test scenes to measure on: add a test folder to the data, or more scenes to take some of "
            "(convert.test_share), and run convert again."
        )
    result, twins = Evaluation(), equals(networks)
    groups = chosen(paper.config.evaluate.metrics, paper)
    card = store.manifest["card"]
    pixel_m = card["lr_pixel_m"] / card["scale"] if "lr_pixel_m" in card else None
    with Bar("evaluate", len(scenes) * (1 + len(networks))) as bar:
        for index, scene in enumerate(scenes):
            sample, further = None, Further(paper, scene, groups, pixel_m)
            outputs: dict[str, list[np.ndarray]] = {}
            rows: dict[str, list[Scores]] = {}
            more: dict[str, list[Scores]] = {}
            each: dict[str, list[Scores]] = {}
            for method in (BASELINE, *networks):
                twin = twins.get(method)
                drawn = outputs[method] = _drawn(paper, scene, networks.get(method)) if twin is None else outputs[twin]
                for found in zip(*(variants(paper, scene, method, output) for output in drawn), strict=True):
                    name, shown, _ = found[0]
                    if twin is not None and shown is drawn[0]:
                        rows[name], more[name], each[name] = rows[twin], more[twin], each[twin]
                    else:
                        scores = [
                            _merged(paper.score(scene, output), consistencies(paper, scene, written))
                            for _, output, written in found
                        ]
                        rows[name], each[name] = _averaged(scores), [mean(frames) for frames in scores]
                        more[name] = _averaged([further.score(output) for _, output, _ in found])
                    if index < paper.config.evaluate.panels:
                        sample = sample or _sample(paper, scene, len(rows[name]))
                        _show(sample, name, paper.pictures(scene, shown, name), rows[name])
                bar.advance(note=scene.id)
            result.add(scene.id, rows, shared(more), further.reasons)
            result.draws.append(each)
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


def _merged(rows: list[Scores], more: list[Scores]) -> list[Scores]:
    return [{**row, **other} for row, other in zip(rows, more, strict=True)]


def _averaged(draws: Sequence[list[Scores]]) -> list[Scores]:
    """Of each frame, the means over the draws."""
    return draws[0] if len(draws) == 1 else [mean(rows) for rows in zip(*draws, strict=True)]


def _drawn(paper: Paper[Any], scene: Scene, network: nn.Module | None) -> list[np.ndarray]:
    if network is None:
        return [paper.baseline(scene)]
    try:
        return paper.draws(network, scene)
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
