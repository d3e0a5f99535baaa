"""RASVSR: recurrent satellite video super-resolution with temporal feature fusion (Wang, Li, Zhao, 2024).

Data: SAT-MTB-VSR, 413 training and 18 validation clips of 100 frames, 640x640 px, LR by bicubic x4.
Target: 39.930 dB / 0.9670 on the validation clips (RGB, no border cut), bicubic 35.583 dB / 0.9280.
Recipe: Charbonnier, Adam 1e-4 (flow network at a quarter of it, frozen until iteration 5000), cosine to 1e-7 over
100,000 iterations, batch 4 clips of 60 frames, crops of 64 px, EMA 0.999.

Deviations: mirrored clips need no flag (the authors' stays set after the first one), a clip may start at frame 0, and
without pretrained SPyNet weights the flow starts at zero.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.utils.data import Dataset

import models
from models.rasvsr import load_flow, start_flow_at_zero
from models.rasvsr.losses import charbonnier
from satsr.config import Config, Section, Train
from satsr.kinds.sampling import ClipCrops
from satsr.kinds.video.paper import VideoProtocol
from satsr.paper import Claim, Paper, Published
from satsr.store.store import Store
from satsr.train.objectives import Batch, Objective, cosine, set_rate


class RasvsrNetwork(Section):
    """The defaults are the paper's (section III; the released configuration)."""

    mid_channels: int = Field(64, ge=16, multiple_of=16)
    num_blocks: int = Field(7, ge=1)
    flow_weights: str | None = None


class RasvsrTrain(Train):
    """The defaults are the paper's, beside the lengths that a profile sets."""

    frames: int = Field(60, ge=2)
    crop_px: int = Field(64, ge=16)
    lr: float = Field(1e-4, gt=0)
    lr_floor: float = Field(1e-7, ge=0)
    flow_lr_factor: float = Field(0.25, ge=0)
    flow_frozen_until: int = Field(5000, ge=0)
    validate_frames: int = Field(7, ge=1)


class RasvsrConfig(Config):
    """Everything that can be set for this paper."""

    network: RasvsrNetwork
    train: RasvsrTrain


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


class Rasvsr(VideoProtocol, Paper):
    """The recipe."""

    name = "rasvsr"
    title = "RASVSR, satellite video x4"
    citation = "Wang, Li, Zhao: RASVSR, IEEE JSTARS 17 (2024), 685-695"
    config = RasvsrConfig
    claim = Claim(
        dataset="sat-mtb-vsr",
        metric="psnr_rgb_u8",
        method="RASVSR",
        source="the authors' repository, assets/table.png: x4, SAT-MTB-VSR, RGB, mean over frames, then over 18 clips",
        rows=[
            Published("bicubic", {"psnr_rgb_u8": 35.583, "ssim_rgb_u8": 0.9280, "niqe_y_u8": 7.7373}),
            Published("EDVR", {"psnr_rgb_u8": 37.824, "ssim_rgb_u8": 0.9533, "niqe_y_u8": 7.2666}),
            Published("MSDTGP", {"psnr_rgb_u8": 37.827, "ssim_rgb_u8": 0.9534, "niqe_y_u8": 7.1752}),
            Published("BasicVSR", {"psnr_rgb_u8": 38.027, "ssim_rgb_u8": 0.9535, "niqe_y_u8": 7.1126}),
            Published("IconVSR", {"psnr_rgb_u8": 38.351, "ssim_rgb_u8": 0.9566, "niqe_y_u8": 7.0827}),
            Published("BasicVSR++", {"psnr_rgb_u8": 38.780, "ssim_rgb_u8": 0.9607, "niqe_y_u8": 6.9408}),
            Published("RASVSR", {"psnr_rgb_u8": 39.930, "ssim_rgb_u8": 0.9670, "niqe_y_u8": 6.8273}),
        ],
    )

    def network(self, config: Config) -> nn.Module:
        """The network of the paper; without pretrained flow weights the flow starts at zero."""
        settings: Any = config.network
        network = models.build("rasvsr", mid_channels=settings.mid_channels, num_blocks=settings.num_blocks)
        if settings.flow_weights:
            load_flow(network, settings.flow_weights)
        else:
            start_flow_at_zero(network)
        return network

    def objective(self, config: Config, network: nn.Module) -> Objective:
        """Charbonnier with the paper's optimiser."""
        settings: Any = config.train
        return RasvsrObjective(network, settings)

    def samples(self, config: Config, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of short clips."""
        settings: Any = config.train
        return ClipCrops(store, settings.frames, settings.crop_px, config.convert.scale, settings.seed)

    def example(self, config: Config) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, number of frames, height and width."""
        return {"x": torch.zeros(2, 3, 3, 64, 72)}, {"x": {0: "batch", 1: "time", 3: "height", 4: "width"}}

    def parity_cases(self, config: Config) -> list[dict[str, np.ndarray]]:
        """Lengths and sizes other than the exported one."""
        random = np.random.default_rng(0)
        shapes = [(1, 1, 3, 64, 64), (1, 2, 3, 72, 64), (3, 5, 3, 64, 68), (1, 7, 3, 76, 96)]
        return [{"x": random.random(shape, dtype=np.float32)} for shape in shapes]


PAPER = Rasvsr()
