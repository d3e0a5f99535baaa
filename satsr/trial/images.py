"""The three images of a pair in memory: what is given, what it should become, and what the model makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.exported.facts import Facts
from satsr.exported.model import Model
from satsr.imagery.images import PICTURES
from satsr.metrics import clear_part
from satsr.resize import imresize
from satsr.trial.pairs import Pair
from satsr.trial.partners import require_one_unit, require_partners
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.clips import video
from satsr.upscale.options import Options
from satsr.upscale.results import clips
from satsr.upscale.scenes import scene

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Cubic = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Images:
    """One pair in the numbers that the model expects.

    Attributes:
        name: of the pair.
        lr: (T, h, w, C), what a result is held against.
        hr: (T, s h, s w, C).
        sr: what ``satsr upscale`` writes, of that shape.
        bicubic: the baseline, of that shape.
        clear: (T, s h, s w), where ``hr`` counts; None: everywhere.
        clear_lr: (T, h, w), where ``lr`` counts; None: everywhere.
        shown: (T, h, w, C), what is shown as the coarse image; None: ``lr``.
        band: of an image set, where its folder says so.
        notes: sentences on how it was measured.
        files: that it was read from.
    """

    name: str
    lr: Float32
    hr: Float32
    sr: Float32
    bicubic: Float32
    clear: Mask | None = None
    clear_lr: Mask | None = None
    shown: Float32 | None = None
    band: str | None = None
    notes: Sequence[str] = ()
    files: Sequence[Path] = ()

    @property
    def scale(self) -> int:
        """Fine pixels per coarse pixel."""
        return int(self.hr.shape[1]) // int(self.lr.shape[1])


@dataclass(frozen=True)
class Opened:
    """A clip, an image or a scene in memory.

    Attributes:
        clip: where it came from.
        values: (T, H, W, C) in the model's numbers.
        there: (T, H, W), False where pixels are missing.
        dtype: of the file.
    """

    clip: clips.Clip
    values: Float32
    there: Mask
    dtype: np.dtype[Any]


def in_bytes(facts: Facts) -> bool:
    """Whether a model's native values are those of 8-bit pictures."""
    return facts.normalisation.native[1] == 255


def enlarged(lr: Float32, scale: int, facts: Facts, cubic: Cubic = imresize) -> Float32:
    """The baseline (T, s h, s w, C): each frame by a cubic, in whole numbers that a file can hold.

    Args:
        lr: (T, h, w, C), in the model's numbers.
        scale: fine pixels per coarse pixel.
        facts: of the model.
        cubic: enlarges a frame; by default that with a = -0.5.
    """
    large = np.stack([cubic(frame, scale) for frame in lr])
    return np.asarray(np.clip(np.rint(large), 0, 255 if in_bytes(facts) else 65535), np.float32)


def look(model: Model, pair: Pair, options: Options) -> tuple[clips.Clip, clips.Clip]:
    """Both sides of a pair, before a network is run.

    Raises:
        SatsrError: they do not fit each other or the model.
    """
    ours = clips.open_clip(pair.lr, model.bands, model.channels, options.bands)
    theirs = clips.open_clip(pair.hr, model.bands, model.channels, options.bands)
    require_partners(pair, ours, theirs, model.scale)
    return ours, theirs


def images(model: Model, pair: Pair, options: Options, folder: Path, say: Say = silent) -> Images:
    """Applies the model to one side of a pair, as ``satsr upscale`` does, and reads all three.

    Args:
        model: of the kind ``image``, ``video`` or ``window``.
        pair: the files.
        options: what the user chose.
        folder: that the result is written to.
        say: takes lines for the user.

    Raises:
        SatsrError: the sides do not fit each other or the model, or the input does not look like its training data.
    """
    sides = look(model, pair, options)
    lr, hr = (opened(model, clip, options) for clip in sides)
    require_one_unit(pair, lr.dtype, hr.dtype)
    sr = opened(model, clips.open_clip(_upscaled(model, pair, options, folder, say), (), model.channels), options)
    return without_gaps(pair.name, lr, hr, sr, model.facts)


def opened(model: Model, clip: clips.Clip, options: Options) -> Opened:
    """All of a clip in memory.

    Raises:
        SatsrError: frames differ in size.
    """
    planes: list[Float32] = []
    masks: list[Mask] = []
    for index in range(len(clip)):
        strip = clip.load(index)
        if planes and strip.values.shape != planes[0].shape:
            raise SatsrError(
                f"frame {clip.names[index]} differs in size from the first: a clip has frames of one size."
            )
        gains, offsets = _numbers(model, clip, index, options)
        there = np.isfinite(strip.values) & (True if strip.valid is None else strip.valid)
        values = np.where(there, strip.values, 0).astype(np.float32) * gains + offsets
        planes.append(values.astype(np.float32))
        masks.append(there.all(axis=0))
    return Opened(clip, np.moveaxis(np.stack(planes), 1, -1), np.stack(masks), clip.load(0).values.dtype)


def without_gaps(name: str, lr: Opened, hr: Opened, sr: Opened, facts: Facts, cubic: Cubic = imresize) -> Images:
    """The largest square without missing pixels, or all where none is missing.

    Raises:
        SatsrError: there is none of 16 px.
    """
    scale, (count, height, width) = facts.scale, lr.there.shape
    fine = (hr.there & sr.there).reshape(count, height, scale, width, scale).all(axis=(0, 2, 4))
    there = np.asarray(lr.there.all(axis=0) & fine)
    rows, columns = clear_part(there)
    tall, wide = (
        slice(*(None if side is None else scale * side for side in (s.start, s.stop))) for s in (rows, columns)
    )
    given, truth = lr.values[:, rows, columns], hr.values[:, tall, wide]
    note = f"{name} has missing pixels: its largest square without any is measured ({truth.shape[1]} px a side)."
    return Images(
        name,
        given,
        truth,
        sr.values[:, tall, wide],
        enlarged(given, scale, facts, cubic),
        notes=[] if there.all() else [note],
        files=[*lr.clip.files, *hr.clip.files],
    )


def _upscaled(model: Model, pair: Pair, options: Options, folder: Path, say: Say) -> Path:
    """What ``satsr upscale`` makes of the coarse side."""
    alone = pair.lr.is_file() and pair.lr.suffix.lower() in clips.TIFFS and not clips.is_sequence(pair.lr)
    if model.kind == "image" and alone:
        return scene.upscale(model, pair.lr, folder / f"{pair.name}.tif", options, say)[0]
    if pair.lr.suffix.lower() in PICTURES and pair.lr.is_file():
        return video.upscale(model, pair.lr, folder / f"{pair.name}.png", options, say).output
    (folder / pair.name).mkdir()  # so that it is a folder, whatever its name
    return video.upscale(model, pair.lr, folder / pair.name, options, say).output


def _numbers(model: Model, clip: clips.Clip, index: int, options: Options) -> tuple[Any, Any]:
    """Gain and offset from a file's numbers to the model's: the user's, else those that a scene declares."""
    if options.gain is not None or options.offset is not None or not clip.scenes or not model.facts.reflectance:
        return options.numbers
    layers = clip.scenes[index].layers
    gains, offsets = np.array([(layer.gain, layer.offset) for layer in layers], np.float32).T
    return gains[:, None, None], offsets[:, None, None]
