"""A metric is the same number on one core and on eight: no sum is left to a library that divides it among threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import numpy as np
from satsr import metrics
from satsr.seeds import generator

random = generator(0, "metrics")
hr = random.random((256, 250, 3))
sr = (hr + 0.1 * random.standard_normal(hr.shape)).clip(0, 1)
mask = random.random(hr.shape[:2]) > 0.2
one, other = sr[..., 0], hr[..., 0]
found = [
    metrics.psnr_float(sr, hr, 1.0), metrics.mse(sr, hr), metrics.mae(sr, hr), metrics.sam(sr, hr),
    metrics.cpsnr(one, other, mask), metrics.cssim(one, other, mask), metrics.ssim_kornia(sr, hr, 1.0),
    metrics.ergas(sr, hr, 4), metrics.uiqi(sr, hr), metrics.q2n(sr, hr),
]
print(*map(float.hex, map(float, found)))
"""


@pytest.mark.slow
def test_metrics_have_the_same_bits_on_any_number_of_cores() -> None:
    root, found = Path(__file__).resolve().parents[2], set()
    for threads in ("1", "2", "8"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        run = subprocess.run([sys.executable, "-c", MEASURE], cwd=root, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found.add(run.stdout)
    assert len(found) == 1, found
