"""Stages as a user runs them, where the day goes wrong: other surroundings, signals, settings changed in between."""

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from copy import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from tests.papers import project_of
from tests.project import Project
from tests.s3 import SECRET, serving

pytestmark = pytest.mark.slow

PAPER = "msdtgp"
"""The paper whose stages run: it trains in seconds."""
BEFORE_TRAINING = ("download", "convert")
STOPPED = """
import os
import sys
import threading

from satsr.train.loop import _Loop
from steps.__main__ import main

step, number, at = _Loop.step, int(sys.argv.pop()), int(sys.argv.pop())


def stopped(self, batch):
    step(self, batch)
    if self.state.step == at:
        for thread in threading.enumerate():
            if thread.name == "checkpoints":  # what was sent has arrived
                thread.join()
        os.kill(os.getpid(), number)


_Loop.step = stopped
sys.exit(main())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a store."""
    made = project_of(PAPER, tmp_path_factory.mktemp("stages") / "clone")
    made.params(**{"train.batch": 4})  # which two processes divide, and each of them in its shares
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


def test_evaluating_and_exporting_an_unfinished_training_is_a_sentence_and_keeps_it(project: Project) -> None:
    for made in ("scratch", f"results/{PAPER}/train"):
        shutil.rmtree(project.root / made, ignore_errors=True)
    trained(project, 1, signal.SIGTERM, code=143)
    for stage in ("evaluate", "export"):
        said = project.run("python", "-m", "steps", stage, PAPER, code=1)
        assert f"no training of {PAPER} has finished here. Run the train stage" in said and "Traceback" not in said
    assert "going on from step 1" in trained(project)


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


OWN = {"scratch", "results", "mlruns", "mlflow.db", ".zen", ".zenml", ".git"}
"""What a clone has of itself."""
TRAINED = ("train/network.safetensors", "train/ema.safetensors", "train/train.json", "loss.csv", "validation.csv")


@pytest.fixture(scope="module")
def whole(project: Project) -> dict[str, bytes]:
    """What a training leaves that nothing happens to."""
    trained(project)
    return left(project)


def clone(project: Project, folder: Path, **environment: str) -> Project:
    """What a pod begins with: code, settings and store; its commands begin cold."""
    shutil.copytree(project.root, folder, ignore=lambda where, _: OWN if Path(where) == project.root else set())
    made = copy(project)
    made.root, made.warm = folder, False
    places = {"PYTHONPATH": str(folder), "ZENML_CONFIG_PATH": str(folder / ".zenml")}
    made.environment = {**project.environment, **places, **environment}
    return made


def left(project: Project) -> dict[str, bytes]:
    results = project.root / "results" / PAPER
    return {name: (results / name).read_bytes() for name in TRAINED if (results / name).exists()}


def test_a_killed_training_goes_on_in_an_empty_clone_to_the_same_bits(
    project: Project, whole: dict[str, bytes], tmp_path: Path
) -> None:
    with serving(tmp_path / "s3", "bucket") as server:
        environment = {**server.environment, "SATSR_CHECKPOINTS": "s3://bucket/checkpoints"}
        environment["SATSR_CHECKPOINTS_SECONDS"] = "1e-9"
        environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path / 'mlflow.db'}"
        killed = clone(project, tmp_path / "killed", **environment)
        said = trained(killed, 3, signal.SIGKILL, code=-signal.SIGKILL)
        sent = [path.name for path in (tmp_path / "s3").rglob("*.ckpt")]
        assert sorted(name[:13] for name in sent) in (["step-00000001", "step-00000002"], ["step-00000002"])
        shutil.rmtree(killed.root)
        again = clone(project, tmp_path / "again", **environment)
        said += trained(again)
    assert "going on from step 2" in said and SECRET not in said and "Traceback" not in said
    assert left(again) == whole
    assert [path for path in (tmp_path / "s3").rglob("*") if path.is_file()] == []
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select status from runs").fetchall() == [("FINISHED",)]


def test_two_nodes_of_torchrun_train_as_one_process_and_one_of_them_writes(
    project: Project, whole: dict[str, bytes], tmp_path: Path
) -> None:
    nodes = [clone(project, tmp_path / f"node{rank}") for rank in range(2)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        meeting = ["--master-addr", "127.0.0.1", "--master-port", str(free.getsockname()[1])]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meeting]
    started = [
        subprocess.Popen(
            [*torchrun, "--node-rank", str(rank), "-m", "steps", "train", PAPER],
            cwd=node.root,
            env=node.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, node in enumerate(nodes)
    ]
    said = [process.communicate(timeout=600)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    first, second = nodes
    assert set(left(first)) == set(whole) and checkpoints(first) and statuses(first) == ["FINISHED"]
    made = {path.relative_to(second.root).parts[0] for path in second.root.rglob("*") if path.is_file()}
    assert not made & OWN
    assert [line.split()[0] for line in said[0].splitlines()] == ["train"] and said[1] == ""
    one, two = (load(found["train/ema.safetensors"]) for found in (whole, left(first)))
    torch.testing.assert_close(two, one, rtol=0, atol=1e-5)


def test_a_stage_that_starts_its_processes_itself_trains_as_one(
    project: Project, whole: dict[str, bytes], tmp_path: Path
) -> None:
    two = clone(project, tmp_path / "two", SATSR_PROCESSES="2")
    assert [line.split()[0] for line in trained(two).splitlines()] == ["train"]
    made = left(two)
    assert set(made) == set(whole) and statuses(two) == ["FINISHED"]
    torch.testing.assert_close(*(load(found["train/ema.safetensors"]) for found in (made, whole)), rtol=0, atol=1e-5)
