import os
import subprocess
import sys
from pathlib import Path

import pytest

from satsr import running
from satsr.errors import SatsrError
from satsr.locks import locked
from steps.configuration import config_of
from tests.stages import ROOT

PARAMS = "# a comment\npapers:\n  qanet:\n    profile: quick\n    train: {iterations: 7}\n"
MODEL = config_of("qanet")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("pipelines", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def params(root: Path) -> str:
    return (root / "params.yaml").read_text()


def test_settings_are_in_params_while_the_run_lasts_and_gone_after_it(root: Path) -> None:
    with running.settings_of_a_run(root, "qanet", {"train.iterations": 9}, MODEL) as lines:
        assert "iterations: 9" in params(root)
    assert lines == ["for this run: qanet.train.iterations = 9 (was 7)"]
    assert params(root) == PARAMS and not running.lent(root).exists()


def test_a_run_that_fails_leaves_params_as_they_were_and_can_be_resumed(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL):
        raise ZeroDivisionError
    assert params(root) == PARAMS
    assert running.unfinished(root, "qanet") == ({"train.seed": 3}, False)
    with running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL):
        pass
    with pytest.raises(SatsrError, match="no run of qanet is unfinished"):
        running.unfinished(root, "qanet")


def test_settings_that_are_kept_stay_with_the_comments(root: Path) -> None:
    with running.settings_of_a_run(root, "qanet", {"train.iterations": 9}, MODEL, keep=True) as lines:
        pass
    assert lines == ["params.yaml: qanet.train.iterations = 9 (was 7)"]
    assert params(root) == PARAMS.replace("7", "9")


def test_a_bad_setting_changes_nothing_and_starts_nothing(root: Path) -> None:
    with (
        pytest.raises(SatsrError, match=r"unknown key train\.iters"),
        running.settings_of_a_run(root, "qanet", {"train.iters": 9}, MODEL),
    ):
        pytest.fail("it ran")
    assert params(root) == PARAMS and not running.lent(root).exists()


def test_what_somebody_edits_during_the_run_is_not_overwritten(root: Path, capsys: pytest.CaptureFixture) -> None:
    with running.settings_of_a_run(root, "qanet", {"train.iterations": 9}, MODEL):
        edited = params(root).replace("a comment", "my comment")
        (root / "params.yaml").write_text(edited)
    assert params(root) == edited
    assert "params.yaml was edited during the run" in capsys.readouterr().err


def test_two_runs_of_one_paper_do_not_mix(root: Path) -> None:
    with (
        running.settings_of_a_run(root, "qanet", {}, MODEL),
        pytest.raises(SatsrError, match="another satsr run of qanet"),
        running.settings_of_a_run(root, "qanet", {}, MODEL),
    ):
        pytest.fail("it ran")


def test_settings_of_two_runs_do_not_mix(root: Path) -> None:
    with (
        locked(root / "scratch" / "params"),
        pytest.raises(SatsrError, match="settings of another satsr run"),
        running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL),
    ):
        pytest.fail("it ran")
    assert params(root) == PARAMS


LENDS = """
import os, signal, sys
from pathlib import Path
from satsr import running
from steps.configuration import config_of
with running.settings_of_a_run(Path.cwd(), "qanet", {"train.seed": 3}, config_of("qanet")):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    signal.pause()
"""


def lending(root: Path, signal: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", LENDS, signal], cwd=root, env=environment, timeout=60).returncode


@pytest.mark.slow
def test_a_run_that_is_asked_to_end_gives_params_back(root: Path) -> None:
    assert lending(root, "SIGTERM") == 128 + 15
    assert params(root) == PARAMS


@pytest.mark.slow
def test_what_a_killed_run_left_is_put_back_by_the_next(root: Path) -> None:
    assert lending(root, "SIGKILL") == -9
    assert "seed: 3" in params(root)
    left = params(root), running.lent(root).read_text()
    with running.settings_of_a_run(root, "qanet", {}, MODEL):
        assert params(root) == PARAMS
    (root / "params.yaml").write_text(left[0])
    running.lent(root).write_text(left[1])
    with running.settings_of_a_run(root, "qanet", {"train.iterations": 9}, MODEL):
        assert "seed" not in params(root)
    assert params(root) == PARAMS


def test_a_folder_is_named_as_params_need_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "sub" / "frames").mkdir(parents=True)
    monkeypatch.chdir(root / "sub")
    assert running.placed("frames", root) == "sub/frames"
    assert running.placed(str(ROOT), root) == ROOT.as_posix()
    assert running.placed("nothing", root) == "nothing"


def test_the_cpu_is_chosen_for_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    running.use("auto")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    running.use("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
