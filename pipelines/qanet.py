"""QA-Net: multi-image super-resolution of Proba-V with quality maps in the attention (arXiv 2202.13124, 2022).

Data: ESA's Proba-V challenge, 594 RED and 566 NIR image sets with a reference: at least 9 views of 128x128 px (300 m)
and one image of 384x384 px (100 m), 14 bits, with quality and status maps. Test is what the literature calls validation
(179 RED and 170 NIR sets), whose bicubic baseline has a mean of 47.791 and 45.334 dB; a tenth of the others validates.
Target: no mean cPSNR over a validation split is known to us for QA-Net. Its figure of one NIR set of that split,
imgset0658, gives 47.25 dB (bicubic 42.15, RAMS 44.86, TR-MISR 45.63); it is shown, and never compared with a mean.
Recipe: minus cPSNR as loss, Adam 1e-4 with weight decay 1e-5, times 0.8 in epochs 120, 220, 300, 360, 400, 440 and 480
of 520, gradients clipped at 15, batch 10 of 9 random views, crops of 32 px, seed 216.

Deviations: the loss is the one the authors meant, a score per image, where their code scores columns; their nine views
for measuring are chosen by the same criterion, but no files are deleted; the number of steps is 520 epochs for nine
tiles of every image set, and where clouds leave fewer, the epochs are more; one network learns both bands, as in the
authors' code, and no band has a training of its own after it, which the names of their files suggest. The authors' loss
leaves brightness free, and their scores do not see it; here what would be written is scored, and ``train.brightness``
(0 in ``paper``) holds it to the target's.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import models
from models.qanet import brightness_loss, cpsnr_loss, registered_cpsnr_loss
from pipelines.configs.qanet import QanetConfig, QanetTrain
from satsr.kinds.imageset.paper import ImagesetPaper
from satsr.kinds.imageset.samples import ViewCrops
from satsr.store.store import Store
from satsr.train.objectives import Batch, Objective, cosine, multistep, set_rate

LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "cpsnr": cpsnr_loss,
    "registered": registered_cpsnr_loss,
    "reference": partial(cpsnr_loss, reference_compat=True),
}


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
        set_rate(self.optimizers["network"], rate_at(step, self.settings))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """One loss; with ``train.brightness`` the mean brightness counts too."""
        output = self.network(batch["x"], batch["quality"])
        loss = self.loss(output, batch["target"], batch["mask"])
        if self.settings.brightness:
            loss = loss + self.settings.brightness * brightness_loss(output, batch["target"], batch["mask"])
        yield "network", loss


def rate_at(step: int, settings: QanetTrain) -> float:
    """The learning rate of a step (counted from 1): the paper's milestones, or a cosine to 0."""
    if settings.schedule == "cosine":
        return cosine(step, settings.iterations, settings.lr, 0.0)
    return multistep(step, settings.milestone_steps, settings.lr, settings.gamma)


class Qanet(ImagesetPaper[QanetConfig]):
    """The recipe."""

    name = "qanet"
    title = "QA-Net, Proba-V image sets x3"
    citation = "Multi-image Super-resolution via Quality Map Associated Attention Network, arXiv 2202.13124 (2022)"

    @property
    def views(self) -> int:
        """That of the recipe."""
        return self.config.network.n_views

    def network(self) -> nn.Module:
        """The network of the paper."""
        return models.build("qanet", **self.config.network.model_dump())

    def objective(self, network: nn.Module) -> Objective:
        """Minus cPSNR with the paper's optimiser."""
        settings = self.config.train
        return QanetObjective(network, settings)

    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of random views, both bands together, in the full recipe out of fixed tiles."""
        train = self.config.train
        return ViewCrops(
            store,
            self.views,
            train.crop_px,
            self.config.convert.scale,
            train.seed,
            radiometry=self.radiometry,
            min_clear=train.min_clear,
            flips=train.flips,
            tile_px=train.tile_px,
        )

    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; a fixed number of views."""
        settings = self.config.network
        axes = {0: "batch", 2: "height", 3: "width"}
        views = torch.zeros(2, settings.n_views, 16, 20)
        return {"x": views, "quality": torch.ones_like(views)}, {"x": axes, "quality": axes}

    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Sizes other than the exported one, with a cloud in half of the views."""
        settings = self.config.network
        random = np.random.default_rng(0)
        cases = []
        for batch, height, width in ((1, 16, 16), (3, 17, 23), (1, 40, 32)):
            x = 0.25 * random.random((batch, settings.n_views, height, width), dtype=np.float32)
            quality = np.ones_like(x)
            quality[:, ::2, height // 4 : height // 2, : width // 2] = 0
            cases.append({"x": x, "quality": quality})
        return cases


PAPER = Qanet
