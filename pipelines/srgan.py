"""SRGAN for Sentinel-2, x4 (Donike, Remote-Sensing-SRGAN, 2023): a chain of experiments on one image and on several.

Data: photographs (sisr1, sisr2), then SPOT-6 tiles of 300x300 px in 8 bits (sisr3 to sisr6: shrunk to 75x75 px), then
with Sentinel-2 beside them (sisr7, misr3). The author has not published his pairs; any of one's own serve.
Target: the README's figures, PSNR 29.54 and SSIM 0.754 for sisr7. They cannot be reproduced: the data are not public,
and a fifth of the rows were in training and validation alike.
Recipe: ``EXPERIMENTS`` below. Discriminator and generator in turn at every step, MSE of VGG19's relu5_4 plus 1e-3 times
the adversarial loss, Adam 1e-4, the rate times 0.25 when L1 stands still, batch 12 of whole tiles, no augmentation.

Deviations: no row is in two splits, the fusion of views is in the generator's optimiser, the views that a sample takes
are the nearest in date, every view counts where their number is odd, the generated image of a step is computed once for
both networks, everything is seeded, and a given number of steps replaces early stopping.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn
from torch.utils.data import Dataset

import models
from models.srgan import CONTENT_LOSSES, ContentLoss, SuperResolver, part
from satsr.config import Config, Section
from satsr.errors import SatsrError
from satsr.kinds.image.paper import PairProtocol
from satsr.kinds.image.samples import MATCHES, PAIRS, PairCrops, Pairing
from satsr.kinds.series.samples import Sampling
from satsr.paper import Claim, Paper, Published
from satsr.radiometry import normalisation
from satsr.store.store import Store
from satsr.train.adversarial import AdversarialObjective, AdversarialTrain
from satsr.train.objectives import Objective
from satsr.train.start import Start, checked, find

SCRATCH = "scratch"
UPDATES = 200_000


@dataclass(frozen=True)
class Experiment:
    """One of the author's experiments: what its configuration does not say.

    Attributes:
        network, train: keys of these sections.
        after: the experiments it goes on from; of two, the second gives the fusion.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()


PHOTOS: dict[str, Any] = {"network": {"normalisation": "signed_u8"}, "train": {"pairs": "stored", "match": "none"}}
BYTES: dict[str, Any] = {"network": {"normalisation": "signed_u8"}, "train": {"pairs": "interpolated", "match": "none"}}
MATCHED: dict[str, Any] = {"pairs": "interpolated_matched"}
VIEWS: dict[str, Any] = {"n_views": 4}
NOISY: dict[str, Any] = {**MATCHED, "noise_sigma": 0.075}
FUSION: dict[str, Any] = {"content": "none", "batch": 16, "iterations": 20_000, "fusion_steps": 20_000}
FUSION |= {"fusion_noise_sigma": 0.0}  # the views have theirs
EXPERIMENTS = {
    "sisr1": Experiment(**PHOTOS),
    "sisr2": Experiment(**PHOTOS),
    "sisr3": Experiment(**BYTES),
    "sisr4": Experiment(**BYTES, after=("sisr3",)),
    "sisr5": Experiment({"normalisation": "normalise_10k"}, MATCHED, ("sisr4",)),
    "sisr6": Experiment({}, MATCHED, ("sisr4",)),
    "sisr7": Experiment({}, {}, ("sisr6",)),
    "misr1": Experiment(VIEWS, {**NOISY, **FUSION}),
    "misr2": Experiment(VIEWS, NOISY, ("sisr6", "misr1")),
    "misr3": Experiment(VIEWS, {}, ("misr2",)),
}
"""Specification of SRGAN, section 2; the rest is cross-sensor, histograms matched, reflectance of 0..0.3 as -1..1."""


