"""The short validation inside training."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from satsr.paper import Paper
from satsr.scores import Scores, mean
from satsr.store.store import Store


def validator(paper: Paper[Any], store: Store) -> Callable[[Mapping[str, nn.Module]], Scores]:
    """The short validation inside training: the first validation scenes, the metrics that are watched."""
    scenes = store.scenes("val")[: paper.glimpses]

    def validate(networks: Mapping[str, nn.Module]) -> Scores:
        rows = [row for scene in scenes for row in paper.glimpse(networks["network"], scene)]
        scores = mean(rows)
        return {name.split("_")[0]: scores[name] for name in paper.watched if name in scores}

    return validate
