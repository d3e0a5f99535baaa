"""Image sets in the manner of Proba-V, made of single real scenes and real cloud masks: QA-Net without Proba-V's data.

A tile of one band is the reference; seen several times by a sensor of three times coarser pixels, each time from
another place and with another brightness, it gives the views. Their quality maps are windows of real cloud masks. What
of this is real and what is drawn: :mod:`satsr.convert.ground.passes`. A dataset card of one's own scenes, with options
of :class:`ImageSets` where they differ from the defaults::

    name: my-image-sets
    source: {files: {path: scenes}}           # GeoTIFFs, products or NumPy archives, one a scene
    layout: probav_surrogate
    scale: 3
    options: {masks: clouds.npz, scenes: "T30UVU*.tif", views: 19}

Radiometry: reflectance times 10000 times ``gain`` in 14 bits, so with a gain of 2 the largest number, 16383, is a
reflectance of 0.82. Twice the gain means 6 dB less cPSNR for every method, and no other gain over the baseline.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from satsr.convert.ground.passes import Mask, Passes, cloudy_windows, cut_window, files_of, ground, observe, part
from satsr.convert.ground.sources import Source
from satsr.convert.ground.tiles import Tile, parsed, tile_facts, tiles
from satsr.convert.layouts.probav import BANDS
from satsr.convert.layouts.source import Frame, SceneSource
from satsr.degrade import probav_numbers
from satsr.imagery.bands import RED_NIR
from satsr.seeds import generator

SCALE = 3
MIN_VIEWS = 9
Numbers = npt.NDArray[np.uint16]
Map = npt.NDArray[np.uint8]


class ImageSets(Passes):
    """How image sets are made of scenes.

    Attributes:
        views: largest number of views of a set, drawn from 9 on.
        cloudy: share of the views that have clouds, up to 40 % of their pixels.
        gain: digital numbers are this times reflectance times 10000.
    """

    views: int = Field(19, ge=MIN_VIEWS)
    cloudy: float = Field(0.5, ge=0, le=1)
    gain: float = Field(2.0, gt=0)
    tile_px: int = Field(120, ge=72)


def probav_surrogate(root: Path, **options: Any) -> list[SceneSource]:
    """Image sets of the red and near infrared bands of the scenes in ``root``.

    Roles: ``lr`` (T from 9 to ``views``) uint16 (h, w), ``qm`` (T) uint8, 255 where clear, ``hr`` (1) uint16
    (3h, 3w), ``sm`` (1) uint8. Both bands of a place, on all dates, are in one split.
    Meta: ``band`` ("RED" or "NIR"), ``window`` (of the tile), ``degradation``, ``origin``, ``add_offset``.

    Args:
        root: a folder.
        options: of :class:`ImageSets`; ``masks`` always.

    Raises:
        SatsrError: no such files, unknown bands or options, masks that never hide a part of a view, or scenes too
            small for tiles in three splits.
    """
    settings = parsed(ImageSets, options)
    scenes, masks = files_of(root, settings)
    cut = tiles(root, scenes, settings, SCALE, tuple(RED_NIR.values()))
    for side in {settings.view_px(tile, SCALE) for tile in cut}:
        cloudy_windows(masks, side)
    return [_image_set(root, masks, tile, band, settings) for tile in cut for band in _bands(tile.source)]


def _image_set(root: Path, masks: Path, tile: Tile, band: str, settings: ImageSets) -> SceneSource:
    place = (*tile.place, BANDS.index(band))
    count = int(generator(settings.seed, "number of views", *place).integers(MIN_VIEWS, settings.views + 1))
    views = [partial(_view, masks, tile, band, settings, (*place, view)) for view in range(count)]
    reference = partial(_reference, tile, band, settings)
    where = f"{tile.file} at {tile.window}, {band}"
    roles: dict[str, Sequence[Frame]] = {
        "lr": [Frame(where, partial(part, view, 0)) for view in views],
        "qm": [Frame(f"{masks} for {where}", partial(part, view, 1)) for view in views],
        "hr": [Frame(where, partial(part, reference, 0))],
        "sm": [Frame(where, partial(part, reference, 1))],
    }
    meta = {"band": band, **tile_facts(root, tile, settings)}
    return SceneSource(f"{tile.name}-{band}", tile.split, roles, "series", meta, tile.why)


@lru_cache(maxsize=64)
def _bands(scene: Source) -> list[str]:
    return scene.red_and_nir()


@lru_cache(maxsize=16)
def _ground(tile: Tile, band: str) -> npt.NDArray[np.float32]:
    return ground(tile.numbers((RED_NIR[band],)))


def _reference(tile: Tile, band: str, settings: ImageSets) -> tuple[Numbers, Map]:
    """The inner part of the tile and its status map."""
    inner = _ground(tile, band)[settings.inner(tile, SCALE)].astype(np.float64)
    return probav_numbers(inner[..., 0] * settings.gain, inner[..., 1] > 0)


def _view(masks: Path, tile: Tile, band: str, settings: ImageSets, place: tuple[int, ...]) -> tuple[Numbers, Map]:
    """One pass and its quality map."""
    rng = generator(settings.seed, "pass", *place)
    cloud = _cloud(masks, settings.view_px(tile, SCALE), settings.cloudy, rng)
    image, clear = observe(_ground(tile, band), SCALE, cloud, settings, rng, settings.shift)
    return probav_numbers(image[..., 0] * settings.gain, clear)


def _cloud(masks: Path, side: int, cloudy: float, rng: np.random.Generator) -> Mask:
    if rng.random() >= cloudy:
        return np.zeros((side, side), bool)
    windows = cloudy_windows(masks, side)
    return cut_window(masks, side, windows[int(rng.integers(len(windows)))], int(rng.integers(8)))
