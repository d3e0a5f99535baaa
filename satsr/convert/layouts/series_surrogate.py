"""Dated series made of single real scenes and of real cloud masks with their dates: for want of a finer sensor.

A tile is the target; a coarser sensor sees it on the dates of the masks, each time under the clouds of that date, from
another place and with another brightness. Dates and clouds are real, and so is the ground, but it does not change: a
network learns to fuse shifted and clouded views, not to bridge a season. What else is drawn:
:mod:`satsr.convert.ground.passes`.
A dataset card of one's own scenes, with options of :class:`Calendar` where they differ from the defaults::

    name: my-series
    source: {files: {path: scenes}}           # GeoTIFFs, products or NumPy archives, one a scene
    layout: series_surrogate
    options: {masks: clouds, scenes: "T30UVU*.tif", dates: 8}      # clouds/2018-05-03.png ...
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from satsr.convert.ground.passes import (
    MAX_COVER,
    MaskWindow,
    Passes,
    covers,
    cut_window,
    files_of,
    ground,
    observe,
    part,
    skies,
    window_step,
)
from satsr.convert.ground.tiles import Tile, parsed, tile_facts, tiles
from satsr.convert.layouts.source import Frame, SceneSource
from satsr.degrade import to_native
from satsr.errors import SatsrError
from satsr.imagery.dates import nearest
from satsr.seeds import generator


class Calendar(Passes):
    """How series are made of scenes.

    Attributes:
        scale: side of the target over side of an image.
        dates: most dates of a series; those nearest to the target are taken, of all with enough clear pixels.
        shift: as for :class:`Passes`, but the image of the target's own date lies on it.
    """

    scale: int = Field(4, ge=2, le=8)
    dates: int = Field(8, ge=2)
    shift: float = Field(0.5, ge=0, le=1)
    noise: float = Field(8.0, ge=0)
    tile_px: int = Field(96, ge=48)


class Pass(NamedTuple):
    """One date of a series: the window of its mask."""

    day: date
    window: MaskWindow


def series_surrogate(root: Path, **options: Any) -> list[SceneSource]:
    """Series of the red, green and blue of the scenes in ``root``.

    Roles: ``lr`` (T up to ``dates``) uint16 (h, w, 3), ``cloud`` (T) uint8 (h, w), 255 where hidden, ``hr`` (1) uint16
    (scale h, scale w, 3), all reflectance times 10000. A place is in one split. Meta:
    ``dates``, ``target_date``, ``days``, ``window`` (of the tile), ``degradation``, ``origin``, ``add_offset``.

    Args:
        root: a folder.
        options: of :class:`Calendar`; ``masks`` always.

    Raises:
        SatsrError: no such files, unknown bands or options, masks without dates or without a clear one, or scenes
            too small for tiles in three splits.
    """
    settings = parsed(Calendar, options)
    scenes, masks = files_of(root, settings)
    if not all(sky.day for sky in skies(masks)):
        raise SatsrError(
            f"the masks {masks} have no dates: a folder of masks has them in its names (2018-05-03.png), an archive in "
            "an array called timestamps."
        )
    return [_series(root, masks, tile, settings) for tile in tiles(root, scenes, settings, settings.scale)]


def _series(root: Path, masks: Path, tile: Tile, settings: Calendar) -> SceneSource:
    rng = generator(settings.seed, "calendar", *tile.place)
    target, passes = _passes(masks, settings.view_px(tile, settings.scale), settings.dates, rng)
    turn = int(rng.integers(8))
    views = [partial(_view, masks, tile, settings, turn, target, number, one) for number, one in enumerate(passes)]
    where = f"{tile.file} at {tile.window}"
    roles: dict[str, Sequence[Frame]] = {
        "lr": [Frame(where, partial(part, view, 0)) for view in views],
        "cloud": [Frame(f"{masks} for {where}", partial(part, view, 1)) for view in views],
        "hr": [Frame(where, partial(_target, tile, settings))],
    }
    dates = {
        "dates": [str(one.day) for one in passes],
        "target_date": str(target),
        "days": [(one.day - target).days for one in passes],
    }
    meta = {**dates, **tile_facts(root, tile, settings)}
    return SceneSource(tile.name, tile.split, roles, "series", meta, tile.why)


def _passes(masks: Path, side: int, count: int, rng: np.random.Generator) -> tuple[date, list[Pass]]:
    """A window of the masks with a clear date for the target, which is returned, and the dates nearest to it.

    Raises:
        SatsrError: no window has a clear date and another one that is clear enough.
    """
    numbers, days, shares = _calendar(masks, side)
    usable = shares <= MAX_COVER
    places = np.argwhere((shares == 0).any(axis=0) & (usable.sum(axis=0) >= 2))
    if not len(places):
        raise SatsrError(
            f"no part of {side} x {side} pixels of the masks {masks} has a clear date and another one with clouds on "
            f"at most {MAX_COVER:.0%} of it: give masks of more dates."
        )
    row, column = places[int(rng.integers(len(places)))]
    clear = np.flatnonzero(shares[:, row, column] == 0)
    target = int(clear[int(rng.integers(len(clear)))])
    fit = np.flatnonzero(usable[:, row, column])
    away = np.array([(days[number] - days[target]).days for number in fit])
    step = window_step(side)
    chosen = fit[nearest(away, count)].tolist()
    return days[target], [Pass(days[n], (numbers[n], step * int(row), step * int(column))) for n in chosen]


@lru_cache(maxsize=8)
def _calendar(masks: Path, side: int) -> tuple[list[int], list[date], npt.NDArray[np.float64]]:
    """The first mask of each date, by date: their numbers, dates, and shares of cloud (T, rows, columns).

    Raises:
        SatsrError: masks of several sizes.
    """
    found = skies(masks)
    shapes = {sky.cloud.shape for sky in found}
    if len(shapes) > 1:
        raise SatsrError(f"the masks {masks} have {len(shapes)} sizes, but those of a series show one place.")
    first = {sky.day: number for number, sky in reversed(list(enumerate(found))) if sky.day}
    ordered = sorted(first.items())
    shares = np.stack([covers(found[number].cloud, side) for _, number in ordered])
    return [number for _, number in ordered], [day for day, _ in ordered], shares


@lru_cache(maxsize=16)
def _ground(tile: Tile) -> npt.NDArray[np.float32]:
    return ground(tile.numbers())


def _target(tile: Tile, settings: Calendar) -> np.ndarray:
    return to_native(_ground(tile)[settings.inner(tile, settings.scale)][..., :3], np.uint16)


def _view(
    masks: Path, tile: Tile, settings: Calendar, turn: int, target: date, number: int, one: Pass
) -> tuple[np.ndarray, np.ndarray]:
    """An image and what is hidden in it."""
    cloud = cut_window(masks, settings.view_px(tile, settings.scale), one.window, turn)
    rng = generator(settings.seed, "pass", *tile.place, number)
    shift = 0.0 if one.day == target else settings.shift
    image, clear = observe(_ground(tile), settings.scale, cloud, settings, rng, shift)
    return to_native(image, np.uint16), np.where(clear, 0, 255).astype(np.uint8)
