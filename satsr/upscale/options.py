"""What a user may choose for ``satsr upscale``."""

from dataclasses import asdict, dataclass
from typing import Any

BURN_IN = 8
COMPRESSIONS = ("zstd", "deflate", "lzw", "none")
RATES = (0.01, 1000.0)
"""Frames per second of a video: fewer and more are no rates that its formats hold."""
LATER = ("per_second", "lossless", "consistency", "depth_map", "preview", "force", "overwrite")
"""Options that do not change the pixels of the result."""


@dataclass(frozen=True)
class Options:
    """What a user may choose; what a kind of input does not have is not looked at.

    Attributes:
        bands: names or numbers from 1 of the bands that the model gets; empty: by their names.
        extra: also enlarge a scene's other bands, by bicubic interpolation; otherwise they are left out.
        gain, offset: the model's numbers are gain * number + offset; None: from a scene's file, 1 and 0 for frames.
        nodata: value that stands for "missing" in a scene; None: from the file.
        window: side of a window in LR px; None: whole frames, or what the free memory bears.
        overlap: of neighbouring windows in LR px, at most half a window.
        margin: LR px at a window's edge that are thrown away.
        compress: how a scene's tiles are packed, one of :data:`COMPRESSIONS`.
        batch: windows of a scene that go through the network at once.
        segment: frames that are kept of each run of a recurrent network; None: what the free memory bears.
        burn_in: frames that a segment is longer on both sides.
        per_second: frame rate of a video; None: the input's.
        lossless: a video may lose nothing; otherwise H.264 and VP9 lose a little.
        date: for a series, the wanted day, such as 2018-07-01; None: the middle one.
        seed: of the noise that a diffusion network starts from.
        constraint: how the result is held to its input (:mod:`satsr.constraint`); None: as the model says.
        ensemble: the mean of eight outputs (:func:`satsr.upscale.uncertainty.outputs`) instead of one.
        consistency: also write the result, made small again, minus the input.
        spread: also write the standard deviation of these eight, for scenes and series.
        depth_map: also write where the input is unlike the training data, for scenes, series and clips.
        preview: also write a before/after picture and page.
        force: go on where the input looks wrong.
        overwrite: the result may exist, if satsr wrote it.
    """

    bands: tuple[str, ...] = ()
    extra: bool = False
    gain: float | None = None
    offset: float | None = None
    nodata: float | None = None
    window: int | None = None
    overlap: int = 32
    margin: int = 8
    compress: str = "zstd"
    batch: int = 1
    segment: int | None = None
    burn_in: int = BURN_IN
    per_second: float | None = None
    lossless: bool = False
    date: str | None = None
    seed: int = 0
    constraint: str | None = None
    ensemble: bool = False
    consistency: bool = False
    spread: bool = False
    depth_map: bool = False
    preview: bool = False
    force: bool = False
    overwrite: bool = False

    @property
    def numbers(self) -> tuple[float, float]:
        """Gain and offset, where the file says nothing."""
        return self.gain or 1.0, self.offset or 0.0

    @property
    def decisive(self) -> dict[str, Any]:
        """Those that decide the result: an unfinished one goes on only with the same."""
        return {key: value for key, value in asdict(self).items() if key not in LATER}
