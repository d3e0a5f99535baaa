"""Where an input is unlike the training data: a map of blocks for a scene, a line for each frame of a clip."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio

from satsr.depth.blocks import BLOCK, Float64
from satsr.depth.training import median
from satsr.files import replacing
from satsr.progress import track
from satsr.upscale.appraisal.depth import Depth
from satsr.upscale.results.clips import Clip
from satsr.upscale.results.partial import Placing
from satsr.upscale.results.profile import TiffProfile, create
from satsr.upscale.work import Work, present

ROWS = 16 * BLOCK
"""Of the scene that are looked at together."""
FARTHEST = 0.05
"""Share of a frame's blocks that are farther than the distance in its line: a few may be chance."""
UNIT = "1 is the distance at which the model was measured to lose to bicubic, or the farthest that was measured"


def of_scene(depth: Depth, work: Work, target: Path, tags: Mapping[str, str], place: Placing = replacing) -> Path:
    """Writes a GeoTIFF with a pixel for each block of 16 x 16 LR px, float32, NaN where too little is there.

    The first band is the largest distance, the others are the ways in which a block can be unlike the training data.
    Of several dates it is the median.

    Args:
        depth: what the model knows.
        work: the scene, open, with the model.
        target: the file.
        tags: what made the result.
        place: puts the file in its place.
    """
    scene = work.scene
    tops = range(0, scene.height, ROWS)
    parts = []
    for top in track(tops, "depth map", len(tops)):
        strip = scene.read(top, min(ROWS, scene.height - top))
        parts.append(median([depth.relative(image) for image in work.images(strip)]))
    ways = list(parts[0])
    planes = np.stack([np.concatenate([part[way] for part in parts]) for way in ways])
    planes = np.concatenate([planes.max(axis=0, keepdims=True), planes]).astype(np.float32)
    a, b, c, d, e, f = work.raster.transform[:6]
    profile = TiffProfile(
        planes.shape[1],
        planes.shape[2],
        len(planes),
        planes.dtype,
        work.raster.crs,
        rasterio.Affine(a * BLOCK, b * BLOCK, c, d * BLOCK, e * BLOCK, f),
        float("nan"),
        ["farthest", *ways],
        tags={**tags, "SATSR_DEPTH": UNIT},
    )
    with place(target) as temporary:
        create(temporary, profile, planes, compress="deflate")
    return target


def of_clip(depth: Depth, clip: Clip, numbers: tuple[float, float], target: Path, place: Placing = replacing) -> Path:
    """Writes a table: for each frame the distance that 5 % of its blocks exceed, and in which way.

    Args:
        depth: what the model knows.
        clip: the frames.
        numbers: gain and offset from the frames' numbers to the model's.
        target: the file.
        place: puts the file in its place.
    """
    with place(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["frame", "distance", "way"])
        for index in track(range(len(clip)), "depth map", len(clip)):
            far = depth.relative(present(clip.load(index)) * numbers[0] + numbers[1])
            most = {way: float(np.nanquantile(values, 1 - FARTHEST)) for way, values in far.items() if _any(values)}
            way = max(most, key=lambda name: most[name], default="")
            writer.writerow([clip.names[index], f"{most[way]:.3f}" if way else "", way])
    return target


def _any(values: Float64) -> bool:
    return bool(np.isfinite(values).any())
