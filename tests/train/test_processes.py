"""Several processes, on one node or on several that share no files, train as one, and one of them writes."""

import errno
import multiprocessing
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from satsr.errors import SatsrError
from satsr.train.loop import Interrupted, fit
from satsr.train.objectives import Supervised
from satsr.train.processes import PROCESSES, divided, launched, wanted
from satsr.train.remote import Remote
from satsr.train.weights import Fitted
from tests.train.test_loop import Line, settings, validate


class Map(nn.Sequential):
    """A network whose input has a name."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


class Fit(Supervised):
    """A normalised network that nothing is drawn in; this process may be told to stop, or die, before a step."""

    def __init__(self, what: int = 0, step: int = 0, times: int = 1) -> None:
        torch.manual_seed(0)
        network = Map(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4))
        super().__init__(network, nn.L1Loss(), torch.optim.Adam(network.parameters()), lambda step: 1e-2)
        self.what, self.step, self.times = what, step, times

    def prepare(self, step: int) -> None:
        super().prepare(step)
        if step == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), self.what)

    def logs(self) -> dict[str, float]:
        return {"process": float(os.environ.get("RANK", "0"))}


def train(folder: Path, objective: Supervised, remote: Remote | None = None) -> Fitted:
    return fit(objective, Line(), settings(batch=8, iterations=20), folder, validate, remote=remote)


def node(run: Callable[[int, Path], Fitted], rank: int, port: int, nodes: int, root: Path) -> None:
    """What torchrun makes of a node with one process; its terminal, its result and its folder are its own."""
    world = {"WORLD_SIZE": nodes, "RANK": rank, "GROUP_RANK": rank, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    agent = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in {**world, **agent}.items()}
    own = root / str(rank)
    own.mkdir(parents=True)
    with (own / "said").open("w") as said:
        sys.stderr = sys.stdout = said
        try:
            fitted = run(rank, own)
        except (SatsrError, Interrupted) as error:
            (own / "error").write_text(str(error))
            os._exit(getattr(error, "code", 1))
        torch.save({"weights": fitted.weights, "curves": fitted.curves, "first": fitted.resumed_at}, own / "made")
    os._exit(0)


def nodes(root: Path, run: Callable[[int, Path], Fitted], count: int = 2) -> list[int]:
    """The exit codes of nodes that do it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=node, args=(run, rank, port, count, root)) for rank in range(count)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
        process.kill()
    return [process.exitcode for process in started]


def made(folder: Path) -> dict:
    return torch.load(folder / "made", weights_only=True)


def close(found: dict, one: Fitted) -> None:
    """The same weights and curves, up to rounding."""
    torch.testing.assert_close(found["weights"], one.weights, rtol=0, atol=2e-6)
    assert len(found["curves"]) == len(one.curves)
    for row, other in zip(found["curves"], one.curves, strict=True):
        assert {**row, "process": 0} == pytest.approx({**other, "process": 0}, abs=2e-6)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("training/*"))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """What one process makes of it."""
    return train(tmp_path_factory.mktemp("one"), Fit())


def place(folder: Path) -> Remote:
    folder.mkdir(exist_ok=True)
    shared = Remote(str(folder), "paper/0123456789abcdef", 1e9)
    shared.begin({})
    return shared


@pytest.mark.slow
def test_two_nodes_train_as_one_process_and_the_first_alone_writes(one: Fitted, tmp_path: Path) -> None:
    assert nodes(tmp_path, lambda rank, own: train(own / "training", Fit())) == [0, 0]
    first, second = made(tmp_path / "0"), made(tmp_path / "1")
    close(first, one)
    torch.testing.assert_close(second["weights"], first["weights"], rtol=0, atol=0)
    assert second["curves"] == first["curves"]
    assert {row["process"] for row in first["curves"] if "process" in row} == {0.5}  # the mean of both
    assert files(tmp_path / "0") == ["step-00000015.ckpt", "step-00000020.ckpt"] and files(tmp_path / "1") == []
    assert (tmp_path / "1/said").read_text() == ""


@pytest.mark.slow
def test_one_process_goes_on_where_two_were_told_to_stop(one: Fitted, tmp_path: Path) -> None:
    """The second hears the signal, of the terminal and of torchrun; both end after the same step."""
    objective = Fit(signal.SIGTERM, 7, times=2)
    stopped = nodes(tmp_path, lambda rank, own: train(own / "training", objective if rank else Fit()))
    assert stopped == [143, 143]
    assert [(tmp_path / rank / "error").read_text() for rank in "01"] == [
        "stopped by SIGTERM at step 7; the same command goes on from here"
    ] * 2
    resumed = train(tmp_path / "0/training", Fit())
    assert resumed.resumed_at == 7
    close({"weights": resumed.weights, "curves": resumed.curves}, one)


