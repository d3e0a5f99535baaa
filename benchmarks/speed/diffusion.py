"""SRDiff's denoiser, and how often it is asked for a sample.

How good samples in few steps are, against those in all steps, needs trained weights: docs/training.md has the table.
"""

from collections.abc import Iterator

import torch

import models
from benchmarks.speed.ratio import Row, measure
from models.breizhsr.graphs import Sampler
from pipelines.configs.breizhsr import BreizhsrNetwork


def rows() -> Iterator[Row]:
    """One call of the paper's denoiser, and the calls of the deterministic sampling as it is set by default."""
    torch.manual_seed(0)
    denoiser = models.build("srdiff").denoise_fn.eval()
    noisy, t, condition = torch.randn(1, 3, 128, 128), torch.tensor([250]), torch.randn(1, 96, 32, 32)

    def call() -> None:
        with torch.inference_mode():
            denoiser(noisy, t, condition)

    yield measure("denoiser call, HR 128x128, forward", call, "conv-50", peer=2.31, target=2.0)
    calls = float(_calls(BreizhsrNetwork().sampling_steps))
    note = "PSNR not below that of all steps: docs/training.md"
    yield Row("a sample", calls, "denoiser calls", calls, calls, peer=500, target=25, note=note)


def _calls(steps: int) -> int:
    """How often the denoiser runs for one sample, counted."""
    network = models.build("srdiff", backbone="none", channels=8, multipliers=(1,))
    counted: list[int] = []
    network.denoise_fn.mid_block1.register_forward_hook(lambda *_: counted.append(1))
    Sampler(network, steps)(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 16, 16))
    return len(counted)
