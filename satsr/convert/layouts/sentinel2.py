"""One Sentinel-2 scene, cut into tiles that become their own targets: for data without a finer sensor.

A tile (:mod:`satsr.convert.ground.tiles`) is the high-resolution image; blurred, shrunk and with noise it is the
low-resolution one. A dataset card of one's own scene, with options of :class:`Surrogate` where they differ::

    name: my-scene
    source: {files: {path: scenes/T30UVU}}    # GeoTIFFs, .SAFE folders or zips, one a scene; or one of these
    layout: sentinel2
    options: {tile_px: 128, noise_sigma: 8.0}
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from satsr.convert.ground.sources import below, is_scene
from satsr.convert.ground.tiles import Tile, Tiles, parsed, tile_facts, tiles
from satsr.convert.layouts.source import Frame, SceneSource
from satsr.degrade import downscale_frame
from satsr.seeds import generator

TILE_MULTIPLE = 16


class Surrogate(Tiles):
    """How pairs are made of single images.

    Attributes:
        scale: high-resolution side over low-resolution side.
        blur_sigma: standard deviation of the Gaussian before shrinking, in high-resolution pixels.
        noise_sigma: standard deviation of the noise after shrinking, in digital numbers.
    """

    scale: int = Field(4, ge=2, le=8)
    blur_sigma: float = Field(0.5, ge=0)
    noise_sigma: float = Field(8.0, ge=0)


def sentinel2(root: Path, **options: Any) -> list[SceneSource]:
    """Tiles of the rasters, products and arrays in ``root`` (or of the one that it is) with their surrogates.

    Roles: ``hr`` (1) uint16 (H, W, 3), red, green, blue; ``lr`` (1) of a ``scale``-th of the size. Each date of an
    array with dates gives scenes of its own; a place is in one split on all of them. Meta: ``window`` (top, left,
    height, width in the scene), ``degradation``, ``origin``, and ``add_offset``, what was added to the file's numbers,
    where it is known.

    Args:
        root: a folder, or one file or product.
        options: of :class:`Surrogate`, where they differ from the defaults.

    Raises:
        SatsrError: no such files, unknown bands or options, or scenes too small for tiles in three splits.
    """
    settings = parsed(Surrogate, options)
    files = [file for file in below(root) if file == root or is_scene(file)]
    multiple = int(np.lcm(TILE_MULTIPLE, settings.scale))
    return [_pair(root, tile, settings) for tile in tiles(root, files, settings, multiple)]


def _pair(root: Path, tile: Tile, settings: Surrogate) -> SceneSource:
    load = tile.numbers
    where = f"{tile.file} at {tile.window}"
    roles: dict[str, Sequence[Frame]] = {
        "hr": [Frame(where, load)],
        "lr": [Frame(where, partial(_surrogate, load, settings, tile.place))],
    }
    return SceneSource(tile.name, tile.split, roles, "series", tile_facts(root, tile, settings), tile.why)


def _surrogate(load: Callable[[], np.ndarray], settings: Surrogate, place: tuple[int, ...]) -> np.ndarray:
    return downscale_frame(
        load(),
        settings.scale,
        blur_sigma=settings.blur_sigma,
        noise_sigma=settings.noise_sigma,
        rng=generator(settings.seed, "surrogate", *place),
    )
