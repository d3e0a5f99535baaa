"""The three images of a pair in memory: what is given, what it should become, and what the model makes of it."""

from dataclasses import dataclass
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio import Affine

from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.exported.model import Model
from satsr.imagery.images import PICTURES
from satsr.imagery.raster import finer
from satsr.metrics import clear_part
from satsr.resize import imresize
from satsr.trial.pairs import Pair
from satsr.upscale import scene, video
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.results import clips

BYTES, FRAME_BYTES = 55, 95
"""Of memory for each value of all fine frames of a pair, and for each of the one that the metrics look at: measured 143
for a single image (1536 x 1536 px, 3 bands), 52 for clips of 24 and 40 frames of 384 x 384 px."""
Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Images:
    """One pair, without missing pixels, in the numbers that the model expects.

    Attributes:
        name: of the pair.
        lr: (T, h, w, C).
        hr: (T, s h, s w, C).
        sr: what ``satsr upscale`` writes, of that shape.
        cut: whether missing pixels were cut away.
    """

    name: str
    lr: Float32
    hr: Float32
    sr: Float32
    cut: bool = False

    @property
    def scale(self) -> int:
        """Fine pixels per coarse pixel."""
        return int(self.hr.shape[1]) // int(self.lr.shape[1])

    def bicubic(self, highest: float) -> Float32:
        """The baseline: the cubic (a = -0.5) of each frame, whole numbers from 0 to ``highest``."""
        large = np.stack([imresize(frame, self.scale) for frame in self.lr])
        return np.asarray(np.clip(np.rint(large), 0, highest), np.float32)


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
    ours = clips.open_clip(pair.lr, model.bands, model.channels, options.bands)
    theirs = clips.open_clip(pair.hr, model.bands, model.channels, options.bands)
    require_partners(pair, ours, theirs, model.scale)
    lr, hr = (opened(model, clip, options) for clip in (ours, theirs))
    if (lr.dtype == np.uint8) != (hr.dtype == np.uint8):
        raise SatsrError(f"{pair.lr} holds {lr.dtype} and {pair.hr} {hr.dtype}: both need the same unit.")
    sr = opened(model, clips.open_clip(_enlarged(model, pair, options, folder, say), (), model.channels), options)
    return without_gaps(pair.name, lr, hr, sr, model.scale)


def require_partners(pair: Pair, lr: clips.Clip, hr: clips.Clip, scale: int) -> None:
    """Looks whether two sides fit, before a network is run.

    Raises:
        SatsrError: they differ in the number of frames, the sizes are not ``scale`` times each other, they lie in
            different places or have pixels of another size, or they take more memory than is free.
    """
    if len(lr) != len(hr):
        raise SatsrError(f"{pair.lr} has {len(lr)} frames, {pair.hr} {len(hr)}: each needs its partner.")
    (_, height, width), (bands, tall, wide) = (_shape(clip) for clip in (lr, hr))
    if (tall, wide) != (scale * height, scale * width):
        raise SatsrError(
            f"{pair.hr} has {wide} x {tall} px, but the model makes {scale * width} x {scale * height} px of the "
            f"{width} x {height} px of {pair.lr} (x{scale}): cut or resample one of them, or take a model of another "
            "scale."
        )
    need, free = bands * tall * wide * (BYTES * len(hr) + FRAME_BYTES), memory.available()
    if need > free:
        raise SatsrError(
            f"{pair.hr} takes about {need / 1e9:.1f} GB of memory to compare, but {free / 1e9:.1f} GB are free: cut "
            "out a part of the pair."
        )
    if lr.scenes and hr.scenes:
        with lr.scenes[0] as ours, hr.scenes[0] as theirs:
            placed = ours.crs is not None and theirs.crs is not None
            apart = farthest(finer(ours.transform, scale), theirs.transform, (tall, wide))
            reach = hypot(ours.transform.a, ours.transform.d) / 2
        if placed and (ours.crs != theirs.crs or apart > reach):
            raise SatsrError(
                f"{pair.lr} and {pair.hr} do not lie in the same place, or their pixels have not {scale} times each "
                "other's size: warp one to the other's grid."
            )


def farthest(ours: Affine, theirs: Affine, shape: tuple[int, int]) -> float:
    """How far apart two grids of a shape (H, W) place a corner of it, at most, in the units of their CRS."""
    height, width = shape
    corners = [(column, row) for column in (0, width) for row in (0, height)]
    places = [(ours * corner, theirs * corner) for corner in corners]
    return max(hypot(a[0] - b[0], a[1] - b[1]) for a, b in places)


def _shape(clip: clips.Clip) -> tuple[int, int, int]:
    """Bands, height and width of the first frame; of a GeoTIFF from its header, however large it is."""
    if not clip.scenes:
        bands, height, width = clip.load(0).values.shape
        return bands, height, width
    with clip.scenes[0] as scene:
        return len(scene.layers), scene.height, scene.width


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


def without_gaps(name: str, lr: Opened, hr: Opened, sr: Opened, scale: int) -> Images:
    """The largest square without missing pixels, or all where none is missing.

    Raises:
        SatsrError: there is none of 16 px.
    """
    count, height, width = lr.there.shape
    fine = (hr.there & sr.there).reshape(count, height, scale, width, scale).all(axis=(0, 2, 4))
    there = np.asarray(lr.there.all(axis=0) & fine)
    rows, columns = clear_part(there)
    tall, wide = (
        slice(*(None if side is None else scale * side for side in (s.start, s.stop))) for s in (rows, columns)
    )
    return Images(
        name, lr.values[:, rows, columns], hr.values[:, tall, wide], sr.values[:, tall, wide], cut=not there.all()
    )


def _enlarged(model: Model, pair: Pair, options: Options, folder: Path, say: Say) -> Path:
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
