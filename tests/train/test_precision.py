"""Mixed precision (``train.precision=bf16-mixed``) of every paper: products in bfloat16, all else in float32."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from satsr.store.store import Store
from satsr.train.loop import Fitted, fit
from steps.job import Job
from tests import papers, stages

pytestmark = pytest.mark.slow


def tiny(root: Path, paper: str) -> Job:
    """The paper on its embedded scenes, converted, with a tiny network."""
    (card, embedded), changes = papers.TINY[paper]
    text = (stages.ROOT / "data/catalog" / card).read_text()
    for key, value in embedded.items():
        text, count = re.subn(rf"(embedded: .*\b{key}: )(\[[^]]*\]|[^,}}]+)", rf"\g<1>{value}", text)
        assert count == 1 or key not in text
    settings: dict[str, Any] = {}
    for key, value in {**papers.SHORT, **changes}.items():
        section, _, name = key.partition(".")
        settings.setdefault(section, {})[name] = value
    stages.project(root, paper, text, settings)
    return stages.run(root, paper, "download", "convert")


def trained(work: Job, precision: str, folder: Path) -> tuple[Fitted, list[torch.dtype]]:
    """What four steps from the same weights make, and the types of the products of layers."""
    torch.manual_seed(0)
    recipe, store = work.paper, Store(work.places.store)
    network, seen = recipe.network(), list[torch.dtype]()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, inputs, made: seen.append(made.dtype))
    settings = work.config.train.model_copy(update={"precision": precision, "validate_every": 4})
    return fit(recipe.objective(network), recipe.samples(store), settings, folder, lambda networks: {"l1": 0.0}), seen


@pytest.mark.parametrize("paper", papers.TINY)
def test_losses_and_weights_of_mixed_precision_are_those_of_single_within_a_fiftieth(
    paper: str, tmp_path: Path
) -> None:
    work = tiny(tmp_path, paper)
    (single, whole), (mixed, half) = (
        trained(work, precision, tmp_path / precision) for precision in ("32-true", "bf16-mixed")
    )
    assert set(whole) == {torch.float32} and torch.bfloat16 in half
    assert not mixed.skipped and mixed.steps == single.steps == 4
    (first, second) = ([row["loss"] for row in fitted.curves if "loss" in row] for fitted in (single, mixed))
    assert first != second and second == pytest.approx(first, rel=0.02)
    assert all(value.dtype != torch.bfloat16 for role in mixed.weights.values() for value in role.values())
