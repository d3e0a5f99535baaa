"""The sections of the stages that make and check the data."""

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Section(BaseModel):
    """One section of a configuration: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class Held(Section):
    """What is held out of data that are not divided already.

    Attributes:
        val_share: share of the places, or of the parts of one, that validates.
        test_share: share that tests.
    """

    val_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.2, gt=0, lt=1)

    @field_validator("test_share")
    @classmethod
    def _leaves_something(cls, test_share: float, known: ValidationInfo) -> float:
        if test_share + known.data.get("val_share", 0) >= 1:
            raise ValueError("val_share and test_share must leave something to train on")
        return test_share


class Convert(Held):
    """How raw imagery becomes the frame store; all but ``workers`` decides its content.

    Attributes:
        scale: high-resolution side over low-resolution side.
        split: "auto", "clips" or "frames", see :func:`satsr.convert.splits.divide`.
        val_share: share of the clips or frames that validates.
        test_share: share of the clips or frames that tests.
        border: of the cubic that makes low-resolution frames, "mirror" or "replicate".
        clip_frames: longer clips are cut into scenes of at most this many frames.
        multiple: sides of high-resolution video frames are cut to multiples of this; 4 * scale by default (the fusion
            pyramid of RASVSR halves the low-resolution frame twice).
        min_lr_px: smallest low-resolution side that the network takes.
        workers: threads that decode and shrink; 0 works in the calling one, None takes one for each free core, at most
            :data:`satsr.convert.convert.MOST_WORKERS`.
    """

    scale: int = Field(4, ge=2, le=8)
    split: str = Field("auto", pattern="^(auto|clips|frames)$")
    border: str = Field("mirror", pattern="^(mirror|replicate)$")
    clip_frames: int = Field(100, ge=2)
    multiple: int | None = Field(None, ge=1)
    min_lr_px: int = Field(16, ge=1)
    workers: int | None = Field(None, ge=0)

    @property
    def cut_px(self) -> int:
        """The multiple to which high-resolution sides are cut."""
        return self.multiple or 4 * self.scale


class Checks(Section):
    """What the validation stage expects of the data and tolerates.

    Attributes:
        suite: the kind of data, a name of :mod:`satsr.validate.suites`.
        max_shift_px: registration error allowed between low- and high-resolution images, in low-resolution pixels.
        max_duplicate_share: share of images that may repeat others.
        min_views: fewest views of an image set.
    """

    suite: str = Field(pattern="^(video|series|photographs|probav)$")
    max_shift_px: float = Field(0.25, gt=0)
    max_duplicate_share: float = Field(0.2, ge=0, le=1)
    min_views: int = Field(9, ge=1)
