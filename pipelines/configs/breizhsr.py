"""What can be set for BreizhSR, and the authors' values of each variant: :mod:`pipelines.breizhsr`."""

from typing import Any

from pydantic import Field, model_validator

from satsr.config.data import Section
from satsr.config.recipe import Config, Evaluate, Train
from satsr.errors import SatsrError

BACKBONES: dict[str, dict[str, Any]] = {
    "rrdb": {"lr": 2e-4, "lr_every": 75_000, "lr_gamma": 0.5, "batch": 32},
    "highresnet": {"lr": 6e-4, "lr_every": 50_000, "lr_gamma": 0.7, "batch": 32},
    "highresnet_ltae": {"lr": 7e-4, "lr_every": 50_000, "lr_gamma": 0.7, "batch": 32},
    "rrdb_ltae": {"lr": 2e-4, "lr_every": 100_000, "lr_gamma": 0.5, "batch": 16},
    "rrdb_highresnet": {"lr": 2e-4, "lr_every": 100_000, "lr_gamma": 0.5, "batch": 16},
}
UPDATES = 400_000


NO_ENCODER = "no_encoder"
DIFFUSIONS: dict[str, dict[str, Any]] = {
    "rrdb": {"lr_every": 100_000, "batch": 64},
    "highresnet_ltae": {"lr_every": 100_000, "batch": 64},
    "highresnet": {"lr_every": 200_000, "batch": 32},
    NO_ENCODER: {"lr_every": 100_000, "batch": 64},
}
"""What SRDiff is conditioned on: a backbone, or with ``no_encoder`` the image itself."""


def _diffusion(backbone: str) -> dict[str, Any]:
    first = {f"backbone_{name}": value for name, value in BACKBONES.get(backbone, {}).items() if name != "batch"}
    return {"lr": 2e-4, "lr_gamma": 0.5, **DIFFUSIONS[backbone], **first}


RECIPES = {**BACKBONES, **{f"srdiff_{name}": _diffusion(name) for name in DIFFUSIONS}}
"""The authors' configurations by variant: what the ``train`` section does not say."""


class BreizhsrNetwork(Section):
    """Which network, and its sizes; what is null has the paper's value for that variant.

    ``flat_contrast`` is the contrast, in a range of -1..1, below which an image counts as flat for ``bicubic_residual``
    (:mod:`models.shared.detail`). Neither concerns SRDiff, which draws what it adds to an enlarged image anyway. Its
    sampling in few steps makes ``sampling_steps`` calls of the denoiser from noise times ``temperature``, with as much
    in each step if ``fresh_noise``. At the temperature 0 there is none, and one answer instead of draws.
    """

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
    bicubic_residual: bool = False
    flat_contrast: float = Field(0.01, gt=0)
    normalisation: str = Field("breizh_s2", pattern="^breizh_s2(_open)?$")
    timesteps: int = Field(500, ge=2)
    sampling_steps: int = Field(25, ge=1)
    temperature: float = Field(1.0, ge=0, le=1)
    fresh_noise: bool = False
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

    @property
    def encodes(self) -> bool:
        """Whether there is a backbone to train, or to load."""
        return self.backbone != NO_ENCODER


class BreizhsrTrain(Train):
    """Rates, their steps and the batch are those of ``RECIPES`` unless given.

    The first ``backbone_iterations`` of SRDiff's steps train its backbone, which then stays as it is.

    Attributes:
        dark_share: how many of the crops are made darker, with the sensor's noise kept; none as the authors have it.
        few_dates_share: how many of the crops have fewer dates than the series; none as the authors have it.
        loss: ``l1``, the authors', or ``psnr`` (:class:`satsr.train.objectives.Decibels`); SRDiff learns by L1 alone.
    """

    crop_px: int = Field(74, ge=8)
    augment: bool = False
    dark_share: float = Field(0.0, ge=0, le=1)
    few_dates_share: float = Field(0.0, ge=0, le=1)
    match: str = Field("histogram", pattern="^(histogram|moments|none)$")
    loss: str = Field("l1", pattern="^(l1|psnr)$")
    schedule: str = Field("step", pattern="^(step|cosine)$")
    lr: float = Field(gt=0)
    lr_every: int = Field(ge=1)
    lr_gamma: float = Field(gt=0, le=1)
    backbone_iterations: int = Field(0, ge=0)
    backbone_lr: float = Field(2e-4, gt=0)
    backbone_lr_every: int = Field(75_000, ge=1)
    backbone_lr_gamma: float = Field(0.5, gt=0, le=1)


