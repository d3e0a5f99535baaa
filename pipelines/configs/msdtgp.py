"""What can be set for MSDTGP: :mod:`pipelines.msdtgp`."""

from pydantic import Field

from satsr.config.data import Section
from satsr.config.recipe import VideoConfig, VideoTrain


class MsdtgpNetwork(Section):
    """The defaults are the paper's."""

    base_filter: int = Field(256, ge=8)
    feat: int = Field(64, ge=8, multiple_of=8)
    n_resblock: int = Field(5, ge=1)
    n_extract: int = Field(3, ge=1)
    init: str = Field("stable", pattern="^(stable|reference)$")
    bicubic_residual: bool = False


class MsdtgpTrain(VideoTrain):
    """The defaults are the paper's, beside the lengths that a profile sets.

    The rate rises over ``warmup`` steps; without ``milestones`` it falls as a cosine.
    """

    crop_px: int = Field(32, ge=8)
    lr: float = Field(8e-5, gt=0)
    warmup: int = Field(0, ge=0)
    milestones: list[int] = Field(default=[], description="steps after which the rate is divided by 10")
    validate_frames: int = Field(3, ge=1)


class MsdtgpConfig(VideoConfig):
    """Everything that can be set for this paper."""

    scales = (2, 4, 8)
    network: MsdtgpNetwork
    train: MsdtgpTrain


CONFIG = MsdtgpConfig
