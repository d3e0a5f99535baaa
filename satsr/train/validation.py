"""The short validation inside training. It informs; whatever it meets, the training goes on."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from satsr.errors import SatsrError
from satsr.metrics.undefined import warn
from satsr.paper import Paper
from satsr.scores import Scores, mean
from satsr.store.store import Scene, Store

CURVES = ("psnr", "ssim")
"""What the curves of the two metrics that decide are called, whatever their convention."""


def validator(paper: Paper[Any], store: Store) -> Callable[[Mapping[str, nn.Module]], Scores]:
    """The short validation inside training: the first validation scenes, the metrics that are watched.

    A metric without a value is NaN on the curve, and its reason is said on the terminal.
    """
    scenes = store.scenes("val")[: paper.config.train.validate_scenes]
    names = dict(zip(paper.decides, CURVES, strict=True))

    def validate(networks: Mapping[str, nn.Module]) -> Scores:
        scores = mean([row for scene in scenes for row in _rows(paper, networks["network"], scene)])
        return {names.get(name, name.split("_")[0]): scores.get(name, float("nan")) for name in paper.watched}

    return validate


def _rows(paper: Paper[Any], network: nn.Module, scene: Scene) -> list[Scores]:
    """The scores of one scene; none, with a line, if it cannot be measured."""
    try:
        return paper.glimpse(network, scene)
    except SatsrError as error:
        warn(f"train: the validation on {scene.id} gives no numbers ({error}); the training goes on.")
        return []
