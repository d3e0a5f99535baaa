"""Passes of a coarse sensor over real scenes under real cloud masks: what the layouts of surrogate views share.

What is real: the ground, and the shapes and sizes (in pixels) of the clouds. What is drawn: where each pass looks, its
brightness and noise, and what clouds look like (opaque, bright, softer at the edge).
"""

from collections.abc import Callable
from datetime import date
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

from satsr.convert.ground.sources import IMAGES, below, is_scene, load_mask
from satsr.convert.ground.tiles import Tile, Tiles
from satsr.degrade import add_noise, blur, expose
from satsr.errors import SatsrError
from satsr.files import files_below
from satsr.imagery.dates import date_in
from satsr.imagery.npz import read_arrays

MAX_COVER = 0.4
"""A pass with more of it under clouds is left out; ESA took views of Proba-V of which at least 0.6 is clear."""
CLOUD_REFLECTANCE = (0.4, 0.8)
CLOUD_EDGE_PX = 1.0
ARRAY, TIMES = "cloud_mask", "timestamps"
Mask = npt.NDArray[np.bool_]
MaskWindow = tuple[int, int, int]
"""Number of the mask, top, left."""


class Passes(Tiles):
    """How a scene is seen.

    Attributes:
        masks: path, relative to the root, of the cloud masks: a NumPy archive with ``cloud_mask`` (or else its first
            array) of shape (T, H, W) and perhaps ``timestamps`` (T), or a folder of rasters with one band, perhaps with
            dates in their names; non-zero where there is cloud.
        scenes: pattern of the files, relative to the root, that are scenes; the masks are none.
        shift: how far a view may lie off its reference, in its own pixels, along each axis.
        blur: standard deviation of the coarse sensor's optics, in its pixels, beside its square detectors.
        noise: standard deviation of a view's noise, in reflectance times 10000.
        brightness: standard deviation of a view's own factor.
    """

    masks: str
    scenes: str = "*"
    shift: float = Field(1.0, ge=0, le=1)
    blur: float = Field(0.33, gt=0, le=1)
    noise: float = Field(15.0, ge=0)
    brightness: float = Field(0.015, ge=0, le=0.2)

    def margin_px(self, scale: int) -> int:
        """What of a tile lies outside its reference, on each side: a view never looks beyond the tile."""
        return scale * int(np.ceil(self.shift + 3 * self.blur))

    def view_px(self, tile: Tile, scale: int) -> int:
        """The side of a view."""
        return (tile.window[2] - 2 * self.margin_px(scale)) // scale

    def inner(self, tile: Tile, scale: int) -> tuple[slice, slice]:
        """The part of a tile that is the reference."""
        inside = slice(self.margin_px(scale), tile.window[2] - self.margin_px(scale))
        return inside, inside


class Sky(NamedTuple):
    """A cloud mask, True where there is cloud, and its date if that is known."""

    cloud: Mask
    day: date | None


def files_of(root: Path, settings: Passes) -> tuple[list[Path], Path]:
    """The scenes and the masks of a folder.

    Raises:
        SatsrError: one of them is not there.
    """
    inside = PurePosixPath(settings.masks)
    masks = root / inside
    if inside.is_absolute() or ".." in inside.parts or not masks.exists():
        raise SatsrError(f"the cloud masks {masks} are not there: option masks is a path inside the folder {root}.")
    scenes = [
        file
        for file in below(root)
        if masks not in (file, *file.parents)
        and fnmatch(root.name if file == root else file.relative_to(root).as_posix(), settings.scenes)
        and is_scene(file)
    ]
    if not scenes:
        raise SatsrError(
            f"{root} holds no scene (GeoTIFF, product or NumPy archive) called {settings.scenes} beside its masks."
        )
    return scenes, masks


def ground(numbers: np.ndarray) -> npt.NDArray[np.float32]:
    """Digital numbers (H, W, C) with a further band that is 1 where there are data: (H, W, C + 1)."""
    return np.concatenate([numbers, (numbers > 0).all(axis=2, keepdims=True)], axis=2, dtype=np.float32)


