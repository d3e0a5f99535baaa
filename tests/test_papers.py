"""Every paper's literal command on a tiny configuration, with the real tools, in a copy of the project."""

import json
import sys
from pathlib import Path

import pytest

from tests.project import STAGES, Project

SHORT = {
    "train.iterations": 4,
    "train.batch": 2,
    "train.validate_every": 2,
    "train.checkpoint_every": 2,
    "gates.min_gain_psnr_db": -99.0,
    "gates.min_gain_ssim": -2.0,
    "evaluate.panels": 1,
}
VIDEO = ("embedded-video.yaml", {"train": 1, "val": 1, "frames": 4, "size": [128, 128]})
SERIES = ("embedded-series.yaml", {"train": 2, "val": 1, "frames": 8, "size": [128, 128]})
PROBAV = ("embedded-probav.yaml", {"train": 2, "val": 1, "frames": 9, "size": [96, 96]})
CASES = {
    "msdtgp": (VIDEO, {"network.base_filter": 16, "network.n_resblock": 1, "network.n_extract": 1}),
    "qanet": (PROBAV, {}),
    "srgan": (SERIES, {"train.g_pretrain_steps": 2, "network.n_blocks": 1, "network.n_channels": 8}),
    "breizhsr": (SERIES, {"network.channels": 16, "network.d_model": 16, "network.heads": 2}),
}

pytestmark = pytest.mark.slow

METADATA = """
from satsr import quiet
quiet.apply()
from zenml.client import Client
(run,) = Client().list_pipeline_runs(hydrate=True).items
print("lineage", run.steps["train"].run_metadata["lineage"])
"""


def lineage(project: Project) -> str:
    return json.loads((project.root / f"results/{project.paper}/train/train.json").read_text())["lineage"]


@pytest.mark.parametrize("paper", CASES)
def test_the_literal_command_runs_all_stages_and_dvc_has_nothing_left_to_do(paper: str, tmp_path: Path) -> None:
    (card, embedded), settings = CASES[paper]
    project = Project(tmp_path / "clone", paper, card, embedded)
    project.params(**SHORT, **settings)
    output = project.run("zenml", "pipeline", "run", f"train_{paper}")
    assert "Traceback" not in output and "Warning" not in output
    assert f"results/{paper}/evaluation/report.html" in output
    (model,) = project.versions()
    assert model.startswith(paper) and f"{model} version 1 (challenger, champion)" in output
    assert {"bicubic", "ema"} <= set(project.metrics()["methods"])
    assert f"lineage {lineage(project)}" in project.run(sys.executable, "-c", METADATA)
    again = project.run("dvc", "repro")
    assert all(f"Stage '{stage}@{paper}' didn't change, skipping" in again for stage in STAGES)
