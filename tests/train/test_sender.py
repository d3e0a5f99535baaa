"""Checkpoints leave while the training goes on, and nothing that happens to them on the way holds it up."""

import multiprocessing
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from satsr.errors import SatsrError
from satsr.train.loop import Interrupted, fit
from satsr.train.remote import Remote
from satsr.train.sender import Sender
from satsr.train.weights import Fitted
from tests.train.test_loop import Line, Toy, same, settings, validate
from tests.train.test_loop import train as alone

ALWAYS, NEVER = 1e-9, 1e9
"""Seconds between two checkpoints that are sent."""


class Eventful(Toy):
    """A training to which something happens before a given step, once what was on its way has arrived."""

    def __init__(self, step: int, what: object) -> None:
        super().__init__()
        self.at, self.what = step, what

    def prepare(self, step: int) -> None:
        super().prepare(step)
        if step == self.at:
            arrive()
            self.what()


def arrive() -> None:
    """Waits for the checkpoint that is on its way."""
    for thread in threading.enumerate():
        if thread.name == "checkpoints":
            thread.join()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The training that nothing happens to."""
    return alone(tmp_path_factory.mktemp("whole"))


def place(folder: Path, seconds: float = ALWAYS) -> Remote:
    folder.mkdir(exist_ok=True)
    made = Remote(str(folder), "paper/0123456789abcdef", seconds)
    made.begin({})
    return made


def train(folder: Path, remote: Remote, objective: Toy | None = None) -> Fitted:
    return fit(objective or Toy(), Line(), settings(), folder, validate, remote=remote)


@pytest.mark.slow
def test_a_killed_training_goes_on_in_an_empty_folder_to_bit_equal_weights(whole: Fitted, tmp_path: Path) -> None:
    shared = place(tmp_path / "shared")
    process = multiprocessing.get_context("fork").Process(
        target=train, args=(tmp_path / "killed", shared, Eventful(23, die))
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    sent = shared.found()[-1].step
    assert 0 < sent < 23
    resumed = train(tmp_path / "elsewhere", place(tmp_path / "shared"))
    assert resumed.resumed_at == sent
    assert same(whole, resumed)


def test_between_two_intervals_nothing_is_sent(whole: Fitted, tmp_path: Path) -> None:
    shared = place(tmp_path / "shared", NEVER)
    assert same(whole, train(tmp_path / "here", shared))
    assert shared.found() == []


def test_a_training_that_is_told_to_stop_sends_its_last_checkpoint(
    whole: Fitted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = place(tmp_path / "shared", NEVER)
    with pytest.raises(Interrupted):
        train(tmp_path / "here", shared, Toy(stop_at=13))
    assert "sending the last checkpoint to" in capsys.readouterr().err
    assert [sent.step for sent in shared.found()] == [13]
    resumed = train(tmp_path / "elsewhere", shared)
    assert resumed.resumed_at == 13
    assert same(whole, resumed)


@pytest.mark.slow
def test_whoever_is_further_decides_the_machine_or_the_address(tmp_path: Path) -> None:
    shared = place(tmp_path / "shared", NEVER)
    with pytest.raises(Interrupted):
        train(tmp_path / "here", shared, Toy(stop_at=13))
    with pytest.raises(Interrupted):
        alone(tmp_path / "here", Toy(stop_at=22))  # the address does not hear of it
    assert train(tmp_path / "here", shared).resumed_at == 22
    assert train(tmp_path / "elsewhere", shared).resumed_at == 13


def test_a_checkpoint_that_is_damaged_here_is_taken_from_the_address(whole: Fitted, tmp_path: Path) -> None:
    shared = place(tmp_path / "shared", NEVER)
    with pytest.raises(Interrupted):
        train(tmp_path / "here", shared, Toy(stop_at=13))
    for path in (tmp_path / "here").glob("*.ckpt"):
        path.write_bytes(b"damaged")
    resumed = train(tmp_path / "here", shared)
    assert resumed.resumed_at == 13 and same(whole, resumed)


@pytest.mark.slow
def test_an_address_that_is_lost_costs_a_sentence_and_no_step(
    whole: Fitted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = place(tmp_path / "shared")

    def lose() -> None:
        shutil.rmtree(tmp_path / "shared")

    fitted = train(tmp_path / "here", shared, Eventful(10, lose))
    assert same(whole, fitted)
    said = [line for line in capsys.readouterr().err.splitlines() if "failed" in line]
    assert len(said) == 1 and "sending a checkpoint to" in said[0] and "The training goes on" in said[0]


def test_an_address_that_comes_back_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = place(tmp_path / "shared")
    sender, path = Sender(shared), tmp_path / "step-00000010.ckpt"
    path.write_bytes(b"state")
    shutil.rmtree(tmp_path / "shared")
    for _ in range(3):
        sender.send(path)
        assert sender.finish()
    place(tmp_path / "shared")
    assert sender.last(path)
    said = capsys.readouterr().err
    assert said.count("failed") == 1 and said.count("checkpoints reach") == 1
    assert [sent.step for sent in shared.found()] == [10]


def test_a_last_checkpoint_that_does_not_arrive_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = place(tmp_path / "shared", NEVER)
    shutil.rmtree(tmp_path / "shared")
    sender, path = Sender(shared), tmp_path / "step-00000010.ckpt"
    path.write_bytes(b"state")
    assert not sender.last(path)
    said = capsys.readouterr().err
    assert "sending a checkpoint to" in said and "goes on" not in said


def test_a_training_does_not_begin_where_its_address_cannot_be_read(tmp_path: Path) -> None:
    shared = place(tmp_path / "shared")
    shutil.rmtree(tmp_path / "shared/paper")
    (tmp_path / "shared/paper").touch()
    with pytest.raises(SatsrError, match=r"listing .* failed"):
        train(tmp_path / "here", shared)


@contextmanager
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within, S3 is a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen-anywhere")
        yield


@pytest.mark.slow
def test_a_server_that_never_answers_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("satsr.train.remote.WAIT_SECONDS", 1.0)
    path = tmp_path / "step-00000010.ckpt"
    path.write_bytes(b"state")
    with silent_server(monkeypatch):
        sender = Sender(Remote("s3://bucket/prefix", "p/k", ALWAYS), grace=0.05)
        sender.send(path)
        assert not sender.due() and sender.sending == path  # one at a time, and its file is needed
        assert not sender.finish() and not sender.last(path)
        arrive()  # nothing of this test stays at work
    said = capsys.readouterr().err
    assert (
        "waiting at most 0.05 s" in said and "step-00000010.ckpt did not reach s3://bucket/prefix/p/k in time" in said
    )


@pytest.mark.slow
def test_a_server_that_stops_answering_is_told_of_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("satsr.train.remote.WAIT_SECONDS", 0.05)
    path = tmp_path / "step-00000010.ckpt"
    path.write_bytes(b"state")
    with silent_server(monkeypatch):
        shared = Remote("s3://bucket/prefix", "p/k", ALWAYS)
        with pytest.raises(SatsrError, match=r"writing to s3://.*\(there was no answer in time\)"):
            shared.begin({})
        sender = Sender(shared)
        sender.send(path)
        assert sender.finish() and sender.due()  # the next one may go
    assert "there was no answer in time" in capsys.readouterr().err
