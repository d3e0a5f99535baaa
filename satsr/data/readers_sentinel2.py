"""One Sentinel-2 scene, cut into tiles that become their own targets: for data without a finer sensor.

Reads GeoTIFF and JPEG 2000 rasters and NumPy archives (``im10`` of DSen2, ``reference_scenes`` of eo-learn, or any
single array). A tile is the high-resolution image; blurred, shrunk and with noise it is the low-resolution one. The
tiles to train with and those to validate with lie in different blocks of the scene.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from satsr.data.rasters import TIFF, Window, as_dn, raster_size, read_raster, rgb_bands, thumbnail
from satsr.data.readers import Frame, SceneSource, files_below
from satsr.degrade import downscale_frame
from satsr.errors import SatsrError
from satsr.seeds import generator

KNOWN_ARRAYS = ("im10", "reference_scenes")
MIN_TILES = 5
MIN_TILE_PX = 48
TILE_MULTIPLE = 16
SAMPLES = 16
"""So many pixels along each side of a tile are looked at for nodata."""
Grid = tuple[int, int]


@dataclass(frozen=True)
class Surrogate:
    """How pairs are made of single images.

    Attributes:
        scale: high-resolution side over low-resolution side.
        tile_px: side of a tile in high-resolution pixels; smaller where a scene would give fewer than five tiles.
        blur_sigma: standard deviation of the Gaussian before shrinking, in high-resolution pixels.
        noise_sigma: standard deviation of the noise after shrinking, in digital numbers.
        val_share: share of the blocks that validate.
        seed: of the noise and of the choice of blocks.
    """

    scale: int = 4
    tile_px: int = 128
    blur_sigma: float = 0.5
    noise_sigma: float = 8.0
    val_share: float = 0.2
    seed: int = 0


def sentinel2(root: Path, **options: Any) -> list[SceneSource]:
    """Tiles of the rasters and arrays in ``root`` (or of the one file that it is) with their surrogates.

    Roles: ``hr`` (1) uint16 (H, W, 3), red, green, blue; ``lr`` (1) of a ``scale``-th of the size. Each date of an
    array with dates gives scenes of its own; a place is in one split on all of them. Meta: ``window`` (top, left,
    height, width in the scene), ``degradation``, ``origin``.

    Args:
        root: a folder, or one file.
        options: of :class:`Surrogate`, where they differ from the defaults.

    Raises:
        SatsrError: no such files, unknown bands or options, or a scene too small for tiles in both splits.
    """
    try:
        recipe = Surrogate(**options)
    except TypeError:
        known = ", ".join(field.name for field in fields(Surrogate))
        raise SatsrError(f"the options of a surrogate are {known}, found {', '.join(options)}.") from None
    files = [root] if root.is_file() else sorted(files_below(root))
    scenes = [file for file in files if file.suffix.lower() in (*TIFF, ".npz")]
    return [scene for number, file in enumerate(scenes) for scene in _tiles(root, file, recipe, number)]


def split_blocks(grid: Grid, val_share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which tiles of a grid validate: whole blocks of 2 x 2 tiles where the grid is large enough.

    Args:
        grid: rows and columns of tiles.
        val_share: share of the blocks; at least one.
        rng: where the choice is drawn from.

    Returns:
        (rows, columns), True where a tile validates.
    """
    side = 2 if min(grid) >= 4 else 1
    blocks = (-(-grid[0] // side), -(-grid[1] // side))
    count = blocks[0] * blocks[1]
    chosen = np.zeros(count, dtype=bool)
    chosen[rng.permutation(count)[: max(1, round(val_share * count))]] = True
    return chosen.reshape(blocks).repeat(side, axis=0).repeat(side, axis=1)[: grid[0], : grid[1]]


def _tiles(root: Path, file: Path, recipe: Surrogate, number: int) -> list[SceneSource]:
    dates, size = _extent(file)
    side, grid = _grid(size, recipe, file)
    held_out = split_blocks(grid, recipe.val_share, generator(recipe.seed, "blocks", number))
    usable = _usable(file, grid, side)
    if not (usable & held_out).any() or not (usable & ~held_out).any():
        raise SatsrError(f"{file} has {usable.sum()} tiles of {side} pixels with data: too few to train and validate.")
    name = file.stem if root.is_file() else file.relative_to(root).with_suffix("").as_posix()
    found = []
    for row, column in np.argwhere(usable).tolist():
        window = (row * side, column * side, side, side)
        for moment in range(dates):
            load = partial(_tile, file, moment, window)
            place = (number, moment, row, column)
            roles: dict[str, Sequence[Frame]] = {
                "hr": [Frame(f"{file} at {window}", load)],
                "lr": [Frame(f"{file} at {window}", partial(_surrogate, load, recipe, place))],
            }
            when = f"-t{moment:03d}" if dates > 1 else ""
            meta = {
                "window": list(window),
                "degradation": asdict(recipe),
                "origin": {"hr": [file.name if root.is_file() else file.relative_to(root).as_posix()]},
            }
            split = "val" if held_out[row, column] else "train"
            found.append(SceneSource(f"{name}/r{row:03d}-c{column:03d}{when}", split, roles, "series", meta))
    return found


def _grid(size: tuple[int, int], recipe: Surrogate, file: Path) -> tuple[int, Grid]:
    """The side of the tiles, and how many fit."""
    step = int(np.lcm(TILE_MULTIPLE, recipe.scale))
    side = min(recipe.tile_px, *size) // step * step
    while side - step >= MIN_TILE_PX and (size[0] // side) * (size[1] // side) < MIN_TILES:
        side -= step
    if side < min(MIN_TILE_PX, recipe.tile_px) or (size[0] // side) * (size[1] // side) < 2:
        raise SatsrError(f"{file} is {size[0]} x {size[1]}: too small for a tile to train with and one to validate.")
    return side, (size[0] // side, size[1] // side)


def _extent(file: Path) -> tuple[int, tuple[int, int]]:
    """Number of dates, and the size in pixels."""
    if file.suffix.lower() in TIFF:
        return 1, raster_size(file)
    array = _array(file)
    return array.shape[0], (array.shape[1], array.shape[2])


def _usable(file: Path, grid: Grid, side: int) -> npt.NDArray[np.bool_]:
    """The tiles without nodata, judged by some of their pixels."""
    if file.suffix.lower() not in TIFF:
        array = _array(file)[:, : grid[0] * side, : grid[1] * side]
        empty = (array == 0).all(axis=3) | ~np.isfinite(array).all(axis=3)
        parts = empty.reshape(len(array), grid[0], side, grid[1], side)
        return np.asarray(~parts.any(axis=(0, 2, 4)))
    size = raster_size(file)
    band, nodata = thumbnail(file, (grid[0] * SAMPLES, grid[1] * SAMPLES))
    empty = (band == (0 if nodata is None else nodata)) | ~np.isfinite(band)
    usable = np.ones(grid, dtype=bool)
    for y, x in np.argwhere(empty):
        row = int((y + 0.5) * size[0] / band.shape[0]) // side
        column = int((x + 0.5) * size[1] / band.shape[1]) // side
        if row < grid[0] and column < grid[1]:
            usable[row, column] = False
    return usable


def _tile(file: Path, moment: int, window: Window) -> np.ndarray:
    if file.suffix.lower() in TIFF:
        return as_dn(read_raster(file, "rgb", window), str(file))
    top, left, height, width = window
    array = _array(file)[moment, top : top + height, left : left + width]
    bands = rgb_bands(array.shape[2], [], str(file))
    return as_dn(np.ascontiguousarray(array[..., list(bands)]), str(file))


def _surrogate(load: partial[np.ndarray], recipe: Surrogate, place: tuple[int, ...]) -> np.ndarray:
    return downscale_frame(
        load(),
        recipe.scale,
        blur_sigma=recipe.blur_sigma,
        noise_sigma=recipe.noise_sigma,
        rng=generator(recipe.seed, "surrogate", *place),
    )


@lru_cache(maxsize=2)
def _array(file: Path) -> np.ndarray:
    """The imagery of a NumPy archive as (T, H, W, C).

    Raises:
        SatsrError: the archive is damaged, or it cannot be told which of its arrays is meant.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            names = [name for name in KNOWN_ARRAYS if name in archive.files] or archive.files
            arrays = {name: archive[name] for name in names}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise SatsrError(f"{file} cannot be read as a NumPy archive ({error}).") from None
    images = {name: array for name, array in arrays.items() if array.ndim in (3, 4) and array.dtype.kind in "uif"}
    if len(images) != 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise SatsrError(
            f"{file} holds {found}: expected one array of imagery, (H, W, C), (C, H, W) or (T, H, W, C), "
            f"or one called {' or '.join(KNOWN_ARRAYS)}."
        )
    array = np.asarray(*images.values())
    if array.ndim == 3:
        array = (array if array.shape[2] < array.shape[0] else np.moveaxis(array, 0, 2))[None]
    return array
