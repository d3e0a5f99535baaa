"""SRGAN for Sentinel-2, x4 (Donike, Remote-Sensing-SRGAN, 2023): a chain of experiments on one image and on several.

Data: photographs (sisr1, sisr2), then SPOT-6 tiles of 300x300 px in 8 bits (sisr3 to sisr6: shrunk to 75x75 px), then
with Sentinel-2 beside them (sisr7, misr3). The author has not published his pairs; any of one's own serve.
Target: the README's figures, PSNR 29.54 and SSIM 0.754 for sisr7. They cannot be reproduced: the data are not public,
and a fifth of the rows were in training and validation alike.
Recipe: ``EXPERIMENTS`` of :mod:`pipelines.configs.srgan`. Discriminator and generator in turn at every step, MSE of
VGG19's relu5_4 plus 1e-3 times the adversarial loss, Adam 1e-4, the rate times 0.25 when L1 stands still, batch 12 of
whole tiles, no augmentation.

Deviations: a given number of steps replaces early stopping after 250 validations without a smaller L1, and the plateau
of the rate is counted in validations every 5,000 steps instead of epochs; no row is in two splits, histograms are
matched to the nearest image in its own 75 px where the author enlarges it to 300 px first, the fusion of views is in
the generator's optimiser, the views that a sample takes are the nearest in date, every view counts where their number
is odd, the generated image of a step is computed once for both networks, everything is seeded, sisr1 has the cats
beside the dogs, and the successor's generators (successor_*) learn three bands of these pairs with its 10 m settings;
its stochastic one takes no noise outside training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import models
from models.srgan import FROM_FILE, ContentLoss, SuperResolver, part
from pipelines.configs.srgan import SCRATCH, SUCCESSORS, VARIANTS, SrganConfig, SrganNetwork, SrganTrain
from satsr.errors import SatsrError
from satsr.kinds.image.adversarial import AdversarialObjective
from satsr.kinds.image.paper import PairPaper
from satsr.kinds.image.samples import PairCrops, Pairing
from satsr.kinds.sampling import Sampling
from satsr.radiometry import normalisation
from satsr.store.store import Store
from satsr.train.objectives import Decibels, Objective
from satsr.train.start import Start, checked, find


class Srgan(PairPaper[SrganConfig]):
    """The recipe."""

    name = "srgan"
    title = "SRGAN for Sentinel-2, one image or several views, x4"
    citation = "Donike: Remote-Sensing-SRGAN, 2023, after Ledig et al., CVPR 2017"

    @property
    def registered_name(self) -> str:
        """One name for each experiment."""
        return f"{self.name}-{self.config.network.variant}"

    @property
    def published_as(self) -> str:
        """The author's number of the experiment."""
        return self.config.network.variant

    @property
    def departures(self) -> Sequence[str]:
        """What of an experiment cannot be the author's, and of the successor's networks."""
        if self.config.network.variant in SUCCESSORS:
            return ("the successor's networks learn three bands of these pairs, not its four or six of others",)
        return (
            "training ends after a given number of steps instead of when L1 stands still, and the rate falls after "
            "validations every so many steps instead of every epoch",
        )

    def network(self) -> nn.Module:
        """The generator, behind the fusion of views where there are several."""
        settings = self.config.network
        return models.build(
            "srgan",
            scale=self.config.convert.scale,
            n_blocks=settings.n_blocks,
            n_channels=settings.n_channels,
            n_views=settings.n_views,
            bicubic_residual=settings.bicubic_residual,
            generator=settings.generator,
        )

    def objective(self, network: nn.Module) -> Objective:
        """Adversarial training; the discriminator starts from torch's generator, after the network."""
        settings, train = self.config.network, self.config.train
        discriminator = _discriminator(settings)
        assert isinstance(network, SuperResolver)
        return AdversarialObjective(network, discriminator, _content(train), train)

    def start(self, objective: Objective) -> dict[str, str]:
        """Generator, discriminator and fusion of the experiments that this one goes on from."""
        settings = self.config.network
        _require_start(settings)
        tags: dict[str, str] = {}
        network: Any = objective.networks["network"]
        if settings.start not in (None, SCRATCH):
            found = find(str(settings.start), settings.start_sha256)
            _load(network.generator, found.network, "generator", settings.start)
            discriminator = found.weights.get("discriminator", found.network)
            carried = "discriminator" in found.weights or _holds(found.network, "discriminator")
            if carried:
                _load(objective.networks["discriminator"], discriminator, "discriminator", settings.start)
            if network.fusion and _holds(found.network, "fusion"):
                _load(network.fusion["model"], found.network, "fusion", settings.start)
            tags = {f"start.{key}": value for key, value in found.tags.items()}
            tags["start.discriminator"] = "carried along" if carried else "fresh"
        if network.fusion and settings.fusion_start not in (None, SCRATCH):
            fusion: Start = find(str(settings.fusion_start), settings.fusion_start_sha256)
            _load(network.fusion["model"], fusion.network, "fusion", settings.fusion_start)
            tags |= {f"start.fusion.{key}": value for key, value in fusion.tags.items()}
        return tags

    @property
    def pairing(self) -> Pairing:
        """As in training."""
        settings, train = self.config.network, self.config.train
        return Pairing(
            pairs=train.pairs,
            normalisation=normalisation(settings.normalisation),
            match=train.match,
            views=settings.n_views,
            noise_sigma=train.noise_sigma,
            scale=self.config.convert.scale,
        )

    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of pairs."""
        train = self.config.train
        sampling = Sampling(train.crop_px, train.match, train.augment, train.seed)
        return PairCrops(store, self.pairing, sampling, train.kernels)

    def describe(self) -> dict[str, Any]:
        """With the experiment."""
        return super().describe() | {"variant": self.config.network.variant}

    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; the number of views is the recipe's."""
        case = self._case((2, 16, 20))["x"]
        axes = {0: "batch", case.ndim - 2: "height", case.ndim - 1: "width"}
        return {"x": torch.from_numpy(case)}, {"x": axes}

    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Batches and sizes other than the exported ones."""
        return [self._case(shape) for shape in ((1, 24, 24), (3, 17, 23), (1, 40, 32))]

    def _case(self, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
        """Inputs made up for (batch, height, width)."""
        views, (batch, height, width) = self.config.network.n_views, shape
        random = np.random.default_rng(list(shape))
        x = random.uniform(-1, 1, (batch, *([views] if views > 1 else []), 3, height, width))
        return {"x": x.astype(np.float32)}


def _discriminator(settings: SrganNetwork) -> nn.Module:
    """The chosen one, for three bands; PatchGAN has the published three layers."""
    width = settings.discriminator_channels
    match settings.discriminator:
        case "patchgan":
            return models.build("srgan_patchgan", in_channels=3, n_channels=width)
        case "esrgan":
            fc = settings.discriminator_fc
            return models.build("srgan_esrgan_discriminator", in_channels=3, n_channels=width, fc_size=fc)
    sizes = {"n_blocks": settings.discriminator_blocks, "fc_size": settings.discriminator_fc}
    return models.build("srgan_discriminator", n_channels=width, **sizes)


def _content(train: SrganTrain) -> nn.Module:
    """The content loss; VGG19 from the very file that ``train.vgg_sha256`` names."""
    if train.content == "psnr":
        return Decibels()
    if train.content in FROM_FILE and train.vgg_weights is None:
        raise SatsrError(
            f"train.content = {train.content} needs train.vgg_weights, a file of torchvision's vgg19 weights (.pth or "
            ".safetensors), and train.vgg_sha256; or choose train.content = l1."
        )
    weights = checked(train.vgg_weights, train.vgg_sha256) if train.content in FROM_FILE else None
    try:
        return ContentLoss(train.content, weights, seed=train.seed)
    except ValueError as error:
        raise SatsrError(f"train.vgg_weights cannot be used: {error}") from None


def _require_start(settings: SrganNetwork) -> None:
    """Refuses an experiment that goes on from others without them.

    Raises:
        SatsrError: one is missing.
    """
    given = dict(zip(("network.start", "network.fusion_start"), (settings.start, settings.fusion_start), strict=True))
    for (key, reference), before in zip(given.items(), VARIANTS[settings.variant].after, strict=False):
        if reference is None:
            raise SatsrError(
                f"{settings.variant} goes on from {before}: give {key} = srgan-{before}/<version of the registry>, a "
                f"file or a folder of weights with {key}_sha256, or {key} = {SCRATCH} for fresh weights."
            )


def _holds(weights: Mapping[str, torch.Tensor], name: str) -> bool:
    return any(key.startswith(f"{name}.") for key in weights)


def _load(network: nn.Module, weights: Mapping[str, torch.Tensor], name: str, reference: str | None) -> None:
    try:
        models.load_weights(network, part(weights, name))
    except ValueError as error:
        raise SatsrError(f"the {name} of {reference} cannot be taken over: {error}") from None


PAPER = Srgan
