"""Two of everything at once, as processes of their own."""

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from satsr import tracking
from satsr.errors import SatsrError
from satsr.locks import turn
from satsr.register import decisions, registry
from satsr.store.store import Store
from steps.cache import collected, reuse_or_run
from steps.patience import at_work
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


STAGE_WAITS = "is running in another process of this clone: waiting for it"


def waiting(command: list[str], project: Project, words: str = STAGE_WAITS) -> subprocess.Popen[str]:
    """The command, once it has said that it waits for another process."""
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=project.root, env=project.environment, **said)
    assert any(words in line for line in process.stdout)
    return process


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Whose first two stages DVC has run."""
    made = project_of("msdtgp", tmp_path_factory.mktemp("doors") / "clone")
    made.run("dvc", "repro", "convert@msdtgp")
    return made


def lock(project: Project) -> dict:
    """The entries of ``dvc.lock``."""
    return YAML(typ="safe").load((project.root / "dvc.lock").read_text())["stages"]


def test_dvc_leaves_alone_what_a_stage_of_the_zenml_door_reads_and_writes(project: Project) -> None:
    before, store = lock(project), (project.root / "data/lmdb/msdtgp/manifest.json").read_bytes()
    with chdir(project.root), at_work(collected("validate", "msdtgp", project.root)):
        for stage in ("convert", "validate"):  # the one would replace what is read, the other what is written
            command = ["dvc", "repro", "--force", "--single-item", f"{stage}@msdtgp"]
            done = subprocess.run(command, cwd=project.root, env=project.environment, capture_output=True, text=True)
            assert done.returncode == 255 and f"(PID {os.getpid()})" in done.stderr and "is busy" in done.stderr
            assert "Traceback" not in done.stderr
    assert lock(project) == before and (project.root / "data/lmdb/msdtgp/manifest.json").read_bytes() == store


ZENML_DOOR = """
import sys
from pathlib import Path
from steps import cache, patience

patience.SHORT_SECONDS = 0.0
print("reused", cache.reuse_or_run(sys.argv[1], "msdtgp", Path.cwd(), lambda: sys.exit("it ran again")).reused)
"""


def test_the_zenml_door_waits_for_dvc_and_finds_its_work_done(project: Project) -> None:
    door = [sys.executable, "-c", ZENML_DOOR, "validate"]
    with turn(project.root / "scratch" / "msdtgp", "validate", "msdtgp"):
        first = waiting(["dvc", "repro", "--single-item", "validate@msdtgp"], project)
        named = f"`dvc repro --single-item validate@msdtgp` (process {first.pid}) is at work on"
        second = waiting(door, project, named)
    assert first.communicate(timeout=600)[0] is not None and first.returncode == 0
    assert "reused True" in second.communicate(timeout=600)[0] and second.returncode == 0
    assert set(lock(project)) == {"download@msdtgp", "convert@msdtgp", "validate@msdtgp"}


def test_what_changed_while_a_stage_ran_is_not_recorded_as_what_it_was_made_of(project: Project) -> None:
    code = project.root / "satsr/degrade.py"
    text, before = code.read_text(), lock(project)
    with chdir(project.root):
        code.write_text(f"{text}# stale\n")
        with pytest.raises(SatsrError, match=r"satsr/degrade.py changed while convert@msdtgp ran, so .* not recorded"):
            reuse_or_run("convert", "msdtgp", project.root, lambda: code.write_text(text) and None)
    assert lock(project) == before


def test_a_run_does_not_go_on_with_what_another_one_made_meanwhile(project: Project) -> None:
    with chdir(project.root):
        store = reuse_or_run("convert", "msdtgp", project.root, lambda: pytest.fail("it ran again"))
        known = {**store.entry, "outs": [{**store.entry["outs"][0], "md5": "0" * 32}]}
        with pytest.raises(SatsrError, match=r"made the outputs of convert@msdtgp again, .* validate@msdtgp would mix"):
            shutil.rmtree(project.root / "results/msdtgp/validation")
            other = [store.model_copy(update={"entry": known})]
            reuse_or_run("validate", "msdtgp", project.root, lambda: pytest.fail("it ran"), other)
        reuse_or_run("validate", "msdtgp", project.root, lambda: pytest.fail("it ran"), [store])


def test_two_runs_of_a_stage_of_one_clone_take_turns(tmp_path: Path) -> None:
    project = project_of("msdtgp", tmp_path / "clone")
    for stage in ("download", "convert"):
        with turn(project.root / "scratch" / "msdtgp", stage, "msdtgp"):
            started = [waiting([sys.executable, "-m", "steps", stage, "msdtgp"], project) for _ in range(2)]
            assert not (project.root / "data/lmdb/msdtgp").exists()
        assert [(process.communicate(timeout=600), process.returncode)[1] for process in started] == [0, 0]
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
