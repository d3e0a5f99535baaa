"""The benchmark for GPUs runs anywhere at a small size, and what it compares with computes the same."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu import tap_by_tap
from models.shared.deform import modulated_deform_conv
from satsr.imagery.images import write_png
from satsr.seeds import generator

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("biased", [True, False])
def test_one_tap_at_a_time_is_the_same_deformable_convolution(biased: bool) -> None:
    torch.manual_seed(0)
    x, weight = torch.rand(2, 8, 9, 11), torch.rand(6, 8, 3, 3)
    offset, mask = 3 * torch.randn(2, 2 * 2 * 9, 9, 11), torch.rand(2, 2 * 9, 9, 11)
    bias = torch.rand(6) if biased else None
    torch.testing.assert_close(
        tap_by_tap(x, offset, mask, weight, bias, 1, 1, 1), modulated_deform_conv(x, offset, mask, weight, bias)
    )


@pytest.mark.slow
def test_every_variant_trains_to_the_same_result(tmp_path: Path) -> None:
    for index in range(10):
        write_png(
            tmp_path / f"clip/{index:03d}.png", generator(0, "frame", index).integers(0, 256, (64, 64, 3), np.uint8)
        )
    command = [sys.executable, "-m", "benchmarks.gpu", "--tiny", "--steps", "2", "--frames", str(tmp_path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    found = {(cells[0], cells[1]): float(cells[6]) for cells in rows[2:]}
    for paper in ("rasvsr", "msdtgp"):
        assert found[paper, "plain"] == pytest.approx(found[paper, "float32"], abs=0.02)
        assert found[paper, "bf16"] == pytest.approx(found[paper, "float32"], abs=0.2)
        assert found[paper, "bf16 channels-last"] == pytest.approx(found[paper, "float32"], abs=0.2)
    assert "ONNX Runtime on CUDA was not measured" in printed
