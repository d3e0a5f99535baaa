"""RASVSR: recurrent satellite video super-resolution with temporal feature fusion (Wang, Li, Zhao, 2024).

Data: SAT-MTB-VSR, 413 training and 18 held-out clips of 100 frames, 640x640 px, LR by bicubic x4. The held-out clips,
on which the figures are published, are test; 41 of the training clips validate.
Target: 39.930 dB / 0.9670 on the test clips (RGB, no border cut), bicubic 35.583 dB / 0.9280.
Recipe: Charbonnier, Adam 1e-4 (flow network at a quarter of it, frozen until iteration 5000), cosine to 1e-7 over
100,000 iterations, of which 90,000 are made, batch 4 clips of 60 frames, crops of 64 px.

Deviations: mirrored clips need no flag (the authors' stays set after the first one), a clip may start at frame 0, and
without pretrained SPyNet weights (network.flow_weights) the flow starts at zero, which is no reproduction. The
published weights are the raw ones of step 90,000 of 100,000: the full recipe ends there, with the rate of 100,000 steps
and without averaging. The paper's ablations are profiles; their figures are not known here.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import models
from models.rasvsr import load_flow, start_at_enlarged, start_flow_at_zero, without_still_flow
from models.rasvsr.losses import charbonnier
from pipelines.configs.rasvsr import RasvsrConfig, RasvsrTrain
from satsr.errors import SatsrError
from satsr.kinds.video.paper import VideoPaper
from satsr.kinds.video.samples import ClipCrops
from satsr.store.store import Store
from satsr.train.objectives import Batch, Objective, cosine, set_rate, warmed
from satsr.train.shares import in_shares
from satsr.train.start import checked


class RasvsrObjective(Objective):
    """Charbonnier over all frames; the flow network learns slower and later."""

    def __init__(self, network: nn.Module, settings: RasvsrTrain) -> None:
        self.settings, self.network = settings, network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.flow = [p for name, p in network.named_parameters() if "spynet" in name]
        rest = [p for name, p in network.named_parameters() if "spynet" not in name]
        self.networks = {"network": network}
        self.optimizers = {
            "network": torch.optim.Adam([{"params": rest}, {"params": self.flow}], lr=settings.lr, betas=(0.9, 0.99))
        }

    def prepare(self, step: int) -> None:
        """Rise and cosine decay in both groups; the flow network is frozen until its step (the reference's trap 2)."""
        settings = self.settings
        period = settings.period or settings.iterations
        rise = warmed(step, settings.warmup)
        rate = rise * cosine(step, period, settings.lr, settings.lr_floor)
        slow = rise * cosine(step, period, settings.lr * settings.flow_lr_factor, settings.lr_floor)
        set_rate(self.optimizers["network"], rate, 0)
        set_rate(self.optimizers["network"], slow, 1)
        for parameter in self.flow:
            parameter.requires_grad_(step >= settings.flow_frozen_until)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """One loss."""
        parameters = list(self.network.parameters())
        if step <= self.settings.still_until:
            batch = {name: clips.flatten(0, 1).unsqueeze(1) for name, clips in batch.items()}
        yield "network", in_shares(self._charbonnier, batch, parameters, self.settings.shares)

    def _charbonnier(self, batch: Batch) -> torch.Tensor:
        return charbonnier(self.network(batch["x"]), batch["target"])


class Rasvsr(VideoPaper[RasvsrConfig]):
    """The recipe."""

    name = "rasvsr"
    title = "RASVSR, satellite video x4"
    citation = "Wang, Li, Zhao: RASVSR, IEEE JSTARS 17 (2024), 685-695"

    @property
    def ablation(self) -> str:
        """What was taken away, as a part of a name; empty for the paper's own network."""
        network = self.config.network
        parts = [f"-alignment-{network.alignment}"] if network.alignment != "deformable" else []
        return "".join([*parts, *([f"-fusion-{network.fusion}"] if network.fusion != "tff" else [])])

    @property
    def registered_name(self) -> str:
        """One name for each ablation."""
        return f"{self.name}{self.ablation}"

    @property
    def published_as(self) -> str | None:
        """The table has the whole network alone."""
        return f"{self.name}{self.ablation}" if self.ablation else None

    @property
    def departures(self) -> Sequence[str]:
        """The authors start from SPyNet's published weights."""
        if self.config.network.flow_weights:
            return ()
        return (
            "the flow starts at zero instead of from SPyNet's pretrained weights (give their file as "
            "network.flow_weights, with network.flow_sha256)",
        )

    def network(self) -> nn.Module:
        """The network of the paper; without pretrained flow weights the flow starts at zero.

        Raises:
            SatsrError: the file of flow weights is missing, another one, or does not fit.
        """
        settings = self.config.network
        named = {"mid_channels", "num_blocks", "alignment", "fusion", "offset_groups", "high_channels"}
        enlarged = "bicubic" if settings.bicubic_residual else "bilinear"
        network: Any = models.build("rasvsr", enlarged=enlarged, **settings.model_dump(include=named))
        if settings.bicubic_residual:
            start_at_enlarged(network)
        network.recompute = self.config.train.recompute
        if not settings.flow_weights:
            start_flow_at_zero(network)
            return cast(nn.Module, network)
        path = checked(settings.flow_weights, settings.flow_sha256)
        try:
            load_flow(network, path)
        except ValueError as error:
            raise SatsrError(f"network.flow_weights cannot be used: {error}") from None
        return cast(nn.Module, network)

    def graph(self, network: nn.Module) -> nn.Module:
        """Without the flow network, where a short training left its flow at zero."""
        return without_still_flow(network)

    def objective(self, network: nn.Module) -> Objective:
        """Charbonnier with the paper's optimiser."""
        settings = self.config.train
        return RasvsrObjective(network, settings)

    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of short clips; for the first steps, if the training has them, of single frames."""
        settings = self.config.train
        crops = ClipCrops(
            store, settings.frames, settings.crop_px, self.config.convert.scale, settings.seed, self.radiometry
        )
        crops.still = settings.still_until * settings.batch
        return crops

    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, number of frames, height and width."""
        return {"x": torch.zeros(2, 3, 3, 64, 72)}, {"x": {0: "batch", 1: "time", 3: "height", 4: "width"}}

    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Lengths and sizes other than the exported one."""
        random = np.random.default_rng(0)
        shapes = [(1, 1, 3, 32, 32), (1, 2, 3, 39, 34), (3, 5, 3, 32, 36), (1, 7, 3, 44, 64)]
        return [{"x": random.random(shape, dtype=np.float32)} for shape in shapes]


PAPER = Rasvsr
