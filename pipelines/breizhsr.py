"""BreizhSR: Sentinel-2 series to SPOT-6, x4 (Okabayashi, Audebert, Donike, Pelletier, 2024).

Data: BreizhSR, 52,255 series of eight 74x74 px Sentinel-2 images with signed day offsets and a 296x296 px SPOT-6 target
in 8 bits, given the colours of the image nearest in date.
Target: the paper's figures are not known to this project, so there is nothing to reproduce but the recipe.
Recipe: ``RECIPES`` below, the authors' configurations: L1 (SRDiff: L1 of the predicted noise), Adam, the rate falling
in steps over 400,000 updates, whole tiles, no augmentation, no averaging.

Deviations: the closest anchor is the sample's own (the authors' comes from another sample of the batch), dates that
only fill up a series get no attention, RRDB + HighRes-net is scaled to the targets' range, RRDB's last bias starts at
mid grey because its clamp passes no gradient outside, single-image networks take the image nearest in date, a backbone
trained in SRDiff's own run sees SRDiff's batch, and SRDiff is sampled deterministically in few steps.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn.functional import l1_loss
from torch.utils.data import Dataset

import models
from models.breizhsr.graphs import Sampler
from satsr.config import Config, Section, Train
from satsr.errors import SatsrError
from satsr.kinds.series.paper import SeriesProtocol
from satsr.kinds.series.samples import Inputs, Sampling, SeriesCrops
from satsr.paper import Claim, Paper
from satsr.seeds import generator
from satsr.store.store import Scene, Store
from satsr.train.objectives import Batch, Objective, Supervised, cosine, every, set_rate
from satsr.train.start import checked

BACKBONES: dict[str, dict[str, Any]] = {
    "rrdb": {"lr": 2e-4, "lr_every": 75_000, "lr_gamma": 0.5, "batch": 32},
    "highresnet": {"lr": 6e-4, "lr_every": 50_000, "lr_gamma": 0.7, "batch": 32},
    "highresnet_ltae": {"lr": 7e-4, "lr_every": 50_000, "lr_gamma": 0.7, "batch": 32},
    "rrdb_ltae": {"lr": 2e-4, "lr_every": 100_000, "lr_gamma": 0.5, "batch": 16},
    "rrdb_highresnet": {"lr": 2e-4, "lr_every": 100_000, "lr_gamma": 0.5, "batch": 16},
}
UPDATES = 400_000


def _diffusion(backbone: str) -> dict[str, Any]:
    first = {f"backbone_{name}": BACKBONES[backbone][name] for name in ("lr", "lr_every", "lr_gamma")}
    return {"lr": 2e-4, "lr_every": 100_000, "lr_gamma": 0.5, "batch": 64, **first}


RECIPES = {**BACKBONES, **{f"srdiff_{name}": _diffusion(name) for name in ("rrdb", "highresnet_ltae")}}
"""The authors' configurations by variant: what the ``train`` section does not say."""
SIZES = {
    "rrdb": ("num_blocks", "nf", "gc"),
    "highresnet": ("channels", "res_layers"),
    "highresnet_ltae": ("channels", "res_layers", "d_model", "heads", "anchor"),
    "rrdb_ltae": ("num_blocks", "nf", "gc", "d_model", "heads", "anchor"),
    "rrdb_highresnet": ("num_blocks", "nf", "gc"),
}
"""The keys of the ``network`` section that concern a backbone."""


