"""What can be set for QA-Net: :mod:`pipelines.qanet`."""

from pydantic import Field, model_validator

from satsr.config.data import Section
from satsr.config.recipe import Config, Train
from satsr.errors import SatsrError


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
    """The defaults are the paper's, beside the lengths that a profile sets.

    Attributes:
        brightness: weight of the difference of mean brightness to the target, in decibels of the loss for a difference
            of the whole range of 65535; the paper's 0 leaves brightness free.
    """

    crop_px: int = Field(32, ge=4)
    lr: float = Field(1e-4, gt=0)
    schedule: str = Field("milestones", pattern="^(milestones|cosine)$")
    weight_decay: float = Field(1e-5, ge=0)
    epochs: int = Field(520, ge=1, description="into how many equal parts the iterations are divided")
    milestones: list[int] = Field(
        default=[120, 220, 300, 360, 400, 440, 480], description="epochs after which the rate is multiplied by gamma"
    )
    gamma: float = Field(0.8, gt=0, le=1)
    loss: str = Field("cpsnr", pattern="^(cpsnr|registered|reference)$")
    brightness: float = Field(0.0, ge=0)
    min_clear: float = Field(0.85, ge=0, le=1)
    flips: bool = False
    tile_px: int | None = Field(
        None, ge=8, multiple_of=2, description="crops lie in tiles of this side; null: anywhere"
    )

    @property
    def milestone_steps(self) -> list[int]:
        """The milestones, counted in iterations."""
        return [round(self.iterations * epoch / self.epochs) for epoch in self.milestones]


class QanetConfig(Config):
    """Everything that can be set for this paper."""

    scales = (3,)
    network: QanetNetwork
    train: QanetTrain

    @model_validator(mode="after")
    def _views_are_checked(self) -> "QanetConfig":
        if self.checks.min_views < self.network.n_views:
            raise SatsrError(
                f"network.n_views = {self.network.n_views}, but the validation would let image sets with "
                f"checks.min_views = {self.checks.min_views} pass: set checks.min_views={self.network.n_views}."
            )
        return self


CONFIG = QanetConfig
