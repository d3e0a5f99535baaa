"""Checkpoints are complete or absent."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from satsr.train.checkpoint import Checkpoints

FULL_DISK = """
import resource, signal, sys, torch
from pathlib import Path
from satsr.errors import SatsrError
from satsr.train.checkpoint import Checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save(1, {"weights": torch.ones(10)})
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    checkpoints.save(2, {"weights": torch.zeros(1 << 20)})
except SatsrError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_is_a_sentence_and_the_earlier_checkpoint_is_good(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "writing a checkpoint" in done.stdout and "what existed before is unchanged" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.ckpt"]
    state = Checkpoints(tmp_path).newest(torch.device("cpu"))
    assert state is not None and state["weights"].sum() == 10


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_that_is_being_read_stays_until_the_next(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    sent = checkpoints.save(1, {})
    checkpoints.save(2, {}, spared=sent)
    checkpoints.save(3, {}, spared=sent)
    assert names(tmp_path) == ["step-00000001.ckpt", "step-00000002.ckpt", "step-00000003.ckpt"]
    checkpoints.save(4, {})
    assert names(tmp_path) == ["step-00000003.ckpt", "step-00000004.ckpt"]


def test_damaged_ones_never_push_out_whole_ones(tmp_path: Path) -> None:
    for step in (80, 90):
        (tmp_path / f"step-{step:08d}.ckpt").write_bytes(b"damaged")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.newest(torch.device("cpu")) is None
    checkpoints.save(10, {"step": 10})
    assert names(tmp_path) == ["step-00000010.ckpt"]
    assert checkpoints.newest(torch.device("cpu")) == {"step": 10}