class BreizhsrNetwork(Section):
    """Which network, and its sizes; what is null has the paper's value for that variant."""

    variant: str = Field("highresnet_ltae", pattern=f"^({'|'.join(RECIPES)})$")
    dates: int = Field(8, ge=1)
    anchor: str | None = Field(None, pattern="^(closest|median)$")
    channels: int | None = Field(None, ge=4)
    res_layers: int | None = Field(None, ge=0)
    d_model: int | None = Field(None, ge=4)
    heads: int | None = Field(None, ge=1)
    num_blocks: int | None = Field(None, ge=1)
    nf: int | None = Field(None, ge=4)
    gc: int | None = Field(None, ge=1)
    timesteps: int = Field(500, ge=2)
    sampling_steps: int = Field(50, ge=1)
    unet_channels: int = Field(64, ge=4)
    unet_multipliers: list[int] = Field(default=[1, 2, 3, 4], min_length=1)
    backbone_weights: str | None = None
    backbone_sha256: str | None = None

    @property
    def backbone(self) -> str:
        """The variant, or what its diffusion is conditioned on."""
        return self.variant.removeprefix("srdiff_")

    @property
    def diffuses(self) -> bool:
        """Whether it is SRDiff."""
        return self.backbone != self.variant


class BreizhsrTrain(Train):
    """Rates, their steps and the batch are those of ``RECIPES`` unless given.

    The first ``backbone_iterations`` of SRDiff's steps train its backbone, which then stays as it is.
    """

    crop_px: int = Field(74, ge=8)
    augment: bool = False
    match: str = Field("histogram", pattern="^(histogram|moments|none)$")
    schedule: str = Field("step", pattern="^(step|cosine)$")
    lr: float = Field(gt=0)
    lr_every: int = Field(ge=1)
    lr_gamma: float = Field(gt=0, le=1)
    backbone_iterations: int = Field(0, ge=0)
    backbone_lr: float = Field(2e-4, gt=0)
    backbone_lr_every: int = Field(75_000, ge=1)
    backbone_lr_gamma: float = Field(0.5, gt=0, le=1)


