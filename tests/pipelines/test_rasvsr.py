"""RASVSR's recipe: where the published weights come from, the flow's start, and the ablations."""

from pathlib import Path
from typing import Any

import pytest
import torch

import models
from models.shared.weights import save_weights
from pipelines.configs.rasvsr import CONFIG
from pipelines.rasvsr import PAPER
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.errors import SatsrError
from satsr.export.onnx import export, parity
from satsr.files import sha256

ROOT = Path(__file__).resolve().parents[2]
TINY = {"mid_channels": 16, "num_blocks": 1}


def bound(profile: str = "quick", **changes: Any) -> Any:
    return PAPER(resolved(CONFIG, "rasvsr", merged("rasvsr", ROOT, {"profile": profile, **changes})))


def rate(paper: Any, step: int) -> list[float]:
    objective = paper.objective(torch.nn.ModuleDict({"spynet": torch.nn.Linear(1, 1), "rest": torch.nn.Linear(1, 1)}))
    objective.prepare(step)
    return [group["lr"] for group in objective.optimizers["network"].param_groups]


def test_the_full_recipe_ends_at_the_published_weights_with_the_rate_of_the_whole_schedule() -> None:
    paper = bound("paper")
    train = paper.config.train
    assert (train.iterations, train.period, train.ema) == (90_000, 100_000, 0.0)
    assert rate(paper, 90_000) == pytest.approx([2.545211952e-6, 7.094672433e-7])
    assert rate(paper, 1) == pytest.approx([1e-4, 2.5e-5])


def test_the_rate_may_rise_before_it_falls() -> None:
    paper = bound("paper", train={"warmup": 3})
    assert rate(paper, 1) == pytest.approx([0.25e-4, 0.0625e-4])
    assert rate(paper, 4) == pytest.approx(rate(bound("paper"), 4))


@pytest.mark.slow
def test_single_frames_come_first_and_say_nothing_of_motion() -> None:
    torch.manual_seed(0)
    paper = bound(network=TINY, train={"still_until": 1, "shares": 3})
    objective = paper.objective(paper.network())
    batch = {"x": torch.rand(3, 2, 3, 8, 8), "target": torch.rand(3, 2, 3, 32, 32)}
    alignment, last = (objective.networks["network"].get_submodule(name) for name in ("deform_align", "conv_last"))
    for step, moves in ((1, False), (2, True)):
        objective.networks["network"].zero_grad()
        for _, loss in objective.losses(batch, step):
            loss.backward()
        assert all(parameter.grad is not None for parameter in last.parameters())
        assert all((parameter.grad is not None) is moves for parameter in alignment.parameters())


@pytest.mark.slow
def test_flow_from_a_file_is_the_one_that_its_hash_names_and_without_one_nothing_is_reproduced(tmp_path: Path) -> None:
    assert "flow starts at zero" in bound("paper").departures[0]
    torch.manual_seed(1)
    flow = dict(models.build("rasvsr", **TINY).get_submodule("spynet").named_parameters())
    path = tmp_path / "spynet.safetensors"
    save_weights(flow, path)
    given = {"flow_weights": str(path), "flow_sha256": sha256(path)}
    paper = bound(network={**TINY, **given})
    assert not paper.departures
    loaded = dict(paper.network().spynet.named_parameters())
    assert loaded.keys() == flow.keys() and all(torch.equal(loaded[name], flow[name]) for name in flow)
    with pytest.raises(SatsrError, match="has the SHA-256"):
        bound(network={**TINY, **given, "flow_sha256": "0"}).network()
    save_weights({"other": torch.zeros(1)}, path)
    with pytest.raises(SatsrError, match=r"network\.flow_weights cannot be used"):
        bound(network={**TINY, "flow_weights": str(path), "flow_sha256": sha256(path)}).network()


def test_activations_are_computed_again_where_the_training_says_so() -> None:
    assert bound("paper").config.train.recompute
    for recompute in (False, True):
        assert bound(network=TINY, train={"recompute": recompute}).network().recompute is recompute


ABLATIONS = {
    "paper_alignment_flow": "rasvsr-alignment-flow",
    "paper_alignment_none": "rasvsr-alignment-none",
    "paper_fusion_sum": "rasvsr-fusion-sum",
}


@pytest.mark.parametrize(("profile", "name"), ABLATIONS.items())
def test_an_ablation_has_a_name_of_its_own_and_no_published_figure(profile: str, name: str) -> None:
    assert bound(profile).registered_name == bound(profile).published_as == name
    assert bound("paper").registered_name == "rasvsr" and bound("paper").published_as is None


def test_fewer_frames_are_profiles() -> None:
    for frames in (15, 30):
        train = bound(f"paper_frames{frames}").config.train
        assert (train.frames, train.iterations, train.batch) == (frames, 90_000, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "also"), [("paper_alignment_flow", {}), ("paper_alignment_none", {"fusion": "sum"})]
)
def test_an_ablation_exports_what_it_computes(profile: str, also: dict[str, str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    paper = bound(profile, network=TINY | also)
    assert not also or bound("paper_fusion_sum").config.network.fusion == also["fusion"]
    network = paper.network().eval()
    example, axes = paper.example()
    export(paper.graph(network), example, axes, tmp_path / "model.onnx", paper.describe())
    assert parity(network, tmp_path / "model.onnx", paper.parity_cases())["max_abs"] < 1e-4
