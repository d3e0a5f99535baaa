"""Frames as a video file that keeps their gain, and by how much it differs from them.

PyAV brings the encoders. H.264 and VP9 hold colours at half the resolution (4:2:0), which is what browsers play; FFV1,
and the others on request, hold the frames without loss. At the quality asked for, 91 % of a gain of 2.67 dB was left;
most of what was lost is due to the colours (docs/applying.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.imagery import video_file
from satsr.imagery.images import read_rgb
from satsr.metrics import psnr
from satsr.upscale.options import RATES
from satsr.upscale.results.own import MARK

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """An encoder and its settings.

    Attributes:
        name: for people.
        encoder: FFmpeg's name of it.
        pixels: the form of its pixels.
        options: of the encoder.
    """

    name: str
    encoder: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def halved(self) -> bool:
        """Whether colours have half the resolution, so that something is lost."""
        return self.pixels == "yuv420p"


H264 = Codec("H.264", "libx264", "yuv420p", {"crf": "8", "preset": "medium"})
H264_WHOLE = Codec("H.264 without loss", "libx264rgb", "rgb24", {"qp": "0"})
VP9 = Codec("VP9", "libvpx-vp9", "yuv420p", {"crf": "10", "b": "0", "cpu-used": "4", "row-mt": "1"})
VP9_WHOLE = Codec("VP9 without loss", "libvpx-vp9", "gbrp", {"lossless": "1", "cpu-used": "4", "row-mt": "1"})
FFV1 = Codec("FFV1, without loss", "ffv1", "bgr0")
CODECS = {
    **dict.fromkeys((".mp4", ".mov", ".m4v"), (H264, H264_WHOLE)),
    ".webm": (VP9, VP9_WHOLE),
    **dict.fromkeys((".mkv", ".avi"), (FFV1, FFV1)),
}
"""By suffix: what a video is written with, and what it is written with where nothing may be lost."""
BT601 = 6
"""SMPTE 170M, FFmpeg's number of these colours; they are what readers assume that do not look."""
SCREEN, FULL = 1, 2
"""FFmpeg's numbers of the ranges 16..235 and 0..255."""


def require(output: Path, size: tuple[int, int], lossless: bool, per_second: float = 25.0) -> None:
    """Looks, before any work, whether a video can be written here.

    Args:
        output: the video.
        size: height and width of its frames, in pixels.
        lossless: whether nothing may be lost.
        per_second: frame rate.

    Raises:
        SatsrError: PyAV is absent, or the encoder does not take frames of this size or at this rate.
    """
    if find_spec("av") is None:
        raise SatsrError(f'{output} needs av, which writes videos: pip install "satsr[video]", or name a folder.')
    if not RATES[0] <= per_second <= RATES[1]:
        raise SatsrError(f"{per_second:g} frames a second are none that a video has: say --fps, such as --fps 25.")
    height, width = size
    if codec_of(output, lossless) is H264 and (height % 2 or width % 2):
        raise SatsrError(
            f"H.264 as browsers play it takes even sides, but these frames will have {width} x {height} px: name a "
            ".webm or .mkv, or add --lossless."
        )


def codec_of(output: Path, lossless: bool) -> Codec:
    """What a video of that suffix is written with."""
    return CODECS[output.suffix.lower()][lossless]


def encode(files: Sequence[Path], target: Path, per_second: float, tags: Mapping[str, str], lossless: bool) -> str:
    """Writes frames as a video, reads it back, and says how it differs from them.

    Args:
        files: the frames, 8-bit RGB images of one size.
        target: the video; its suffix decides.
        per_second: frame rate.
        tags: what made it, kept in the container's comment.
        lossless: whether nothing may be lost.

    Returns:
        A sentence with the PSNR of the video against the frames (RGB, 8 bits; mean and worst of the frames).

    Raises:
        SatsrError: the video is not complete, or not what it should be.
    """
    codec = codec_of(target, lossless)
    _write((read_rgb(file) for file in files), target, codec, per_second, tags)
    found = _measured(files, target)
    if not codec.halved:
        if np.isfinite(found).any():
            raise SatsrError(f"{target} does not hold the frames without loss: name a folder instead.")
        return f"the video ({codec.name}) holds the frames as they are"
    differ = [level for level in found if np.isfinite(level)]
    if not differ:
        return f"the video ({codec.name}) holds the frames as they are"
    which = "the frames" if len(differ) == len(found) else f"the {len(differ)} of {len(found)} frames that it changes"
    return (
        f"the video ({codec.name}, colours at half the resolution) has a PSNR of {np.mean(differ):.1f} dB against "
        f"{which}, at least {min(differ):.1f} dB; --lossless, a .mkv or a folder keep them as they are"
    )


def _write(frames: Iterator[Frame], target: Path, codec: Codec, per_second: float, tags: Mapping[str, str]) -> None:
    """Writes the frames.

    Raises:
        SatsrError: the encoder refuses them.
    """
    import av

    try:
        _encode(av, frames, target, codec, per_second, tags)
    except av.FFmpegError as error:
        if isinstance(error, OSError):  # of the disk
            raise
        raise SatsrError(f"{target} cannot be written as {codec.name} ({error}): name a .mkv or a folder.") from None


def _encode(
    av: Any, frames: Iterator[Frame], target: Path, codec: Codec, per_second: float, tags: Mapping[str, str]
) -> None:
    first = next(frames)
    fast = {"movflags": "+faststart"} if target.suffix.lower() in (".mp4", ".mov", ".m4v") else {}
    with av.open(str(target), "w", options=fast) as container:
        container.metadata["comment"] = "; ".join(f"{key}={text}" for key, text in tags.items() if MARK in key)
        stream: Any = container.add_stream(codec.encoder, rate=Fraction(per_second).limit_denominator(1001))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt, stream.options = codec.pixels, dict(codec.options)
        if codec.halved:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = BT601, BT601, BT601
            context.color_range = SCREEN
        for image in chain([first], frames):
            container.mux(stream.encode(_picture(av, image, codec)))
        container.mux(stream.encode())


def _picture(av: Any, image: Frame, codec: Codec) -> Any:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    if not codec.halved:
        return picture
    return picture.reformat(
        format=codec.pixels, dst_colorspace=BT601, src_color_range=FULL, dst_color_range=SCREEN, interpolation="BICUBIC"
    )


def _measured(files: Sequence[Path], target: Path) -> list[float]:
    """PSNR of each frame, infinite where nothing differs."""
    loaders = video_file.loaders(target)
    if len(loaders) != len(files):
        raise SatsrError(
            f"{target} holds {len(loaders)} frames instead of {len(files)}: the disk is probably full; free some space "
            "and start again."
        )
    return [psnr(load(), read_rgb(file)) for load, file in zip(loaders, files, strict=True)]
