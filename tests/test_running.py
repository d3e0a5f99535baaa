import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satsr import running
from satsr.checkout.lent import BUSY, RUN
from satsr.errors import SatsrError
from satsr.locks import locked, turn
from satsr.project import lent
from steps.configuration import config_of
from tests.killed import apart, struck
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
    assert params(root) == PARAMS and not lent(root).exists()


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
    assert params(root) == PARAMS and not lent(root).exists()


def test_what_somebody_edits_meanwhile_stays_and_the_settings_go(root: Path, capsys: pytest.CaptureFixture) -> None:
    with running.settings_of_a_run(root, "qanet", {"train.iterations": 9}, MODEL):
        edited = params(root).replace("a comment", "my comment")
        (root / "params.yaml").write_text(edited)
    assert params(root) == PARAMS.replace("a comment", "my comment")
    assert "the edit stays, the run's settings were taken out (qanet.train.iterations = 7)" in capsys.readouterr().err


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


def test_a_run_with_settings_does_not_change_params_under_a_stage_of_another_door(root: Path) -> None:
    with (
        turn(root / "scratch" / "qanet", "train", "qanet"),
        pytest.raises(SatsrError, match="train of qanet is running in another process of this clone"),
        running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL),
    ):
        pytest.fail("it ran")
    assert params(root) == PARAMS


@pytest.mark.parametrize("door", ["-c", "--keep"])
def test_settings_that_stay_are_not_changed_under_a_stage_either(door: str, root: Path) -> None:
    with turn(root / "scratch" / "qanet", "train", "qanet"):
        with pytest.raises(SatsrError, match="train of qanet is running"):
            if door == "-c":
                running.change_idle("qanet", {"train.seed": 3}, root, MODEL)
            else:
                with running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL, keep=True):
                    pytest.fail("it ran")
        assert running.change_idle("qanet", {"train.iterations": 7}, root, MODEL) == []  # nothing would change
    assert params(root) == PARAMS


def run(root: Path) -> None:
    """A run with settings of its own."""
    with running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL):
        pass


def run_struck(root: Path, number: int, place: int, after: bool) -> None:
    """The same, which gets a signal before or after it puts a file in its place."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what they put in the background without it
    struck(place, after, run, root, number=number)


FILES = ("the note", "params.yaml", "unfinished.json", "params.yaml again")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("place", range(4), ids=FILES)
def test_whenever_a_run_is_ended_its_settings_are_gone_with_the_next_command(
    place: int, after: bool, number: int, root: Path
) -> None:
    code = apart(run_struck, root, number, place, after)
    assert code == -number if number == signal.SIGKILL else code > 0
    if number != signal.SIGKILL and place < 3:
        assert params(root) == PARAMS and not lent(root).exists()
    with running.settings_of_a_run(root, "qanet", {}, MODEL):
        assert params(root) == PARAMS
    assert not lent(root).exists()


def test_a_killed_runs_settings_are_taken_out_of_a_file_that_somebody_edited_since(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    apart(run_struck, root, signal.SIGKILL, 2, True)
    assert "seed: 3" in params(root)
    (root / "params.yaml").write_text(params(root).replace("a comment", "my comment"))
    with running.settings_of_a_run(root, "qanet", {"train.iterations": 9}, MODEL):
        assert "seed" not in params(root)
    assert params(root) == PARAMS.replace("a comment", "my comment")
    assert "the edit stays, the run's settings were taken out (no qanet.train.seed)" in capsys.readouterr().err


def test_a_hangup_ends_a_run_in_order_and_one_under_nohup_not_at_all(root: Path) -> None:
    def run(ignored: bool) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        with running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL):
            os.kill(os.getpid(), signal.SIGHUP)
            (root / "done").touch()

    assert apart(run, False) == 128 + signal.SIGHUP
    assert params(root) == PARAMS and not (root / "done").exists()
    assert apart(run, True) == 0
    assert params(root) == PARAMS and (root / "done").exists()


STEP = [sys.executable, "-m", "steps", "convert", "qanet"]
PREPARE = [sys.executable, "-c", "from pipelines.chain import prepare; prepare('qanet', {})"]


def said(root: Path, command: list[str], own: bool) -> str:
    """What a stage of another terminal, or of the run itself, says."""
    (root / "dvc.yaml").touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ZENML_CONFIG_PATH": str(root / ".zenml")}
    if not own:
        environment.pop(RUN, None)
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [STEP, PREPARE], ids=["dvc", "zenml"])
def test_no_other_door_works_with_the_settings_of_a_run(command: list[str], root: Path) -> None:
    with running.settings_of_a_run(root, "qanet", {"train.seed": 3}, MODEL):
        assert BUSY in said(root, command, own=False)
        assert BUSY not in said(root, command, own=True)
    assert BUSY not in said(root, command, own=False)


@pytest.mark.slow
def test_a_stage_alone_does_not_work_with_what_a_killed_run_left(root: Path) -> None:
    apart(run_struck, root, signal.SIGKILL, 2, True)
    assert "still holds the settings of a run that was killed: satsr doctor --mend" in said(root, STEP, own=False)


def test_a_folder_is_named_as_params_need_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "sub" / "frames").mkdir(parents=True)
    monkeypatch.chdir(root / "sub")
    assert running.placed("frames", root) == "sub/frames"
    assert running.placed(str(ROOT), root) == ROOT.as_posix()
    assert running.placed("nothing", root) == "nothing"


def test_a_gpu_that_is_wanted_and_not_there_is_a_sentence() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SatsrError, match=r"--device cuda: torch .* finds no GPU .* --device auto takes the CPU"):
        running.use("cuda")


def test_the_cpu_is_chosen_for_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    running.use("auto")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    running.use("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
