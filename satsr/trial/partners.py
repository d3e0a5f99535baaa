"""Whether the two sides of a pair fit each other: looked at before a network is run."""

from math import hypot
from typing import Any

import numpy as np
from rasterio import Affine

from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.imagery.raster import finer
from satsr.trial.pairs import Pair
from satsr.upscale.results import clips

BYTES, FRAME_BYTES = 55, 95
"""Of memory for each value of all fine frames of a pair, and for each of the one that the metrics look at: measured 143
for a single image and 114 for a series (1536 x 1536 px, 3 bands), 52 for clips of 24 and 40 frames of 384 x 384 px."""


def require_one_unit(pair: Pair, lr: np.dtype[Any], hr: np.dtype[Any]) -> None:
    """Refuses 8-bit values on one side alone.

    Raises:
        SatsrError: so.
    """
    if (lr == np.uint8) != (hr == np.uint8):
        raise SatsrError(f"{pair.lr} holds {lr} and {pair.hr} {hr}: both need the same unit.")


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
    require_memory(pair, bands * tall * wide * (BYTES * len(hr) + FRAME_BYTES))
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


def require_memory(pair: Pair, need: int) -> None:
    """Refuses a pair that takes more memory than is free, in bytes.

    Raises:
        SatsrError: so.
    """
    if need > (free := memory.available()):
        raise SatsrError(
            f"{pair.hr} takes about {need / 1e9:.1f} GB of memory to compare, but {free / 1e9:.1f} GB are free: cut "
            "out a part of the pair."
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
