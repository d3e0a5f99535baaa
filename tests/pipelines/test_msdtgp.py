"""MSDTGP's recipe: scales, the published epoch, and the stages at the scales without published figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.configs.msdtgp import CONFIG
from pipelines.msdtgp import PAPER, PUBLISHED_STEPS
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.store.store import Store
from tests import stages
from tests.conftest import MakeStore

ROOT = Path(__file__).resolve().parents[2]
TINY: dict[str, Any] = {
    "network": {"base_filter": 16, "feat": 8, "n_resblock": 1, "n_extract": 1},
    "train": {"iterations": 4, "batch": 2, "validate_every": 2, "checkpoint_every": 2},
    "gates": {"min_gain_psnr_db": -99.0, "min_gain_ssim": -2.0},
    "evaluate": {"panels": 1},
}


def bound(**changes: Any) -> Any:
    return PAPER(resolved(CONFIG, "msdtgp", merged("msdtgp", ROOT, changes)))


def test_the_full_recipe_ends_where_the_published_weights_were_taken() -> None:
    paper = bound(profile="paper")
    assert paper.config.train.iterations == PUBLISHED_STEPS == 46 * 18_900 and not paper.departures
    assert paper.registered_name == "msdtgp" and paper.published_as is None
    longer = bound(profile="paper", train={"iterations": 945_000})
    assert "of step 945000 were measured, the authors' are of epoch 46" in longer.departures[0]
    assert any("bicubic" in sentence for sentence in bound(profile="quick").departures)


@pytest.mark.parametrize("scale", [2, 8])
def test_other_scales_have_a_name_of_their_own_and_no_published_figure(scale: int) -> None:
    for size in ("quick", "paper"):
        paper = bound(profile=f"{size}_x{scale}")
        assert paper.config.convert.scale == scale == paper.describe()["scale"]
        assert (paper.registered_name, paper.published_as) == (f"msdtgp-x{scale}", f"MSDTGP at x{scale}")


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 8])
def test_the_stages_run_at_other_scales(scale: int, tmp_path: Path, mlflow_store: MakeStore) -> None:
    mlflow_store(tmp_path)
    card = (ROOT / "data/catalog/embedded-video.yaml").read_text()
    scenes = "embedded: {kind: video, train: 1, val: 1, test: 2, frames: 4, size: [160, 160], seed: 0}"
    card, count = re.subn(r"embedded: \{.*\}", scenes, card)
    assert count == 1
    stages.project(tmp_path, "msdtgp", card, {"profile": f"quick_x{scale}", **TINY})
    first = ("download", "convert", "validate", "train", "evaluate", "export", "register")
    work = stages.run(tmp_path, "msdtgp", *first)
    store = Store(work.places.store)
    assert {scene.shape("lr")[0] for scene in store.scenes("train")} == {160 // scale}
    metrics = json.loads(work.places.metrics.read_text())
    assert metrics["verdict"]["word"] == "no published figure"
    assert json.loads((work.places.export / "parity.json").read_text())["max_abs"] < 1e-4