@pytest.mark.slow
def test_two_processes_go_on_where_one_was_stopped_though_no_node_has_its_files(one: Fitted, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(tmp_path / "before", Fit(signal.SIGTERM, 7), place(tmp_path / "shared"))

    def go_on(rank: int, own: Path) -> Fitted:
        return train(own / "training", Fit(), None if rank else place(tmp_path / "shared"))

    assert nodes(tmp_path / "nodes", go_on) == [0, 0]
    assert [made(tmp_path / "nodes" / rank)["first"] for rank in "01"] == [7, 7]
    close(made(tmp_path / "nodes/0"), one)
    assert (tmp_path / "nodes/0/said").read_text().count("going on from step 7") == 1
    assert (tmp_path / "nodes/1/said").read_text() == ""


@pytest.mark.slow
def test_nodes_that_would_train_different_things_are_refused(tmp_path: Path) -> None:
    assert nodes(tmp_path, lambda rank, own: train(own / f"identity{rank}", Fit())) == [1, 1]
    said = (tmp_path / "1/error").read_text()
    assert "process 1 would train identity1, the first one trains identity0" in said and "same commit" in said


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_others_with_a_sentence(tmp_path: Path) -> None:
    found = nodes(tmp_path, lambda rank, own: train(own / "training", Fit(signal.SIGKILL, 7 if rank else 0)))
    assert found == [1, -signal.SIGKILL]
    assert "another of the 2 processes of this training ended" in (tmp_path / "0/error").read_text()
    assert files(tmp_path / "0") == ["step-00000005.ckpt"]


@pytest.mark.parametrize(
    ("environment", "batch", "said"),
    [
        ({"WORLD_SIZE": "2"}, 8, "nothing says how many processes are on this node: start the stage with torchrun"),
        ({"WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "2"}, 9, "give torchrun the same --nproc-per-node on every node"),
        ({"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}, 6, "train.batch = 6 cannot be shared by 4 processes"),
    ],
)
def test_processes_that_cannot_train_together_are_a_sentence(
    environment: dict[str, str], batch: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SatsrError, match=said):
        launched(batch, "32-true")


def stop(parent: int) -> None:
    """The first process tells the one that started both to end, and both end as a training does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if os.environ["RANK"] == "0":
        os.kill(parent, signal.SIGTERM)
    raise Interrupted(signal.sigwait({signal.SIGTERM}), 3)


def refuse() -> None:
    """The second process finds something wrong."""
    if os.environ["RANK"] == "1":
        raise SatsrError("the store is damaged")


def fail(how: str) -> None:
    """The second process goes wrong in a way that nobody foresaw."""
    if os.environ["RANK"] == "1":
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, "") if how == "full" else KeyError(how)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "told", "said"),
    [
        ("killed", "ended: process 1 by SIGKILL (too little memory?)", ""),
        ("full", "ended: what went wrong stands above", "error (process 1): training stopped because the disk is full"),
        ("unforeseen", "ended: what went wrong stands above", "KeyError: 'unforeseen'"),
    ],
)
def test_how_a_process_ended_is_not_lost(how: str, told: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SatsrError, match=re.escape(told)):
        divided(2, fail, how, start="fork")
    assert said in capfd.readouterr().err


@pytest.mark.slow
def test_processes_that_a_stage_starts_end_with_it_and_tell_it_why(capfd: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert divided(2, stop, os.getpid()) == signal.SIGTERM
    assert capfd.readouterr().err == ""
    with pytest.raises(SatsrError, match="the 2 processes of the training ended: what went wrong stands above"):
        divided(2, refuse, start="fork")
    assert capfd.readouterr().err == "error (process 1): the store is damaged\n"
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(("said", "count"), [("", 1), ("1", 1), ("4", 4)])
def test_a_stage_starts_as_many_processes_as_the_environment_says(
    said: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROCESSES, said)
    assert wanted() == count
    monkeypatch.setenv("RANK", "0")
    assert wanted() == 1  # torchrun has started them


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5"])
def test_a_number_of_processes_that_makes_no_sense_is_a_sentence(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROCESSES, said)
    with pytest.raises(SatsrError, match=f"{PROCESSES} is '{said}': take a number of processes, or gpu"):
        wanted()