class BreizhsrEvaluate(Evaluate):
    """With ``sampler: ancestral`` SRDiff is measured by all of its steps with fresh noise in each, as in the paper.

    That is twenty times the time of the few steps (``deterministic``, unless ``network.fresh_noise``) that the exported
    graph and the short validation make.

    Attributes:
        sampler: which of the two.
        draws: how many times SRDiff samples every test scene, from other noise each time: scores are means over them,
            and ``metrics.json`` has their standard deviation from draw to draw.
    """

    sampler: str = Field("deterministic", pattern="^(ancestral|deterministic)$")
    draws: int = Field(1, ge=1, le=100)


class BreizhsrConfig(Config):
    """Everything that can be set for this paper."""

    scales = (4,)
    network: BreizhsrNetwork
    train: BreizhsrTrain
    evaluate: BreizhsrEvaluate = BreizhsrEvaluate()

    @model_validator(mode="before")
    @classmethod
    def _of_the_variant(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fills ``train`` up with the authors' configuration of the variant."""
        network = values.get("network") or {}
        variant = network.get("variant", "highresnet_ltae")
        learns = str(variant).startswith("srdiff_") and not str(variant).endswith(NO_ENCODER)
        first = UPDATES if learns and not network.get("backbone_weights") else 0
        authors = {"iterations": UPDATES + first, "backbone_iterations": first, **RECIPES.get(variant, {})}
        return {**values, "train": {**authors, **(values.get("train") or {})}}

    @model_validator(mode="after")
    def _backbone_is_trained(self) -> "BreizhsrConfig":
        network, train = self.network, self.train
        if not network.diffuses:
            if self.evaluate.sampler == "ancestral":
                raise SatsrError(
                    f"evaluate.sampler = ancestral is how SRDiff is sampled, but {network.variant} samples nothing: "
                    "leave it out, or choose one of the variants srdiff_*."
                )
            if self.evaluate.draws > 1:
                raise SatsrError(
                    f"evaluate.draws = {self.evaluate.draws} measures several samples of SRDiff, but {network.variant} "
                    "draws nothing: leave it out, or choose one of the variants srdiff_*."
                )
            return self
        if self.evaluate.draws > 1 and self.evaluate.sampler != "ancestral" and not network.temperature:
            raise SatsrError(
                f"evaluate.draws = {self.evaluate.draws} samples of other noise were asked for, but at "
                "network.temperature = 0 there is none and all are alike: leave it out, or set evaluate.sampler = "
                "ancestral."
            )
        if not network.encodes and (network.backbone_weights or train.backbone_iterations):
            raise SatsrError(
                f"{network.variant} has no backbone: leave out network.backbone_weights and train.backbone_iterations."
            )
        if network.encodes and bool(network.backbone_weights) == bool(train.backbone_iterations):
            raise SatsrError(
                f"{network.variant} needs a trained backbone: give either network.backbone_weights (a file) or "
                "train.backbone_iterations (the first steps of this training), not both."
            )
        if train.backbone_iterations >= train.iterations or network.sampling_steps >= network.timesteps:
            raise SatsrError(
                f"{network.variant} trains train.backbone_iterations = {train.backbone_iterations} of train.iterations "
                f"= {train.iterations} steps on its backbone and is sampled in network.sampling_steps = "
                f"{network.sampling_steps} of network.timesteps = {network.timesteps}: make the parts less than the "
                f"whole, or choose a profile made for it, such as small_{network.variant}."
            )
        return self

    @model_validator(mode="after")
    def _diffusion_learns_by_l1(self) -> "BreizhsrConfig":
        if self.network.diffuses and self.train.loss != "l1":
            raise SatsrError(
                f"{self.network.variant} learns by L1, of images and of noise, but train.loss = {self.train.loss}: "
                "set train.loss=l1."
            )
        return self


CONFIG = BreizhsrConfig
