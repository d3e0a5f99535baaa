"""What can be set for SRGAN, and what each of the author's experiments sets: :mod:`pipelines.srgan`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, model_validator

from satsr.config.data import Section
from satsr.config.recipe import AdversarialTrain, Config
from satsr.errors import SatsrError

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


BLOCKS = {"standard": 16, "res": 16, "rcab": 16, "rrdb": 16, "lka": 16, "stochastic": 16, "esrgan": 23}
SUCCESSOR: dict[str, Any] = {
    **{"match": "histogram", "content": "l1_sam_vgg19", "label_smoothing": True, "clip_norm": 1.0},
    **{"adam_betas": [0.0, 0.99], "adam_eps": 1e-7, "lr": 1e-4, "discriminator_lr": 1e-6, "warmup_steps": 1000},
    **{"g_pretrain_steps": 20_000, "ramp_steps": 5_000, "plateau_factor": 0.5, "plateau_patience": 10},
}


def _successor(generator: str) -> Experiment:
    tanh = generator == "standard"  # whose images are in -1..1
    network = {"generator": "srresnet" if tanh else generator, "n_blocks": BLOCKS[generator]}
    return Experiment({**network, "normalisation": "normalise_10k_signed" if tanh else "normalise_10k"}, SUCCESSOR)


SUCCESSORS = {f"successor_{name}": _successor(name) for name in BLOCKS}
"""The generators of ESAOpenSR/SRGAN with the settings of its 10 m configuration (specification of SRGAN, section 6)."""
VARIANTS = {**EXPERIMENTS, **SUCCESSORS}

RANGES = ("signed_u8", "s2_norm", "s2_norm_open", "breizh_s2", "normalise_10k", "normalise_10k_signed")
"""Names of :mod:`satsr.radiometry` for images of three bands."""


class SrganNetwork(Section):
    """The experiment, its networks, and what it starts from: ``model/version``, a path and its hash, or ``scratch``."""

    variant: str = Field("sisr7", pattern=f"^({'|'.join(VARIANTS)})$")
    n_views: int = Field(1, ge=1)
    normalisation: str = Field("s2_norm", pattern=f"^({'|'.join(RANGES)})$")
    generator: str = Field("srresnet", pattern="^(srresnet|res|rcab|rrdb|lka|stochastic|esrgan)$")
    discriminator: str = Field("standard", pattern="^(standard|patchgan|esrgan)$")
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


Kernel = Annotated[str, Field(pattern=r"^(bilinear|cubic|area|lanczos|mtf0\.\d*[1-9])$")]
"""One of :mod:`satsr.kinds.image.kernels`."""
BILINEAR = ["bilinear"]


class SrganTrain(AdversarialTrain):
    """The defaults are the paper's.

    Attributes:
        kernels: what makes targets small, one of them drawn for each crop. One that stands there twice is drawn twice
            as often. Measuring knows ``bilinear`` alone.
    """

    iterations: int = Field(UPDATES, ge=1)
    batch: int = Field(12, ge=1)
    ema: float = Field(0.0, ge=0, lt=1)
    pairs: str = Field("stored", pattern="^(stored|interpolated|interpolated_matched|matched_interpolated)$")
    match: str = Field("histogram", pattern="^(histogram|moments|none)$")
    noise_sigma: float = Field(0.0, ge=0)
    kernels: list[Kernel] = Field(default=BILINEAR, min_length=1)
    crop_px: int = Field(75, ge=8)
    augment: bool = False
    content: str = Field("vgg19", pattern="^(vgg19|vgg19-random|l1|mse|psnr|none|l1_sam|l1_sam_vgg19)$")
    vgg_weights: str | None = None
    vgg_sha256: str | None = None
    validate_scenes: int = Field(250, ge=1)


class SrganConfig(Config):
    """Everything that can be set for this paper."""

    scales = (2, 4, 8)
    network: SrganNetwork
    train: SrganTrain

    @model_validator(mode="before")
    @classmethod
    def _of_the_experiment(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fills ``network`` and ``train`` up with those of the experiment."""
        network, train = values.get("network") or {}, values.get("train") or {}
        experiment = VARIANTS.get(network.get("variant", "sisr7"), Experiment())
        network, train = {**experiment.network, **network}, {**experiment.train, **train}
        return {**values, "network": network, "train": train}

    @model_validator(mode="after")
    def _phases_fit(self) -> "SrganConfig":
        network, train = self.network, self.train
        if train.fusion_steps > train.iterations:
            raise SatsrError(
                f"train.fusion_steps = {train.fusion_steps} is more than train.iterations = {train.iterations}: the "
                "fusion's warm-up is a part of the training."
            )
        if train.fusion_steps and network.n_views == 1:
            raise SatsrError("train.fusion_steps needs views to fuse: set network.n_views, or choose a misr variant.")
        if train.pairs == "stored" and train.kernels != BILINEAR:
            raise SatsrError(
                f"train.kernels = {', '.join(train.kernels)} make targets small, but train.pairs = stored takes the "
                "images that there are: leave train.kernels out, or choose other pairs."
            )
        suite = "photographs" if train.pairs == "stored" and network.normalisation == "signed_u8" else "series"
        if self.checks.suite != suite:
            raise SatsrError(
                f"{network.variant} learns from {'photographs' if suite == 'photographs' else 'satellite images'}, but "
                f"the validation expects checks.suite = {self.checks.suite}: set checks.suite={suite}, or choose the "
                "profile made for it."
            )
        return self


CONFIG = SrganConfig
