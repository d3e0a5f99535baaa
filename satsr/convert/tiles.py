"""Single scenes cut into tiles, those to train with and those to validate with in different blocks of the scene.

Reads GeoTIFF and JPEG 2000 rasters and NumPy archives (``im10`` of DSen2, ``reference_scenes`` of eo-learn, or any
single array).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from satsr.errors import SatsrError, problems
from satsr.imagery.rasters import (
    TIFF,
    Window,
    add_offset,
    as_dn,
    raster_size,
    read_raster,
    rgb_bands,
    shifted,
    thumbnail,
)
from satsr.seeds import generator

KNOWN_ARRAYS = ("im10", "reference_scenes")
MIN_TILES = 5
MIN_TILE_PX = 48
SAMPLES = 16
"""So many pixels along each side of a tile are looked at for nodata."""
Grid = tuple[int, int]


class Tiles(BaseModel):
    """How a scene is cut.

    Attributes:
        tile_px: side of a tile in high-resolution pixels; smaller where a scene would give fewer than five tiles.
        val_share: share of the blocks that validate.
        seed: of all that is drawn.
        offset: what is added to the numbers of Sentinel-2 files; by default what the product's name says
            (:func:`satsr.imagery.rasters.add_offset`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    tile_px: int = Field(128, ge=16)
    val_share: float = Field(0.2, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    offset: int | None = Field(None, ge=-10000, le=10000)


Recipe = TypeVar("Recipe", bound=BaseModel)


class Tile(NamedTuple):
    """A part of a scene.

    Attributes:
        file: of the scene.
        place: numbers of file, date, row and column, from which its random draws come.
        window: (top, left, height, width) in pixels.
        name: of the scene and the place.
        held_out: whether it validates.
        offset: what is added to the file's numbers, None if it is not known.
    """

    file: Path
    place: tuple[int, int, int, int]
    window: Window
    name: str
    held_out: bool
    offset: int | None

    @property
    def split(self) -> str:
        """``train`` or ``val``."""
        return "val" if self.held_out else "train"

    def numbers(self, bands: tuple[int, ...] | Literal["rgb"]) -> np.ndarray:
        """The tile in some of its bands, (H, W, C), as digital numbers (reflectance times 10000).

        Raises:
            SatsrError: the file is damaged, or has no such bands or values.
        """
        where = str(self.file)
        if self.file.suffix.lower() in TIFF:
            return as_dn(shifted(read_raster(self.file, bands, self.window), self.offset), where)
        top, left, height, width = self.window
        array = scene_array(self.file)[self.place[1], top : top + height, left : left + width]
        chosen = rgb_bands(array.shape[2], [], where) if bands == "rgb" else bands
        return as_dn(shifted(np.ascontiguousarray(array[..., list(chosen)]), self.offset), where)


def parsed(model: type[Recipe], options: Mapping[str, Any], what: str = "a surrogate") -> Recipe:
    """The options of a dataset card, checked; ``what`` they are of is said when they are wrong.

    Raises:
        SatsrError: an unknown option or a wrong value; all are named.
    """
    try:
        return model(**options)
    except ValidationError as error:
        found, known = "; ".join(problems(error)), ", ".join(model.model_fields)
        raise SatsrError(f"the options of {what} are {known}, but in the dataset card {found}.") from None


def imagery(files: Sequence[Path]) -> list[Path]:
    """Those files that may be scenes."""
    return [file for file in files if file.suffix.lower() in (*TIFF, ".npz")]


def tiles(root: Path, files: Sequence[Path], recipe: Tiles, multiple: int) -> list[Tile]:
    """All tiles of some scenes that have data, each place in one split on all dates.

    Args:
        root: what names count from.
        files: the scenes.
        recipe: how they are cut.
        multiple: sides are multiples of this.

    Raises:
        SatsrError: a scene that is damaged, or too small for tiles in both splits.
    """
    return [tile for number, file in enumerate(files) for tile in _tiles(root, file, recipe, number, multiple)]


def tile_facts(root: Path, tile: Tile, recipe: Tiles) -> dict[str, Any]:
    """What is recorded about what was made of a tile: ``window``, ``degradation``, ``origin``, ``add_offset``."""
    origin = tile.file.name if root.is_file() else tile.file.relative_to(root).as_posix()
    known = {} if tile.offset is None else {"add_offset": tile.offset}
    return {
        "window": list(tile.window),
        "degradation": recipe.model_dump(exclude_none=True),
        "origin": {"hr": [origin]},
        **known,
    }


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


@lru_cache(maxsize=2)
def scene_array(file: Path) -> np.ndarray:
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


def _tiles(root: Path, file: Path, recipe: Tiles, number: int, multiple: int) -> list[Tile]:
    dates, size = _extent(file)
    side, grid = _grid(size, recipe.tile_px, multiple, file)
    held_out = split_blocks(grid, recipe.val_share, generator(recipe.seed, "blocks", number))
    usable = _usable(file, grid, side)
    if not (usable & held_out).any() or not (usable & ~held_out).any():
        raise SatsrError(f"{file} has {usable.sum()} tiles of {side} pixels with data: too few to train and validate.")
    inside = PurePath(file.name) if root.is_file() else PurePath(file.relative_to(root))
    name = inside.with_suffix("").as_posix()
    offset = add_offset(PurePath(root.resolve().name, inside)) if recipe.offset is None else recipe.offset
    return [
        Tile(
            file,
            (number, moment, row, column),
            (row * side, column * side, side, side),
            f"{name}/r{row:03d}-c{column:03d}" + (f"-t{moment:03d}" if dates > 1 else ""),
            bool(held_out[row, column]),
            offset,
        )
        for row, column in np.argwhere(usable).tolist()
        for moment in range(dates)
    ]


def _grid(size: tuple[int, int], tile_px: int, multiple: int, file: Path) -> tuple[int, Grid]:
    """The side of the tiles, and how many fit."""
    side = min(tile_px, *size) // multiple * multiple
    while side - multiple >= MIN_TILE_PX and (size[0] // side) * (size[1] // side) < MIN_TILES:
        side -= multiple
    if side < min(MIN_TILE_PX, tile_px) or (size[0] // side) * (size[1] // side) < 2:
        raise SatsrError(f"{file} is {size[0]} x {size[1]}: too small for a tile to train with and one to validate.")
    return side, (size[0] // side, size[1] // side)


def _extent(file: Path) -> tuple[int, tuple[int, int]]:
    """Number of dates, and the size in pixels."""
    if file.suffix.lower() in TIFF:
        return 1, raster_size(file)
    array = scene_array(file)
    return array.shape[0], (array.shape[1], array.shape[2])


def _usable(file: Path, grid: Grid, side: int) -> npt.NDArray[np.bool_]:
    """The tiles without nodata, judged by some of their pixels."""
    if file.suffix.lower() not in TIFF:
        array = scene_array(file)[:, : grid[0] * side, : grid[1] * side]
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
