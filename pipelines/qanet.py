"""QA-Net: multi-image super-resolution of Proba-V with quality maps in the attention (arXiv 2202.13124, 2022).

Data: ESA's Proba-V challenge, 594 RED and 566 NIR image sets with a reference: at least 9 views of 128x128 px (300 m)
and one image of 384x384 px (100 m), 14 bits, with quality and status maps. Validated on the split of the literature
(179 RED and 170 NIR sets), whose bicubic baseline has a mean of 47.791 and 45.334 dB.
Target: no mean cPSNR over a validation split is known to us for QA-Net. Its figure of one NIR set of that split,
imgset0658, gives 47.25 dB (bicubic 42.15, RAMS 44.86, TR-MISR 45.63); it is shown, and never compared with a mean.
Recipe: minus cPSNR as loss, Adam 1e-4 with weight decay 1e-5, times 0.8 in epochs 120, 220, 300, 360, 400, 440 and 480
of 520, gradients clipped at 15, batch 10 of 9 random views, crops of 32 px, seed 216.

Deviations: the loss is the one the authors meant, a score per image, where their code scores columns; their nine views
for measuring are chosen by the same criterion, but no files are deleted; crops are drawn from whole image sets instead
of prepared tiles, by the same share of clear pixels.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.utils.data import Dataset

import models
from models.qanet import cpsnr_loss, registered_cpsnr_loss
from satsr.config import Config, Section, Train
from satsr.kinds.imageset.paper import ImagesetProtocol
from satsr.kinds.imageset.samples import ViewCrops
from satsr.paper import Claim, Paper, Published
from satsr.store.store import Store
from satsr.train.objectives import Batch, Objective, multistep, set_rate

LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "cpsnr": cpsnr_loss,
    "registered": registered_cpsnr_loss,
    "reference": partial(cpsnr_loss, reference_compat=True),
}


class QanetNetwork(Section):
    """The defaults are the paper's."""

    n_modules: int = Field(12, ge=1)
    n_resblocks: int = Field(8, ge=0)
    n_feats: int = Field(36, ge=1)
    n_heads: int = Field(1, ge=1)
    n_views: int = Field(9, ge=1)
    reduction: int = Field(16, ge=1)
    bicubic_residual: bool = False


class QanetTrain(Train):
    """The defaults are the paper's, beside the lengths that a profile sets."""

    crop_px: int = Field(32, ge=4)
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(1e-5, ge=0)
    epochs: int = Field(520, ge=1, description="into how many equal parts the iterations are divided")
    milestones: list[int] = Field(
        default=[120, 220, 300, 360, 400, 440, 480], description="epochs after which the rate is multiplied by gamma"
    )
    gamma: float = Field(0.8, gt=0, le=1)
    loss: str = Field("cpsnr", pattern="^(cpsnr|registered|reference)$")
    min_clear: float = Field(0.85, ge=0, le=1)
    flips: bool = False

    @property
    def milestone_steps(self) -> list[int]:
        """The milestones, counted in iterations."""
        return [round(self.iterations * epoch / self.epochs) for epoch in self.milestones]


class QanetConfig(Config):
    """Everything that can be set for this paper."""

    network: QanetNetwork
    train: QanetTrain


class QanetObjective(Objective):
    """Minus cPSNR over the clear pixels of the reference, with Adam and milestones."""

    def __init__(self, network: nn.Module, settings: QanetTrain) -> None:
        self.network, self.settings = network, settings
        self.loss = LOSSES[settings.loss]
        self.networks = {"network": network}
        self.optimizers = {
            "network": torch.optim.Adam(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        }

    def prepare(self, step: int) -> None:
        """Sets the rate."""
        settings = self.settings
        set_rate(self.optimizers["network"], multistep(step, settings.milestone_steps, settings.lr, settings.gamma))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """One loss."""
        yield "network", self.loss(self.network(batch["x"], batch["quality"]), batch["target"], batch["mask"])


class Qanet(ImagesetProtocol, Paper):
    """The recipe."""

    name = "qanet"
    title = "QA-Net, Proba-V image sets x3"
    citation = "Multi-image Super-resolution via Quality Map Associated Attention Network, arXiv 2202.13124 (2022)"
    config = QanetConfig
    claim = Claim(
        dataset="proba-v imgset0658",
        metric="cpsnr",
        method="QA-Net",
        source="one NIR image set, imgset0658, in the authors' figure compare.jpeg; a mean over a split is not known",
        rows=[
            Published("bicubic", {"cpsnr": 42.15}),
            Published("RAMS", {"cpsnr": 44.86}),
            Published("TR-MISR", {"cpsnr": 45.63}),
            Published("QA-Net", {"cpsnr": 47.25}),
        ],
    )

    def limits(self, config: Config) -> dict[str, Any]:
        """The suite's limits, with as many views as the network takes."""
        settings: Any = config.network
        return {**super().limits(config), "min_views": settings.n_views}

    def network(self, config: Config) -> nn.Module:
        """The network of the paper."""
        return models.build("qanet", **config.network.model_dump())

    def objective(self, config: Config, network: nn.Module) -> Objective:
        """Minus cPSNR with the paper's optimiser."""
        settings: Any = config.train
        return QanetObjective(network, settings)

    def samples(self, config: Config, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of random views, both bands together."""
        train: Any = config.train
        network: Any = config.network
        return ViewCrops(
            store,
            network.n_views,
            train.crop_px,
            config.convert.scale,
            train.seed,
            min_clear=train.min_clear,
            flips=train.flips,
        )

    def example(self, config: Config) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; a fixed number of views."""
        settings: Any = config.network
        axes = {0: "batch", 2: "height", 3: "width"}
        views = torch.zeros(2, settings.n_views, 16, 20)
        return {"x": views, "quality": torch.ones_like(views)}, {"x": axes, "quality": axes}

    def parity_cases(self, config: Config) -> list[dict[str, np.ndarray]]:
        """Sizes other than the exported one, with a cloud in half of the views."""
        settings: Any = config.network
        random = np.random.default_rng(0)
        cases = []
        for batch, height, width in ((1, 16, 16), (3, 17, 23), (1, 40, 32)):
            x = 0.25 * random.random((batch, settings.n_views, height, width), dtype=np.float32)
            quality = np.ones_like(x)
            quality[:, ::2, height // 4 : height // 2, : width // 2] = 0
            cases.append({"x": x, "quality": quality})
        return cases


PAPER = Qanet()
