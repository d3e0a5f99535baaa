"""Two of everything at once, as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from satsr import tracking
from satsr.locks import turn
from satsr.register import decisions, registry
from satsr.store.store import Store
from tests.papers import project_of
from tests.project import Project
from tests.tiny_graphs import image_graph

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]


def both(first: list[str], second: list[str], where: Path, environment: dict[str, str]) -> list[tuple[int, str]]:
    """Exit code and output of two commands that are started together."""
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [subprocess.Popen(command, cwd=where, env=environment, **pipe) for command in (first, second)]
    said = [process.communicate(timeout=600)[0] for process in started]
    return [(process.returncode, words) for process, words in zip(started, said, strict=True)]


def waiting(command: list[str], project: Project) -> subprocess.Popen[str]:
    """The command, once it has said that it waits for another process."""
    said = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=project.root, env=project.environment, **said)
    assert any("is running in another process of this clone: waiting for it" in line for line in process.stderr)
    return process


def test_two_runs_of_a_stage_of_one_clone_take_turns(tmp_path: Path) -> None:
    project = project_of("msdtgp", tmp_path / "clone")
    for stage in ("download", "convert"):
        with turn(project.root / "scratch" / "msdtgp", stage, "msdtgp"):
            started = [waiting([sys.executable, "-m", "steps", stage, "msdtgp"], project) for _ in range(2)]
            assert not (project.root / "data/lmdb/msdtgp").exists()
        assert [process.wait(600) for process in started] == [0, 0]
    Store(project.root / "data/lmdb/msdtgp").verify()
    kept = [*(project.root / "data").rglob("*"), *(project.root / "scratch").rglob("*")]
    assert not [file for file in kept if file.name.endswith((".tmp", ".lock"))]


def test_two_upscales_into_the_same_file_give_one_whole_result(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "low.png"), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    command = [sys.executable, "-m", "satsr.cli", "upscale", "low.png", "high.png", "--model", "m.onnx"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = both(command, command, tmp_path, environment)
    assert 0 in (done[0][0], done[1][0])
    assert all(code == 0 or "exists" in said or "another process" in said for code, said in done), done
    assert cv2.imread(str(tmp_path / "high.png")).shape == (128, 128, 3)
    assert not list(tmp_path.glob(".*"))


def test_two_approvals_at_once_leave_one_champion_and_a_history_that_says_so(tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    graph = image_graph(tmp_path / "m.onnx")
    for psnr in ("30.0", "31.0"):
        tags = {"decides": "psnr", "psnr": psnr, "gates": "passed", "onnx.parity": "passed"}
        with tracking.run(tmp_path, "toy") as run:
            registry.add_version(run, "toy", graph, tags, "card")
    commands = [
        [sys.executable, "-m", "satsr.cli", "review", "approve", f"toy/{number}", "--why", "at once"]
        for number in (1, 2)
    ]
    done = both(*commands, tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert 0 in (done[0][0], done[1][0])
    assert all("Traceback" not in said for _, said in done), done
    history = decisions.history(run.client, "toy")
    assert len(history) == [code for code, _ in done].count(0)
    assert registry.alias(run.client, "toy", registry.CHAMPION) == history[-1].after
    assert [entry.before for entry in history] == [None, *(entry.after for entry in history[:-1])]
