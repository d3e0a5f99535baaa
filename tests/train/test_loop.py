import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from satsr.config.recipe import Train
from satsr.errors import SatsrError
from satsr.seeds import integer
from satsr.train.loop import Fitted, Interrupted, fit
from satsr.train.objectives import Batch, Objective, cosine, every, multistep, set_rate


class Line(Dataset[dict[str, torch.Tensor]]):
    """y = 3 x + 1 with a little noise; sample i depends on i alone."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        x = torch.rand(4, generator=torch.Generator().manual_seed(integer(0, "x", index)))
        return {"x": x, "target": 3 * x + 1}


class Toy(Objective):
    """A network with dropout (it draws random numbers) and Adam; poisoned at given steps; may die at one."""

    def __init__(self, poisoned: tuple[int, ...] = (), die_at: int = 0, stop_at: int = 0) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4))
        self.networks = {"network": self.network}
        self.optimizers = {"network": torch.optim.Adam(self.network.parameters())}
        self.poisoned, self.die_at, self.stop_at = poisoned, die_at, stop_at

    def prepare(self, step: int) -> None:
        set_rate(self.optimizers["network"], cosine(step, 40, 1e-2, 1e-4))
        if step == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        loss = (self.network(batch["x"]) - batch["target"]).square().mean()
        yield "network", loss * float("nan") if step in self.poisoned else loss


def validate(networks: Mapping[str, nn.Module]) -> dict[str, float]:
    return {"psnr": float(networks["network"](torch.ones(1, 4)).mean())}


def settings(**changes: object) -> Train:
    return Train(
        **{
            "iterations": 40,
            "batch": 2,
            "validate_every": 8,
            "checkpoint_every": 5,
            "ema": 0.9,
            "threads": 1,
            **changes,
        }
    )


def train(folder: Path, objective: Toy | None = None, **changes: object) -> Fitted:
    return fit(objective or Toy(), Line(), settings(**changes), folder, validate)


def same(a: Fitted, b: Fitted) -> bool:
    return a.curves == b.curves and all(
        torch.equal(a.weights[role][key], b.weights[role][key]) for role in a.weights for key in a.weights[role]
    )


@pytest.mark.parametrize(("ema", "times"), [(0.0, 1), (0.9, 2)])
def test_weights_that_equal_their_average_are_validated_once(ema: float, times: int, tmp_path: Path) -> None:
    measured: list[float] = []

    def counted(networks: Mapping[str, nn.Module]) -> dict[str, float]:
        measured.append(validate(networks)["psnr"])
        return {"psnr": measured[-1]}

    fitted = fit(Toy(), Line(), settings(iterations=8, validate_every=4, ema=ema), tmp_path, counted)
    rows = [row for row in fitted.curves if "val_psnr" in row]
    assert [row[name] for row in rows for name in ("val_psnr", "val_ema_psnr")[:times]] == measured
    assert all(row["val_ema_psnr"] == row["val_psnr"] for row in rows) == (times == 1)


def test_every_step_has_a_loss_on_the_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("satsr.progress.QUIET_SECONDS", 0.0)
    fitted = train(tmp_path, iterations=12, validate_every=20)
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" in ")[0] for line in told] == [f"train: {step}/12" for step in range(1, 13)]
    assert all(" loss=" in line for line in told)
    assert f"loss={fitted.curves[0]['loss']:.4g} " in told[9] and "loss=" in told[8]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    first = train(tmp_path / "a")
    assert same(first, train(tmp_path / "b"))
    assert not same(first, train(tmp_path / "c", seed=1))


@pytest.mark.parametrize(
    "how", [{"workers": 0}, {"precision": "bf16-mixed"}, pytest.param({"workers": 2}, marks=pytest.mark.slow)], ids=str
)
def test_a_killed_training_goes_on_to_bit_equal_weights(tmp_path: Path, how: dict[str, object]) -> None:
    whole = train(tmp_path / "whole", **how)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=train, args=(tmp_path / "killed", Toy(die_at=23)), kwargs=how)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    resumed = train(tmp_path / "killed", **how)
    assert resumed.resumed_at == 20
    assert same(whole, resumed)


@pytest.mark.slow
def test_sigterm_saves_and_tells_its_exit_code(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path / "stopped", Toy(stop_at=13))
    assert stopped.value.code == 143
    resumed = train(tmp_path / "stopped")
    assert resumed.resumed_at == 13
    assert same(whole, resumed)


def test_a_loss_that_is_not_finite_is_skipped_and_counted(tmp_path: Path) -> None:
    fitted = train(tmp_path, Toy(poisoned=(3, 7)))
    assert fitted.skipped == 2
    assert all(torch.isfinite(value).all() for value in fitted.weights["network"].values())


def test_too_many_bad_steps_in_a_row_stop_and_keep_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="not finite 4 steps in a row, up to step 16"):
        train(tmp_path, Toy(poisoned=(13, 14, 15, 16)), max_bad_steps=4)
    assert [path.name for path in sorted(tmp_path.iterdir())][-1] == "step-00000015.ckpt"
    assert train(tmp_path).resumed_at == 15


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", Toy(stop_at=13))
    newest = tmp_path / "cut" / "step-00000013.ckpt"
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = train(tmp_path / "cut")
    assert resumed.resumed_at == 10
    assert "taking the one before" in capsys.readouterr().err
    assert same(whole, resumed)


def test_schedules_are_those_of_the_papers() -> None:
    assert cosine(1, 100_000, 1e-4, 1e-7) == 1e-4
    assert cosine(50_000, 100_000, 1e-4, 1e-7) == pytest.approx(5.005156923e-5, rel=1e-9)
    assert cosine(90_000, 100_000, 2.5e-5, 1e-7) == pytest.approx(7.094672433e-7, rel=1e-9)
    assert cosine(200_000, 100_000, 1e-4, 1e-7) == 1e-7
    assert multistep(25, [24, 49], 8e-5, 0.1) == pytest.approx(8e-6)
    assert every(75_001, 75_000, 2e-4, 0.5) == 1e-4


def test_the_learning_rate_of_a_resumed_run_is_on_the_curve(tmp_path: Path) -> None:
    fitted = train(tmp_path)
    rates = {int(row["step"]): row["lr"] for row in fitted.curves if "lr" in row}
    assert rates[20] == pytest.approx(cosine(20, 40, 1e-2, 1e-4))


SHARED = """
import os
import sys
from pathlib import Path

