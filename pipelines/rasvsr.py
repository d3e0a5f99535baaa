"""RASVSR: recurrent satellite video super-resolution with temporal feature fusion (Wang, Li, Zhao, 2024).

Data: SAT-MTB-VSR, 413 training and 18 held-out clips of 100 frames, 640x640 px, LR by bicubic x4. The held-out clips,
on which the figures are published, are test; 41 of the training clips validate.
Target: 39.930 dB / 0.9670 on the test clips (RGB, no border cut), bicubic 35.583 dB / 0.9280.
Recipe: Charbonnier, Adam 1e-4 (flow network at a quarter of it, frozen until iteration 5000), cosine to 1e-7 over
100,000 iterations, batch 4 clips of 60 frames, crops of 64 px, EMA 0.999.

Deviations: mirrored clips need no flag (the authors' stays set after the first one), a clip may start at frame 0, and
without pretrained SPyNet weights the flow starts at zero.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import models
from models.rasvsr import load_flow, start_flow_at_zero
from models.rasvsr.losses import charbonnier
from pipelines.configs.rasvsr import RasvsrConfig, RasvsrTrain
from satsr.kinds.video.paper import VideoPaper
from satsr.kinds.video.samples import ClipCrops
from satsr.store.store import Store
from satsr.train.objectives import Batch, Objective, cosine, set_rate


class RasvsrObjective(Objective):
    """Charbonnier over all frames; the flow network learns slower and later."""

    def __init__(self, network: nn.Module, settings: RasvsrTrain) -> None:
        self.settings, self.network = settings, network
        self.flow = [p for name, p in network.named_parameters() if "spynet" in name]
        rest = [p for name, p in network.named_parameters() if "spynet" not in name]
        self.networks = {"network": network}
        self.optimizers = {
            "network": torch.optim.Adam([{"params": rest}, {"params": self.flow}], lr=settings.lr, betas=(0.9, 0.99))
        }

    def prepare(self, step: int) -> None:
        """Cosine decay in both groups; the flow network is frozen until its step comes (trap 2 of the reference)."""
        rate = cosine(step, self.settings.iterations, self.settings.lr, self.settings.lr_floor)
        slow = cosine(
            step, self.settings.iterations, self.settings.lr * self.settings.flow_lr_factor, self.settings.lr_floor
        )
        set_rate(self.optimizers["network"], rate, 0)
        set_rate(self.optimizers["network"], slow, 1)
        for parameter in self.flow:
            parameter.requires_grad_(step >= self.settings.flow_frozen_until)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """One loss."""
        yield "network", charbonnier(self.network(batch["x"]), batch["target"])


class Rasvsr(VideoPaper[RasvsrConfig]):
    """The recipe."""

    name = "rasvsr"
    title = "RASVSR, satellite video x4"
    citation = "Wang, Li, Zhao: RASVSR, IEEE JSTARS 17 (2024), 685-695"

    def network(self) -> nn.Module:
        """The network of the paper; without pretrained flow weights the flow starts at zero."""
        settings = self.config.network
        network = models.build("rasvsr", mid_channels=settings.mid_channels, num_blocks=settings.num_blocks)
        if settings.flow_weights:
            load_flow(network, settings.flow_weights)
        else:
            start_flow_at_zero(network)
        return network

    def objective(self, network: nn.Module) -> Objective:
        """Charbonnier with the paper's optimiser."""
        settings = self.config.train
        return RasvsrObjective(network, settings)

    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of short clips."""
        settings = self.config.train
        return ClipCrops(
            store, settings.frames, settings.crop_px, self.config.convert.scale, settings.seed, self.radiometry
        )

    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, number of frames, height and width."""
        return {"x": torch.zeros(2, 3, 3, 64, 72)}, {"x": {0: "batch", 1: "time", 3: "height", 4: "width"}}

    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Lengths and sizes other than the exported one."""
        random = np.random.default_rng(0)
        shapes = [(1, 1, 3, 64, 64), (1, 2, 3, 72, 64), (3, 5, 3, 64, 68), (1, 7, 3, 76, 96)]
        return [{"x": random.random(shape, dtype=np.float32)} for shape in shapes]


PAPER = Rasvsr