def observe(
    truth: npt.NDArray[np.float32], scale: int, cloud: Mask, settings: Passes, rng: np.random.Generator, shift: float
) -> tuple[npt.NDArray[np.float64], Mask]:
    """One pass of the coarse sensor.

    Args:
        truth: of :func:`ground`.
        scale: fine pixels per pixel of the sensor.
        cloud: (h, w), what is hidden.
        settings: optics, noise, brightness.
        rng: where the pass is drawn from.
        shift: how far it may lie off, in its pixels.

    Returns:
        The image (h, w, C) in reflectance times 10000, and where it is clear, (h, w).
    """
    down, right = rng.uniform(-shift, shift, 2)
    seen = expose(truth, cloud.shape, scale, (down, right), settings.blur).astype(np.float64)
    image = add_noise(seen[..., :-1] * rng.normal(1, settings.brightness), settings.noise, rng)
    opacity = (blur(cloud.astype(np.float64), CLOUD_EDGE_PX) * cloud)[..., None]
    image = image * (1 - opacity) + 10000 * rng.uniform(*CLOUD_REFLECTANCE) * opacity
    return image, ~cloud & (seen[..., -1] > 0.999)


def part(make: Callable[[], tuple[np.ndarray, np.ndarray]], number: int) -> np.ndarray:
    """One of the two arrays, image and mask, that a function makes."""
    return make()[number]


def cut_window(masks: Path, side: int, window: MaskWindow, turn: int) -> Mask:
    """A window of a mask, (side, side), in one of eight orientations."""
    number, top, left = window
    cloud = enlarged(skies(masks)[number].cloud, side)[top : top + side, left : left + side]
    return np.rot90(cloud[::-1] if turn >= 4 else cloud, turn % 4)


def covers(sky: Mask, side: int) -> npt.NDArray[np.float64]:
    """The share of cloud in windows half their side apart, (rows, columns)."""
    step = window_step(side)
    found: npt.NDArray[np.float64] = sliding_window_view(enlarged(sky, side), (side, side))[::step, ::step].mean((2, 3))
    return found


def window_step(side: int) -> int:
    """How far windows lie apart."""
    return max(1, side // 2)


@lru_cache(maxsize=8)
def cloudy_windows(masks: Path, side: int) -> list[MaskWindow]:
    """The windows of all masks that are partly cloudy.

    Raises:
        SatsrError: there are none.
    """
    step = window_step(side)
    found = []
    for number, sky in enumerate(skies(masks)):
        shares = covers(sky.cloud, side)
        places = np.argwhere((shares > 0) & (shares <= MAX_COVER))
        found += [(number, step * top, step * left) for top, left in places.tolist()]
    if not found:
        raise SatsrError(
            f"no part of {side} x {side} pixels of the cloud masks {masks} has clouds on at most {MAX_COVER:.0%} of "
            "it: give masks that are neither empty nor full."
        )
    return found


def enlarged(sky: Mask, side: int) -> Mask:
    """A mask smaller than a view with its pixels repeated until it is large enough."""
    times = -(-side // min(sky.shape))
    return sky.repeat(times, axis=0).repeat(times, axis=1)


@lru_cache(maxsize=2)
def skies(masks: Path) -> list[Sky]:
    """The masks in a folder or an archive.

    Raises:
        SatsrError: files that cannot be read, or are no masks.
    """
    if masks.is_dir():
        files = [file for file in sorted(files_below(masks)) if file.suffix.lower() in IMAGES]
        return [Sky(load_mask(file) > 0, date_in(file.name)) for file in files]
    arrays = read_arrays(masks, (ARRAY, TIMES))
    if ARRAY not in arrays:
        arrays = read_arrays(masks)
    if not arrays:
        raise SatsrError(f"{masks} holds no arrays: expected an array {ARRAY} of masks, (T, H, W).")
    name = ARRAY if ARRAY in arrays else next(iter(arrays))
    stack, times = arrays[name], arrays.get(TIMES)
    if stack.ndim != 3 or stack.dtype.kind not in "uib" or not stack.size:
        raise SatsrError(
            f"{masks} holds {name} of {stack.dtype} {stack.shape}: expected an array {ARRAY} of whole numbers, "
            "(T, H, W), non-zero where there is cloud."
        )
    days = [None] * len(stack) if times is None else [date_in(str(time)) for time in times.ravel()]
    if len(days) != len(stack):
        raise SatsrError(f"{masks} holds {len(stack)} masks and {len(days)} {TIMES}: expected one for each.")
    return [Sky(cloud, day) for cloud, day in zip(stack != 0, days, strict=True)]