import torch
from torch import nn

from satsr.config.recipe import Train
from satsr.train.loop import fit
from satsr.train.objectives import Supervised
from tests.train.test_loop import Line, validate


class Map(nn.Sequential):
    def forward(self, x):
        return super().forward(x)


torch.manual_seed(0)
normalised = [nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4)]
layers = {"linear": [nn.Linear(4, 4)], "batchnorm": normalised}
network = Map(*layers[sys.argv[2]])
objective = Supervised(network, nn.L1Loss(), torch.optim.Adam(network.parameters()), lambda step: 1e-2)
folder = Path(sys.argv[1])
settings = Train(iterations=20, batch=8, validate_every=10, checkpoint_every=10, ema=0.9, threads=1)
fitted = fit(objective, Line(), settings, folder / "scratch", validate)
if os.environ.get("RANK", "0") == "0":
    losses = [row.get("loss") for row in fitted.curves]
    torch.save({"weights": fitted.weights["network"], "loss": losses}, folder / "made")
"""


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["linear", "batchnorm"])
def test_two_processes_train_as_one_does(tmp_path: Path, layers: str) -> None:
    (tmp_path / "shared.py").write_text(SHARED)
    found = []
    for launcher in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        command = [sys.executable, *launcher, str(tmp_path / "shared.py"), str(folder), layers]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(torch.load(folder / "made", weights_only=True))
    one, two = found
    torch.testing.assert_close(two["weights"], one["weights"], rtol=0, atol=2e-6)
    losses = [[value for value in run["loss"] if value is not None] for run in found]
    assert len(losses[0]) == 2 and losses[1] == pytest.approx(losses[0], abs=1e-6)


GROWS = """
import os
import sys
from pathlib import Path

import psutil
import torch

from tests.train.test_loop import Line, Toy, train

own, found = psutil.Process(), {}


class Watched(Toy):
    def prepare(self, step):
        super().prepare(step)
        if step in (200, 1200):
            found[step] = sum(one.memory_info().rss for one in (own, *own.children(recursive=True)))


class Large(Line):
    def __getitem__(self, index):
        return super().__getitem__(index) | {"large": torch.full((256, 1024), float(index))}


import tests.train.test_loop as loop
loop.Line = Large
train(Path(sys.argv[1]), Watched(), iterations=1200, workers=2, validate_every=100, checkpoint_every=400)
print((found[1200] - found[200]) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_steps(tmp_path: Path) -> None:
    """A thousand steps carry 2 GB through two workers."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", GROWS, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50_000  # kB
