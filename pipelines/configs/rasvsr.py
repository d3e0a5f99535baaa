"""What can be set for RASVSR: :mod:`pipelines.rasvsr`."""

from pydantic import Field

from satsr.config.data import Section
from satsr.config.recipe import VideoConfig, VideoTrain


class RasvsrNetwork(Section):
    """The defaults are the paper's (section III; the released configuration).

    ``flow_weights`` is a file of SPyNet's weights (``spynet_sintel_final-3d2a1287.pth``, from which the authors start)
    and ``flow_sha256`` its SHA-256; without it the flow starts at zero. ``alignment`` and ``fusion`` are for ablations.
    ``offset_groups`` and ``high_channels`` make the network smaller; with ``bicubic_residual`` it adds to a bicubic
    enlargement instead of a bilinear one and starts there.
    """

    mid_channels: int = Field(64, ge=8, multiple_of=8)
    num_blocks: int = Field(7, ge=1)
    flow_weights: str | None = None
    flow_sha256: str | None = None
    alignment: str = Field("deformable", pattern="^(deformable|flow|none)$")
    fusion: str = Field("tff", pattern="^(tff|sum)$")
    offset_groups: int = Field(16, ge=2, multiple_of=2)
    high_channels: int = Field(64, ge=8)
    bicubic_residual: bool = False


class RasvsrTrain(VideoTrain):
    """The defaults are the paper's, beside the lengths that a profile sets.

    The first ``still_until`` steps learn from ``frames`` single frames instead of a clip of as many, which needs no
    alignment and half the time. The rate rises over ``warmup`` steps and falls over ``period`` steps, by default all.
    With ``recompute`` activations are computed again instead of kept: 4 clips of 60 frames then fit a card of 80 GB, a
    step takes about a third longer, and no bit changes.
    """

    frames: int = Field(60, ge=2)
    crop_px: int = Field(64, ge=16)
    lr: float = Field(1e-4, gt=0)
    lr_floor: float = Field(1e-7, ge=0)
    flow_lr_factor: float = Field(0.25, ge=0)
    flow_frozen_until: int = Field(5000, ge=0)
    warmup: int = Field(0, ge=0)
    still_until: int = Field(0, ge=0)
    period: int | None = Field(None, ge=1)
    recompute: bool = False


class RasvsrConfig(VideoConfig):
    """Everything that can be set for this paper."""

    scales = (4,)
    network: RasvsrNetwork
    train: RasvsrTrain


CONFIG = RasvsrConfig
