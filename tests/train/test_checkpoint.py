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