class SrganNetwork(Section):
    """The experiment, its networks, and what it starts from: ``model/version``, a path and its hash, or ``scratch``."""

    variant: str = Field("sisr7", pattern=f"^({'|'.join(EXPERIMENTS)})$")
    n_views: int = Field(1, ge=1)
    normalisation: str = "s2_norm"
    n_blocks: int = Field(16, ge=1)
    n_channels: int = Field(64, ge=4)
    bicubic_residual: bool = False
    discriminator_blocks: int = Field(8, ge=1)
    discriminator_channels: int = Field(64, ge=1)
    discriminator_fc: int = Field(1024, ge=1)
    start: str | None = None
    start_sha256: str | None = None
    fusion_start: str | None = None
    fusion_start_sha256: str | None = None


class SrganTrain(AdversarialTrain):
    """The defaults are the paper's."""

    iterations: int = Field(UPDATES, ge=1)
    batch: int = Field(12, ge=1)
    ema: float = Field(0.0, ge=0, lt=1)
    pairs: str = Field("stored", pattern=f"^({'|'.join(PAIRS)})$")
    match: str = Field("histogram", pattern=f"^({'|'.join(MATCHES)}|none)$")
    noise_sigma: float = Field(0.0, ge=0)
    crop_px: int = Field(75, ge=8)
    augment: bool = False
    content: str = Field("vgg19", pattern=f"^({'|'.join(CONTENT_LOSSES)})$")
    vgg_weights: str | None = None
    vgg_sha256: str | None = None
    validate_scenes: int = Field(250, ge=1)


