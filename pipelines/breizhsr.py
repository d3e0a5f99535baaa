"""BreizhSR: Sentinel-2 series to SPOT-6, x4 (Okabayashi, Audebert, Donike, Pelletier, 2024).

Data: BreizhSR, 52,255 series of eight 74x74 px Sentinel-2 images with signed day offsets and a 296x296 px SPOT-6 target
in 8 bits, given the colours of the image nearest in date. Test is the table of that name; rows marked val validate.
Target: the paper's figures are not known to this project, so there is nothing to reproduce but the recipe.
Recipe: ``RECIPES`` of :mod:`pipelines.configs.breizhsr`, the authors' configurations: L1 (SRDiff: L1 of the predicted
noise), Adam, the rate falling in steps over 400,000 updates, whole tiles, no augmentation, no averaging.

Deviations: the closest anchor is the sample's own (the authors' comes from another sample of the batch), dates that
only fill up a series get no attention, RRDB + HighRes-net is scaled to the targets' range, RRDB's last bias starts at
mid grey because its clamp passes no gradient outside, single-image networks take the image nearest in date, a backbone
trained in SRDiff's own run sees SRDiff's batch, and SRDiff is sampled in few steps by the exported graph, by the short
validation, and in the evaluation unless evaluate.sampler = ancestral takes all steps as the paper does.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import l1_loss
from torch.utils.data import Dataset

import models
from models.breizhsr.graphs import Ancestral, Sampler
from pipelines.configs.breizhsr import NO_ENCODER, BreizhsrConfig, BreizhsrNetwork, BreizhsrTrain
from satsr.errors import SatsrError
from satsr.kinds.sampling import Sampling
from satsr.kinds.series.paper import SeriesPaper
from satsr.kinds.series.samples import Inputs, SeriesCrops
from satsr.paper import Arrays
from satsr.radiometry import Normalisation, normalisation
from satsr.scores import Scores
from satsr.seeds import generator, integer
from satsr.store.store import Scene, Store
from satsr.train.objectives import Batch, Decibels, Objective, Supervised, cosine, every, set_rate
from satsr.train.start import checked

SIZES = {
    "rrdb": ("num_blocks", "nf", "gc"),
    "highresnet": ("channels", "res_layers"),
    "highresnet_ltae": ("channels", "res_layers", "d_model", "heads", "anchor"),
    "rrdb_ltae": ("num_blocks", "nf", "gc", "d_model", "heads", "anchor"),
    "rrdb_highresnet": ("num_blocks", "nf", "gc"),
    NO_ENCODER: (),
}
"""The keys of the ``network`` section that concern a backbone."""
SINGLE = ("rrdb", NO_ENCODER)
"""What takes one image."""

FLAT_ERROR = 3e-5
"""Mean squared error from which on ``loss: psnr`` asks for no more: a fifth of that of Sentinel-2's noise, in -1..1."""


class DiffusionObjective(Objective):
    """SRDiff in two steps: the backbone by L1 on the image, then the denoiser by L1 on the noise."""

    def __init__(self, network: Sampler, settings: BreizhsrTrain) -> None:
        diffusion: Any = network.network
        self.settings, self.diffusion, self.backbone = settings, diffusion, diffusion.rrdb
        self.networks = {"network": network}
        self.optimizers = {
            "network": torch.optim.Adam(self.diffusion.denoise_fn.parameters(), lr=settings.lr),
        }
        if self.backbone is not None:
            self.optimizers["backbone"] = torch.optim.Adam(self.backbone.parameters(), lr=settings.backbone_lr)

    def prepare(self, step: int) -> None:
        """The backbone learns in the first steps and is frozen from then on."""
        settings, first = self.settings, self.settings.backbone_iterations
        learns = step <= first
        if self.backbone is not None:
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


