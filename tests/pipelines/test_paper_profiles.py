"""Every paper's full recipe starts: its own network and data of the published form and size, a step of training."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.shared.weights import save_weights
from models.srgan import TruncatedVGG19
from satsr.config.resolve import read_yaml
from satsr.files import sha256
from steps import STAGES
from tests import stages
from tests.conftest import MakeStore
from tests.published import WRITERS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SHORT = {
    **{"iterations": 1, "batch": 1, "workers": 0, "threads": 1},
    **{"validate_every": 1, "validate_scenes": 1, "checkpoint_every": 1},
}
FEWER: dict[str, dict[str, Any]] = {
    "rasvsr": {"frames": 2, "validate_frames": 1},
    "msdtgp": {"validate_frames": 1},
    "srgan": {"batch": 2},  # batch normalisation
}
"""What is made smaller beside the number of steps and the batch: nothing of the network, the crops or the images."""

ROUGH = {"qanet": {"max_abs": 10.0}}
"""After one step QA-Net's batch statistics are still near their start and its outputs in the thousands, which float32
cannot hold to the absolute 1e-4 of the export; after thirty it can."""


def settings(paper: str, root: Path) -> dict[str, Any]:
    """The profile ``paper`` with one step; SRGAN with a file of random VGG19 weights and a start from nothing."""
    changes: dict[str, Any] = {
        "profile": "paper",
        "train": {**SHORT, **FEWER.get(paper, {})},
        "evaluate": {"panels": 1},
        "export": {"depth_scenes": 0, **ROUGH.get(paper, {})},  # the depth is measured by quick profiles
        "gates": {"min_gain_psnr_db": -99.0, "min_gain_ssim": -2.0},
    }
    if paper == "srgan":
        path = root / "vgg19.safetensors"
        save_weights(TruncatedVGG19(), path)
        changes["train"] |= {"vgg_weights": str(path), "vgg_sha256": sha256(path)}
        changes["network"] = {"start": "scratch"}
    return changes


@pytest.mark.parametrize("paper", WRITERS)
def test_the_full_recipe_starts_and_goes_through_its_stages(
    paper: str, tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    WRITERS[paper](tmp_path / "published")
    card = read_yaml(ROOT / read_yaml(ROOT / f"pipelines/{paper}.yaml")["paper"]["data"])
    card["source"] = {"files": {"path": str(tmp_path / "published")}}
    stages.project(tmp_path, paper, "", settings(paper, tmp_path))
    with (tmp_path / "tiny.yaml").open("w") as handle:
        YAML().dump(card, handle)
    work = stages.run(tmp_path, paper, *STAGES)
    assert json.loads(work.places.metrics.read_text())["verdict"]["word"] in ("not comparable", "no published figure")
    assert json.loads((work.places.export / "parity.json").read_text())["max_abs"] <= work.config.export.max_abs
    assert json.loads((work.places.registration / "registration.json").read_text())["version"] == 1