class SrganConfig(Config):
    """Everything that can be set for this paper."""

    network: SrganNetwork
    train: SrganTrain

    @model_validator(mode="before")
    @classmethod
    def _of_the_experiment(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fills ``network`` and ``train`` up with those of the experiment."""
        network, train = values.get("network") or {}, values.get("train") or {}
        experiment = EXPERIMENTS.get(network.get("variant", "sisr7"), Experiment())
        network, train = {**experiment.network, **network}, {**experiment.train, **train}
        return {**values, "network": network, "train": train}

    @model_validator(mode="after")
    def _phases_fit(self) -> "SrganConfig":
        network, train = self.network, self.train
        normalisation(network.normalisation)
        if train.fusion_steps > train.iterations:
            raise SatsrError(
                f"train.fusion_steps = {train.fusion_steps} is more than train.iterations = {train.iterations}: the "
                "fusion's warm-up is a part of the training."
            )
        if train.fusion_steps and network.n_views == 1:
            raise SatsrError("train.fusion_steps needs views to fuse: set network.n_views, or choose a misr variant.")
        return self


class Srgan(PairProtocol, Paper):
    """The recipe."""

    name = "srgan"
    title = "SRGAN for Sentinel-2, one image or several views, x4"
    citation = "Donike: Remote-Sensing-SRGAN, 2023, after Ledig et al., CVPR 2017"
    config = SrganConfig
    claim = Claim(
        dataset="spot6-sentinel2",
        metric="psnr_max1",
        method="sisr7",
        repeatable=False,
        source=(
            "the README of Remote-Sensing-SRGAN, per batch; not reproducible: the data are not public, a fifth of the "
            "rows were in training and validation alike, and sisr5 to sisr7 compare reflectance of 0..0.3 with 1"
        ),
        rows=[
            Published(name, {"psnr_max1": psnr, "ssim_kornia5_max1": ssim})
            for name, psnr, ssim in (
                ("sisr1", 30.01, 0.690),
                ("sisr2", 24.06, 0.718),
                ("sisr3", 23.80, 0.500),
                ("sisr4", 23.68, 0.538),
                ("sisr5", 33.60, 0.830),
                ("sisr6", 29.93, 0.695),
                ("sisr7", 29.54, 0.754),
            )
        ],
    )

    def registered_name(self, config: Config) -> str:
        """One name for each experiment."""
        return f"{self.name}-{_network(config).variant}"

    def published_as(self, config: Config) -> str:
        """The author's number of the experiment."""
        return _network(config).variant

    def limits(self, config: Config) -> dict[str, Any]:
        """With the kind of images that the experiment takes."""
        pairing = self.pairing(config)
        photographs = pairing.pairs == "stored" and pairing.normalisation.native[1] == 255
        return {**super().limits(config), "photographs": photographs}

    def network(self, config: Config) -> nn.Module:
        """The generator, behind the fusion of views where there are several."""
        settings = _network(config)
        return models.build(
            "srgan",
            scale=config.convert.scale,
            n_blocks=settings.n_blocks,
            n_channels=settings.n_channels,
            n_views=settings.n_views,
            bicubic_residual=settings.bicubic_residual,
        )

    def objective(self, config: Config, network: nn.Module) -> Objective:
        """Adversarial training; the discriminator starts from torch's generator, after the network."""
        settings, train = _network(config), _train(config)
        discriminator = models.build(
            "srgan_discriminator",
            n_channels=settings.discriminator_channels,
            n_blocks=settings.discriminator_blocks,
            fc_size=settings.discriminator_fc,
        )
        assert isinstance(network, SuperResolver)
        return AdversarialObjective(network, discriminator, _content(train), train)

    def start(self, config: Config, objective: Objective) -> dict[str, str]:
        """Generator, discriminator and fusion of the experiments that this one goes on from."""
        settings = _network(config)
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

    def pairing(self, config: Config) -> Pairing:
        """As in training."""
        settings, train = _network(config), _train(config)
        return Pairing(
            pairs=train.pairs,
            normalisation=normalisation(settings.normalisation),
            match=train.match,
            views=settings.n_views,
            noise_sigma=train.noise_sigma,
            scale=config.convert.scale,
        )

    def samples(self, config: Config, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of pairs."""
        train = _train(config)
        return PairCrops(store, self.pairing(config), Sampling(train.crop_px, train.match, train.augment, train.seed))

    def glimpses(self, config: Config) -> int:
        """As many scenes as the plateau schedule needs."""
        return _train(config).validate_scenes

    def describe(self, config: Config) -> dict[str, Any]:
        """With the experiment."""
        return super().describe(config) | {"variant": _network(config).variant}

    def example(self, config: Config) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; the number of views is the recipe's."""
        case = self._case(config, (2, 16, 20))["x"]
        axes = {0: "batch", case.ndim - 2: "height", case.ndim - 1: "width"}
        return {"x": torch.from_numpy(case)}, {"x": axes}

    def parity_cases(self, config: Config) -> list[dict[str, np.ndarray]]:
        """Batches and sizes other than the exported ones."""
        return [self._case(config, shape) for shape in ((1, 24, 24), (3, 17, 23), (1, 40, 32))]

    def _case(self, config: Config, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
        """Inputs made up for (batch, height, width)."""
        views, (batch, height, width) = _network(config).n_views, shape
        random = np.random.default_rng(list(shape))
        x = random.uniform(-1, 1, (batch, *([views] if views > 1 else []), 3, height, width))
        return {"x": x.astype(np.float32)}


def _network(config: Config) -> SrganNetwork:
    settings: Any = config.network
    assert isinstance(settings, SrganNetwork)
    return settings


def _train(config: Config) -> SrganTrain:
    settings: Any = config.train
    assert isinstance(settings, SrganTrain)
    return settings


def _content(train: SrganTrain) -> ContentLoss:
    """The content loss; VGG19 from the very file that ``train.vgg_sha256`` names."""
    if train.content == "vgg19" and train.vgg_weights is None:
        raise SatsrError(
            "train.content = vgg19 needs train.vgg_weights, a file of torchvision's vgg19 weights (.pth or "
            ".safetensors), and train.vgg_sha256; or choose train.content = l1."
        )
    weights = checked(train.vgg_weights, train.vgg_sha256) if train.content == "vgg19" else None
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
    for (key, reference), before in zip(given.items(), EXPERIMENTS[settings.variant].after, strict=False):
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


PAPER = Srgan()
