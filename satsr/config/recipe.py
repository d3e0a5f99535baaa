"""The sections of the stages that train, measure and register, and a paper's whole configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from satsr.config.data import Checks, Convert, Section
from satsr.config.resolve import merged, validated
from satsr.errors import SatsrError

ConfigOf = TypeVar("ConfigOf", bound="Config")


class Train(Section):
    """What every paper's training has; a paper adds its own keys.

    Attributes:
        validate_scenes: at most so many validation scenes, the first ones, are measured during training.
    """

    iterations: int = Field(ge=1)
    batch: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)
    precision: str = Field("32-true", pattern="^(32-true|bf16-mixed)$")
    workers: int = Field(0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    ema: float = Field(0.999, ge=0, lt=1)
    validate_every: int = Field(ge=1)
    validate_scenes: int = Field(8, ge=1)
    checkpoint_every: int = Field(ge=1)
    max_bad_steps: int = Field(10, ge=1)
    threads: int | None = Field(None, ge=1)


class VideoTrain(Train):
    """What the training of every video paper has.

    Attributes:
        validate_frames: so many frames of a clip are measured during training.
        shares: a batch is computed in so many equal parts at once, on a thread each (:mod:`satsr.train.shares`).
    """

    validate_frames: int = Field(7, ge=1)
    shares: int = Field(1, ge=1)


class AdversarialTrain(Train):
    """The defaults are the paper's; of what the successor added, nothing is used.

    The first ``fusion_steps`` train the fusion alone: on copies of the first view with noise of standard deviation
    ``fusion_noise_sigma`` (in the network's range), or, where that is 0, on the sample's own views. The next
    ``g_pretrain_steps`` train the generator alone, and over ``ramp_steps`` more the adversarial loss gains its weight
    ``beta``. Both rates follow one schedule.

    The fusion normalises every level of its recursion by the same running statistics, so what it gives in training
    differs from what it gives afterwards; with ``fusion_fixed_norm`` these statistics are used after its warm-up.
    """

    beta: float = Field(1e-3, ge=0)
    lr: float = Field(1e-4, gt=0)
    discriminator_lr: float = Field(1e-4, gt=0)
    adam_betas: list[float] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    adam_eps: float = Field(1e-8, gt=0)
    schedule: str = Field("plateau", pattern="^(plateau|cosine)$")
    plateau_factor: float = Field(0.25, gt=0, lt=1)
    plateau_patience: int = Field(3, ge=0)
    warmup_steps: int = Field(0, ge=0)
    fusion_steps: int = Field(0, ge=0)
    fusion_lr: float = Field(1e-3, gt=0)
    fusion_noise_sigma: float = Field(0.075, ge=0)
    fusion_trainable: bool = True
    fusion_fixed_norm: bool = False
    g_pretrain_steps: int = Field(0, ge=0)
    ramp_steps: int = Field(0, ge=0)
    ramp_shape: str = Field("linear", pattern="^(linear|cosine)$")
    label_smoothing: bool = False

    @property
    def betas(self) -> tuple[float, float]:
        """Of Adam."""
        first, second = self.adam_betas
        return first, second


METRIC_GROUPS = ("spectral", "opensr", "frc", "flicker", "lpips")
"""What :mod:`satsr.evaluate.further` can measure besides a paper's own protocol."""


class Evaluate(Section):
    """What the evaluation measures and shows.

    Attributes:
        niqe: whether it is measured where its model file is at hand.
        metrics: groups of further metrics (``docs/metrics.md``): ``spectral``, ``opensr``, ``frc``, ``flicker``,
            ``lpips``, or ``default``, which is what the kind of input brings; none for ``[]``.
        panels: how many scenes are shown.
    """

    niqe: bool = True
    metrics: list[str] = Field(default=["default"])
    panels: int = Field(3, ge=1, le=12)

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: list[str]) -> list[str]:
        unknown = [name for name in metrics if name not in (*METRIC_GROUPS, "default")]
        if unknown:
            raise ValueError(f"unknown metrics {', '.join(unknown)}: choose among {', '.join(METRIC_GROUPS)}, default")
        return metrics


class Export(Section):
    """How exact the exported graph must be, and on how many scenes of ``val`` its limits are measured.

    Each of these scenes goes through the graph some twenty times on the CPU; with 0 nothing is measured.
    """

    max_abs: float = Field(1e-4, gt=0)
    depth_scenes: int = Field(4, ge=0)


class Gates(Section):
    """The gates that a model version passes before it may become champion.

    Gains are over the baseline and, where a limit is given, over the champion, if that was measured on the same data. A
    limit holds for the lower end of the gain's 95 % interval; null in a profile takes the gate away.
    ``max_consistency_ratio`` is how many times as much as the baseline a result may differ from its input when made
    small again (``consistency_rmse``): a ratio, since native units differ and bicubic is not quite consistent either.
    """

    min_gain_psnr_db: float | None = 0.0
    min_gain_ssim: float | None = 0.0
    min_champion_gain_psnr_db: float | None = None
    min_champion_gain_ssim: float | None = None
    max_abs_parity: float = Field(1e-4, gt=0)
    max_consistency_ratio: float | None = Field(None, gt=0)
    max_megabytes: float | None = Field(None, gt=0)
    max_milliseconds: float | None = Field(None, gt=0)


class Config(Section):
    """A paper's whole configuration: one attribute a section.

    Attributes:
        scales: those that the paper's networks can have; none where any will do.
    """

    scales: ClassVar[tuple[int, ...]] = ()
    paper: str
    profile: str
    data: str
    convert: Convert = Convert()
    checks: Checks
    network: Section
    train: Train
    evaluate: Evaluate = Evaluate()
    export: Export = Export()
    gates: Gates = Gates()

    @model_validator(mode="after")
    def _scale_is_the_networks(self) -> Self:
        if self.scales and self.convert.scale not in self.scales:
            choices = " or ".join(map(str, self.scales))
            raise SatsrError(
                f"convert.scale = {self.convert.scale}, but the networks of {self.paper} enlarge by {choices}: set "
                f"convert.scale={self.scales[-1] if len(self.scales) == 1 else choices}."
            )
        return self


class VideoConfig(Config):
    """The configuration of a video paper."""

    train: VideoTrain


def load(model: type[ConfigOf], paper: str, root: Path) -> ConfigOf:
    """The configuration of ``paper``: its profile with the changes of ``params.yaml``.

    Raises:
        SatsrError: an unknown key, a wrong type, a missing block, or data that do not exist; the message names the
            file and the key.
    """
    return resolved(model, paper, merged(paper, root))


def resolved(model: type[ConfigOf], paper: str, values: Mapping[str, Any]) -> ConfigOf:
    """The configuration with these values (:func:`satsr.config.resolve.merged`).

    Raises:
        SatsrError: an unknown key or a wrong value; all are named.
    """
    return validated(model, values, paper, str(values["profile"]))
