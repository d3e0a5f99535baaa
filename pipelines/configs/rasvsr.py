"""What can be set for RASVSR: :mod:`pipelines.rasvsr`."""

from pydantic import Field

from satsr.config.data import Section
from satsr.config.recipe import VideoConfig, VideoTrain


class RasvsrNetwork(Section):
    """The defaults are the paper's (section III; the released configuration)."""

    mid_channels: int = Field(64, ge=16, multiple_of=16)
    num_blocks: int = Field(7, ge=1)
    flow_weights: str | None = None


class RasvsrTrain(VideoTrain):
    """The defaults are the paper's, beside the lengths that a profile sets."""

    frames: int = Field(60, ge=2)
    crop_px: int = Field(64, ge=16)
    lr: float = Field(1e-4, gt=0)
    lr_floor: float = Field(1e-7, ge=0)
    flow_lr_factor: float = Field(0.25, ge=0)
    flow_frozen_until: int = Field(5000, ge=0)


class RasvsrConfig(VideoConfig):
    """Everything that can be set for this paper."""

    scales = (4,)
    network: RasvsrNetwork
    train: RasvsrTrain


CONFIG = RasvsrConfig