class Breizhsr(SeriesPaper[BreizhsrConfig]):
    """The recipe."""

    name = "breizhsr"
    title = "BreizhSR, Sentinel-2 series to SPOT-6, x4"
    citation = "Okabayashi et al.: Cross-sensor super-resolution of irregularly sampled Sentinel-2 series, CVPRW 2024"

    @property
    def registered_name(self) -> str:
        """One name for each variant."""
        return f"{self.name}-{self.config.network.variant}"

    @property
    def radiometry(self) -> Normalisation:
        """BreizhSR's stretch: the 98 % quantiles of its training set as 1, 0 as -1; ``open``: and what is beyond."""
        return normalisation(self.config.network.normalisation)

    def network(self) -> nn.Module:
        """The variant; SRDiff as the module that samples in few steps."""
        settings = self.config.network
        options = {name: getattr(settings, name) for name in SIZES[settings.backbone]}
        options = {name: value for name, value in options.items() if value is not None}
        if not settings.diffuses:
            if settings.bicubic_residual:
                return models.build(
                    settings.variant, **options, bicubic_residual=True, flat_contrast=settings.flat_contrast
                )
            return _started(models.build(settings.variant, **options))
        anchor = {"anchor": options.pop("anchor")} if "anchor" in options else {}
        diffusion: Any = models.build(
            "srdiff",
            backbone=settings.backbone if settings.encodes else "none",
            timesteps=settings.timesteps,
            channels=settings.unet_channels,
            multipliers=settings.unet_multipliers,
            backbone_options=options,
            **anchor,
        )
        if settings.encodes:
            _started(diffusion.rrdb)
        if settings.backbone_weights:
            _load_backbone(diffusion.rrdb, settings)
        return Sampler(diffusion, settings.sampling_steps, settings.temperature, fresh=settings.fresh_noise)

    def objective(self, network: nn.Module) -> Objective:
        """L1, or what ``train.loss`` names, with the authors' optimiser."""
        settings = self.config.train
        if isinstance(network, Sampler):
            return DiffusionObjective(network, settings)
        adam = torch.optim.Adam(network.parameters(), lr=settings.lr)
        loss = Decibels(FLAT_ERROR) if settings.loss == "psnr" else nn.L1Loss()
        return Supervised(network, loss, adam, lambda step: rate_at(step, settings.iterations, settings))

    @property
    def takes(self) -> Inputs:
        """Image, dates, padding flags and enlarged image, as the variant needs them.

        The attention takes any number of dates, so it needs no padding outside a batch.
        """
        settings = self.config.network
        names = ["x"]
        names += ["up"] if settings.diffuses else []
        names += ["days"] if settings.backbone.endswith("ltae") else []
        names += ["alphas"] if settings.backbone.endswith("highresnet") else []
        return Inputs(
            tuple(names), settings.dates, settings.backbone in SINGLE, self.config.convert.scale, self.radiometry
        )

    @property
    def match(self) -> str:
        """As in training."""
        settings = self.config.train
        return str(settings.match)

    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of series; series of several lengths in one batch are filled up."""
        settings = self.config.train
        takes = self.takes
        filled = takes.names if takes.single else tuple(dict.fromkeys((*takes.names, "alphas")))
        sampling = Sampling(
            settings.crop_px,
            settings.match,
            settings.augment,
            settings.seed,
            settings.dark_share,
            settings.few_dates_share,
        )
        return SeriesCrops(store, replace(takes, names=filled), sampling)

    @property
    def departures(self) -> Sequence[str]:
        """SRDiff in few steps is not the paper's."""
        if not self.config.network.diffuses or self.config.evaluate.sampler == "ancestral":
            return ()
        network = self.config.network
        return (
            f"SRDiff is sampled in {network.sampling_steps} {'noisy' if network.fresh_noise else 'deterministic'} "
            f"steps at the temperature {network.temperature:g} instead of {network.timesteps} ancestral ones "
            "(evaluate.sampler = ancestral takes them)",
        )

    def inputs(self, scene: Scene, draw: int = 0) -> dict[str, np.ndarray]:
        """As :class:`SeriesPaper` has them; for SRDiff also ``noise``, which depends on seed, scene and draw alone.

        At the temperature 0 there is none, but for the ancestral sampling.
        Where all steps are sampled, ``draws`` (1,) is the seed of the noise of the steps, of these three alone too.
        """
        made = super().inputs(scene)
        if self.config.network.diffuses:
            seed, number = self.config.train.seed, zlib.crc32(scene.id.encode())
            ancestral, which = self.config.evaluate.sampler == "ancestral", f" {draw}" if draw else ""
            if ancestral or self.config.network.temperature:
                shape = self._noise(made["up"].shape)
                made["noise"] = generator(seed, f"noise{which}", number).standard_normal(shape, dtype=np.float32)
            if ancestral:
                made["draws"] = np.array([integer(seed, f"ancestral{which}", number)])
        return made

    def run(self, network: nn.Module, inputs: Arrays) -> np.ndarray:
        """The output for one scene; with ``draws`` among the inputs, by SRDiff's every step (paper, section 4)."""
        if "draws" not in inputs:
            return super().run(network, inputs)
        assert isinstance(network, Sampler)
        return super().run(Ancestral(network, int(inputs["draws"][0])), _without_draws(inputs))

    def draws(self, network: nn.Module, scene: Scene) -> list[np.ndarray]:
        """``evaluate.draws`` samples of SRDiff, each from noise of its own; one of every other network."""
        return [self.run(network, self.inputs(scene, draw)) for draw in range(self.config.evaluate.draws)]

    def glimpse(self, network: nn.Module, scene: Scene) -> list[Scores]:
        """In few steps, however the evaluation samples."""
        return self.score(scene, super().run(network, _without_draws(self.inputs(scene))))

    def describe(self) -> dict[str, Any]:
        """With the variant; a single-image network is of the kind ``image``."""
        single = self.takes.single
        described = super().describe() | {"variant": self.config.network.variant}
        return described | {"kind": "image"} if single else described

    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; any number of dates with the attention, that of the recipe with the fusion."""
        takes = self.takes
        free = "alphas" not in takes.names
        case = self._case((2, 3 if free else takes.dates, 16, 20))
        date = {1: "dates"} if free else {}
        image = {0: "batch", 2: "height", 3: "width"} if takes.single else {0: "batch", **date, 3: "height", 4: "width"}
        large = {0: "batch", 2: "sr_height", 3: "sr_width"}
        views = {0: "batch", **date}
        axes = {"x": image, "days": views, "alphas": views, "up": large, "noise": large}
        return {name: torch.from_numpy(value) for name, value in case.items()}, {name: axes[name] for name in case}

    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Numbers of dates and sizes other than the exported ones."""
        takes = self.takes
        shapes = [(1, 1, 16, 16), (3, 8, 17, 23), (1, 5, 32, 24)]
        fixed = [(b, takes.dates if "alphas" in takes.names else t, h, w) for b, t, h, w in shapes]
        return [self._case(shape) for shape in fixed]

    def _noise(self, large: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the noise of an output (B, 3, sH, sW)."""
        network = self.config.network
        return (large[0], large[1] * (network.sampling_steps + 1 if network.fresh_noise else 1), *large[2:])

    def _case(self, shape: tuple[int, int, int, int]) -> dict[str, np.ndarray]:
        """Inputs made up for (batch, dates, height, width)."""
        takes, (batch, dates, height, width) = self.takes, shape
        random = np.random.default_rng(list(shape))
        large = (batch, 3, height * takes.scale, width * takes.scale)
        alphas = np.ones((batch, dates), np.float32)
        alphas[:, dates - dates // 4 :] = 0
        made: dict[str, np.ndarray] = {
            "x": random.uniform(-1, 1, (batch, *([] if takes.single else [dates]), 3, height, width)),
            "days": random.integers(-90, 90, (batch, dates)),
            "alphas": alphas,
            "up": random.uniform(-1, 1, large),
            "noise": random.standard_normal(self._noise(large)),
        }
        names = (*takes.names, "noise") if "up" in takes.names and self.config.network.temperature else takes.names
        return {name: made[name].astype(np.float32) for name in names}


def _started(network: nn.Module) -> nn.Module:
    """The same network; where its output is clamped to 0..1, the last bias is mid grey so that every band learns."""
    decoder: Any = getattr(network, "decoder", getattr(network, "decode", network))
    if hasattr(decoder, "conv_last"):
        nn.init.constant_(decoder.conv_last.bias, 0.5)
    return network


def _without_draws(inputs: Arrays) -> dict[str, np.ndarray]:
    """What the network itself takes."""
    return {name: value for name, value in inputs.items() if name != "draws"}


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


PAPER = Breizhsr
