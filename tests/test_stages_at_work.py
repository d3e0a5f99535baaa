"""Stages as a user runs them, where the day goes wrong: other surroundings, signals, settings changed in between."""

import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.papers import project_of
from tests.project import Project

pytestmark = pytest.mark.slow

PAPER = "msdtgp"
"""The paper whose stages run: it trains in seconds."""
BEFORE_TRAINING = ("download", "convert")
STOPPED = """
import os
import sys

from satsr.train.loop import _Loop
from steps.__main__ import main

step, number, at = _Loop.step, int(sys.argv.pop()), int(sys.argv.pop())


def stopped(self, batch):
    step(self, batch)
    if self.state.step == at:
        os.kill(os.getpid(), number)


_Loop.step = stopped
sys.exit(main())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a store."""
    made = project_of(PAPER, tmp_path_factory.mktemp("stages") / "clone")
    for stage in BEFORE_TRAINING:
        made.run("python", "-m", "steps", stage, PAPER)
    return made


def trained(project: Project, *stopped: int, code: int = 0) -> str:
    """What the train stage says; ``stopped`` are the step after which it gets a signal, and the signal."""
    way = ["-c", STOPPED] if stopped else ["-m", "steps"]
    return project.run(sys.executable, *way, "train", PAPER, *map(str, stopped), code=code)


def statuses(project: Project) -> list[str]:
    """Of the MLflow runs, in the order in which they began."""
    with sqlite3.connect(project.root / "mlflow.db") as database:
        return [status for (status,) in database.execute("select status from runs order by start_time")]


def checkpoints(project: Project) -> list[str]:
    """Of unfinished and finished trainings."""
    return sorted(path.name for path in (project.root / "scratch").rglob("*.ckpt"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_stopped_training_tells_the_shell_and_mlflow_and_goes_on(project: Project, number: signal.Signals) -> None:
    shutil.rmtree(project.root / "scratch", ignore_errors=True)
    said = trained(project, 1, number, code=128 + number)
    assert f"stopped by {number.name} at step 1; the same command goes on from here" in said
    assert "Traceback" not in said and checkpoints(project) == ["step-00000001.ckpt"]
    assert statuses(project)[-1] == "KILLED"
    assert "going on from step 1" in trained(project)
    assert statuses(project)[-1] == "FINISHED"


def test_a_training_with_another_setting_begins_anew_and_says_so(project: Project) -> None:
    shutil.rmtree(project.root / "scratch", ignore_errors=True)
    trained(project, 1, signal.SIGTERM, code=143)
    project.params(**{"train.seed": 7})
    said = trained(project)
    assert "step-00000001.ckpt stays, which is of another training (train.seed = 123 instead of 7)" in said
    assert "going on" not in said and "step-00000001.ckpt" in checkpoints(project)
    project.params(**{"train.seed": 123})
    assert "going on from step 1" in trained(project)
    project.params(**{"train.seed": 8})
    assert "begins anew" not in trained(project)  # both others are finished


FIVE = """
import sys

from steps.__main__ import main

for stage in ("download", "convert", "validate", "train", "evaluate"):
    sys.argv[1:] = [stage, *sys.argv[-1:]]
    assert main() == 0
"""
SURROUNDINGS = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "LANG": "C"},
    {"PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8"},
)


def test_a_run_gives_the_same_bytes_in_another_folder_zone_locale_and_hash_seed(project: Project) -> None:
    found: list[dict[str, bytes]] = []
    for surroundings, place in zip(SURROUNDINGS, (".", "docs"), strict=True):
        for made in ("data/raw", "data/lmdb", "results", "scratch"):
            shutil.rmtree(project.root / made, ignore_errors=True)
        where, environment = project.root / place, {**project.environment, **surroundings}
        subprocess.run([sys.executable, "-c", FIVE, PAPER], cwd=where, env=environment, check=True, timeout=600)
        files = [path for made in ("data", "results") for path in (project.root / made).rglob("*") if path.is_file()]
        found.append({path.relative_to(project.root).as_posix(): path.read_bytes() for path in files})
    first, second = found
    assert {"results/msdtgp/metrics.json", "results/msdtgp/train/ema.safetensors"} <= set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
