"""Every paper's literal command on a tiny configuration, with the real tools, in a copy of the project."""

import json
import sys
from pathlib import Path

import pytest

from tests.papers import TINY, project_of
from tests.project import STAGES, Project

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


@pytest.mark.parametrize("paper", [paper for paper in TINY if paper != "rasvsr"])  # that one: tests/test_doors.py
def test_the_literal_command_runs_all_stages_and_dvc_has_nothing_left_to_do(paper: str, tmp_path: Path) -> None:
    project = project_of(paper, tmp_path / "clone")
    output = project.run("zenml", "pipeline", "run", f"train_{paper}")
    assert "Traceback" not in output and "Warning" not in output
    assert f"results/{paper}/evaluation/report.html" in output
    (model,) = project.versions()
    assert model.startswith(paper) and f"{model} version 1 (challenger, champion)" in output
    assert {"bicubic", "ema"} <= set(project.metrics()["methods"])
    assert f"lineage {lineage(project)}" in project.run(sys.executable, "-c", METADATA)
    again = project.run("dvc", "repro")
    assert all(f"Stage '{stage}@{paper}' didn't change, skipping" in again for stage in STAGES)