class BreizhsrConfig(Config):
    """Everything that can be set for this paper."""

    network: BreizhsrNetwork
    train: BreizhsrTrain

    @model_validator(mode="before")
    @classmethod
    def _of_the_variant(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fills ``train`` up with the authors' configuration of the variant."""
        network = values.get("network") or {}
        variant = network.get("variant", "highresnet_ltae")
        first = UPDATES if str(variant).startswith("srdiff_") and not network.get("backbone_weights") else 0
        authors = {"iterations": UPDATES + first, "backbone_iterations": first, **RECIPES.get(variant, {})}
        return {**values, "train": {**authors, **(values.get("train") or {})}}

    @model_validator(mode="after")
    def _backbone_is_trained(self) -> "BreizhsrConfig":
        network, train = self.network, self.train
        if not network.diffuses:
            return self
        if bool(network.backbone_weights) == bool(train.backbone_iterations):
            raise SatsrError(
                f"{network.variant} needs a trained backbone: give either network.backbone_weights (a file) or "
                "train.backbone_iterations (the first steps of this training), not both."
            )
        if train.backbone_iterations >= train.iterations or network.sampling_steps >= network.timesteps:
            raise SatsrError(
                f"{network.variant} trains train.backbone_iterations = {train.backbone_iterations} of train.iterations "
                f"= {train.iterations} steps on its backbone and is sampled in network.sampling_steps = "
                f"{network.sampling_steps} of network.timesteps = {network.timesteps}: make the parts less than the "
                f"whole, or choose a profile made for it, such as quick_{network.variant}."
            )
        return self


class DiffusionObjective(Objective):
    """SRDiff in two steps: the backbone by L1 on the image, then the denoiser by L1 on the noise."""

    def __init__(self, network: Sampler, settings: BreizhsrTrain) -> None:
        diffusion: Any = network.network
        self.settings, self.diffusion, self.backbone = settings, diffusion, diffusion.rrdb
        self.networks = {"network": network}
        self.optimizers = {
            "network": torch.optim.Adam(self.diffusion.denoise_fn.parameters(), lr=settings.lr),
            "backbone": torch.optim.Adam(self.backbone.parameters(), lr=settings.backbone_lr),
        }

    def prepare(self, step: int) -> None:
        """The backbone learns in the first steps and is frozen from then on."""
        settings, first = self.settings, self.settings.backbone_iterations
        learns = step <= first
        self.backbone.requires_grad_(learns).train(learns)
        if learns:
            rate = rate_at(step, first, settings, "backbone_")
            set_rate(self.optimizers["backbone"], rate)
        else:
            set_rate(self.optimizers["network"], rate_at(step - first, settings.iterations - first, settings))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """One loss; time steps and noise come from the step's own seed."""
        if step <= self.settings.backbone_iterations:
            inputs = {name: value for name, value in batch.items() if name not in ("up", "target")}
            yield "backbone", l1_loss(self.backbone(**inputs), batch["target"])
        else:
            yield "network", self.diffusion.loss(**batch)


def rate_at(step: int, period: int, settings: BreizhsrTrain, prefix: str = "") -> float:
    """The learning rate of a step (counted from 1) of a training of ``period`` steps."""
    base: float = getattr(settings, f"{prefix}lr")
    if settings.schedule == "cosine":
        return cosine(step, period, base, 0.0)
    return every(step, getattr(settings, f"{prefix}lr_every"), base, getattr(settings, f"{prefix}lr_gamma"))


class Breizhsr(SeriesProtocol, Paper):
    """The recipe."""

    name = "breizhsr"
    title = "BreizhSR, Sentinel-2 series to SPOT-6, x4"
    citation = "Okabayashi et al.: Cross-sensor super-resolution of irregularly sampled Sentinel-2 series, CVPRW 2024"
    config = BreizhsrConfig
    claim = Claim(
        dataset="breizhsr",
        metric="psnr_u8",
        method="HighRes-net + L-TAE",
        source="none: the paper's table is not in the authors' repository, and its figures are not known here",
        rows=[],
    )

    def registered_name(self, config: Config) -> str:
        """One name for each variant."""
        return f"{self.name}-{_network(config).variant}"

    def network(self, config: Config) -> nn.Module:
        """The variant; SRDiff as the module that samples in few steps."""
        settings = _network(config)
        options = {name: getattr(settings, name) for name in SIZES[settings.backbone]}
        options = {name: value for name, value in options.items() if value is not None}
        if not settings.diffuses:
            return _started(models.build(settings.variant, **options))
        anchor = {"anchor": options.pop("anchor")} if "anchor" in options else {}
        diffusion: Any = models.build(
            "srdiff",
            backbone=settings.backbone,
            timesteps=settings.timesteps,
            channels=settings.unet_channels,
            multipliers=settings.unet_multipliers,
            backbone_options=options,
            **anchor,
        )
        _started(diffusion.rrdb)
        if settings.backbone_weights:
            _load_backbone(diffusion.rrdb, settings)
        return Sampler(diffusion, settings.sampling_steps)

    def objective(self, config: Config, network: nn.Module) -> Objective:
        """L1 with the authors' optimiser."""
        settings: Any = config.train
        if isinstance(network, Sampler):
            return DiffusionObjective(network, settings)
        adam = torch.optim.Adam(network.parameters(), lr=settings.lr)
        return Supervised(network, nn.L1Loss(), adam, lambda step: rate_at(step, settings.iterations, settings))

    def takes(self, config: Config) -> Inputs:
        """Image, dates, padding flags and enlarged image, as the variant needs them.

        The attention takes any number of dates, so it needs no padding outside a batch.
        """
        settings = _network(config)
        names = ["x"]
        names += ["up"] if settings.diffuses else []
        names += ["days"] if settings.backbone.endswith("ltae") else []
        names += ["alphas"] if settings.backbone.endswith("highresnet") else []
        return Inputs(tuple(names), settings.dates, settings.backbone == "rrdb", config.convert.scale)

    def match(self, config: Config) -> str:
        """As in training."""
        settings: Any = config.train
        return str(settings.match)

    def samples(self, config: Config, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of series; series of several lengths in one batch are filled up."""
        settings: Any = config.train
        takes = self.takes(config)
        filled = takes.names if takes.single else tuple(dict.fromkeys((*takes.names, "alphas")))
        sampling = Sampling(settings.crop_px, settings.match, settings.augment, settings.seed)
        return SeriesCrops(store, Inputs(filled, takes.dates, takes.single, takes.scale), sampling)

    def inputs(self, config: Config, scene: Scene) -> dict[str, np.ndarray]:
        """As :class:`SeriesProtocol` has them; for SRDiff also ``noise``, which depends on seed and scene alone."""
        made = super().inputs(config, scene)
        if _network(config).diffuses:
            random = generator(config.train.seed, "noise", zlib.crc32(scene.id.encode()))
            made["noise"] = random.standard_normal(made["up"].shape, dtype=np.float32)
        return made

    def describe(self, config: Config) -> dict[str, Any]:
        """With the variant; a single-image network is of the kind ``image``."""
        single = self.takes(config).single
        described = super().describe(config) | {"variant": _network(config).variant}
        return described | {"kind": "image"} if single else described

    def example(self, config: Config) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; any number of dates with the attention, that of the recipe with the fusion."""
        takes = self.takes(config)
        free = "alphas" not in takes.names
        case = self._case(config, (2, 3 if free else takes.dates, 16, 20))
        date = {1: "dates"} if free else {}
        image = {0: "batch", 2: "height", 3: "width"} if takes.single else {0: "batch", **date, 3: "height", 4: "width"}
        large = {0: "batch", 2: "sr_height", 3: "sr_width"}
        views = {0: "batch", **date}
        axes = {"x": image, "days": views, "alphas": views, "up": large, "noise": large}
        return {name: torch.from_numpy(value) for name, value in case.items()}, {name: axes[name] for name in case}

    def parity_cases(self, config: Config) -> list[dict[str, np.ndarray]]:
        """Numbers of dates and sizes other than the exported ones."""
        takes = self.takes(config)
        shapes = [(1, 1, 16, 16), (3, 8, 17, 23), (1, 5, 32, 24)]
        fixed = [(b, takes.dates if "alphas" in takes.names else t, h, w) for b, t, h, w in shapes]
        return [self._case(config, shape) for shape in fixed]

    def _case(self, config: Config, shape: tuple[int, int, int, int]) -> dict[str, np.ndarray]:
        """Inputs made up for (batch, dates, height, width)."""
        takes, (batch, dates, height, width) = self.takes(config), shape
        random = np.random.default_rng(list(shape))
        large = (batch, 3, height * takes.scale, width * takes.scale)
        alphas = np.ones((batch, dates), np.float32)
        alphas[:, dates - dates // 4 :] = 0
        made: dict[str, np.ndarray] = {
            "x": random.uniform(-1, 1, (batch, *([] if takes.single else [dates]), 3, height, width)),
            "days": random.integers(-90, 90, (batch, dates)),
            "alphas": alphas,
            "up": random.uniform(-1, 1, large),
            "noise": random.standard_normal(large),
        }
        names = (*takes.names, "noise") if "up" in takes.names else takes.names
        return {name: made[name].astype(np.float32) for name in names}


def _network(config: Config) -> BreizhsrNetwork:
    settings: Any = config.network
    assert isinstance(settings, BreizhsrNetwork)
    return settings


def _started(network: nn.Module) -> nn.Module:
    """The same network; where its output is clamped to 0..1, the last bias is mid grey so that every band learns."""
    decoder: Any = getattr(network, "decoder", getattr(network, "decode", network))
    if hasattr(decoder, "conv_last"):
        nn.init.constant_(decoder.conv_last.bias, 0.5)
    return network


def _load_backbone(backbone: nn.Module, settings: BreizhsrNetwork) -> None:
    """Loads ``network.backbone_weights``, the very file that ``network.backbone_sha256`` names.

    Raises:
        SatsrError: it is missing, another one, or does not fit.
    """
    path = checked(settings.backbone_weights, settings.backbone_sha256)
    try:
        models.load_weights(backbone, path)
    except ValueError as error:
        raise SatsrError(f"the backbone's weights cannot be used: {error}") from None


PAPER = Breizhsr()
