"""Single scenes cut into tiles; whole places, or strips of one, train, validate and test.

Scenes are what :mod:`satsr.convert.ground.sources` reads: rasters, Sentinel-2 products and NumPy archives. Scenes of
overlapping ground, such as two dates of one product's tile, are one place (:mod:`satsr.convert.ground.places`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from satsr.config.data import Held
from satsr.convert.ground import places
from satsr.convert.ground.shares import Shares
from satsr.convert.ground.sources import Source, Window, scene_array, source
from satsr.errors import SatsrError, problems
from satsr.imagery import bands, sentinel2

MIN_TILES = 5
MIN_TILE_PX = 48
SAMPLES = 16
"""So many pixels along each side of a tile are looked at for nodata."""
Grid = tuple[int, int]


class Tiles(Held):
    """How a scene is cut.

    Attributes:
        tile_px: side of a tile in high-resolution pixels; smaller where a scene would give fewer than five tiles.
        seed: of all that is drawn.
        offset: what is added to the numbers of Sentinel-2 files; by default what the product's metadata or name say.
        mixed_baselines: products may be of several processing baselines.
    """

    tile_px: int = Field(128, ge=16)
    seed: int = Field(0, ge=0)
    offset: int | None = Field(None, ge=-10000, le=10000)
    mixed_baselines: bool | None = None


Settings = TypeVar("Settings", bound=BaseModel)


class Tile(NamedTuple):
    """A part of a scene.

    Attributes:
        source: the scene.
        place: numbers of file, date, row and column, from which its random draws come.
        window: (top, left, height, width) in pixels.
        name: of the scene and the place.
        split: ``train``, ``val`` or ``test``.
        why: a clause that says how it came into its split.
    """

    source: Source
    place: tuple[int, int, int, int]
    window: Window
    name: str
    split: str = "train"
    why: str = ""

    @property
    def file(self) -> Path:
        """Of the scene."""
        return self.source.file

    def numbers(self, wanted: Sequence[str] = bands.RGB) -> np.ndarray:
        """The tile in some of its bands: :meth:`satsr.convert.ground.sources.Source.numbers`."""
        return self.source.numbers(wanted, self.window, self.place[1])


def parsed(model: type[Settings], options: Mapping[str, Any], what: str = "a surrogate") -> Settings:
    """The options of a dataset card, checked; ``what`` they are of is said when they are wrong.

    Raises:
        SatsrError: an unknown option or a wrong value; all are named.
    """
    try:
        return model(**options)
    except ValidationError as error:
        found, known = "; ".join(problems(error, model=model)), ", ".join(model.model_fields)
        raise SatsrError(f"the options of {what} are {known}, but in the dataset card {found}.") from None


def tiles(
    root: Path, files: Sequence[Path], settings: Tiles, multiple: int, wanted: Sequence[str] = bands.RGB
) -> list[Tile]:
    """The tiles of some scenes that have data, each place in one split on all dates.

    Args:
        root: what names count from.
        files: the scenes.
        settings: how they are cut.
        multiple: sides are multiples of this.
        wanted: bands that a product must have.

    Raises:
        SatsrError: a scene that is damaged, scenes too few or too small for tiles in three splits, or products of
            several baselines.
    """
    sentinel2.require_one_baseline([file for file in files if sentinel2.is_product(file)], settings.mixed_baselines)
    scenes = [source(root, file, wanted, settings.offset) for file in files]
    cut = [_tiles(root, scene, settings, number, multiple) for number, scene in enumerate(scenes)]
    windows = [[tile.window for tile in found] for found in cut]
    shares = Shares(settings.val_share, settings.test_share)
    assigned = places.assigned(scenes, windows, shares, settings.seed)
    return [
        tile._replace(split=known.split, why=known.why)
        for found, splits in zip(cut, assigned, strict=True)
        for tile, known in zip(found, splits, strict=True)
        if known.split is not None
    ]


def tile_facts(root: Path, tile: Tile, settings: Tiles) -> dict[str, Any]:
    """What is recorded about what was made of a tile: ``window``, ``degradation``, ``origin``, ``add_offset``."""
    origin = tile.file.name if tile.file == root else tile.file.relative_to(root).as_posix()
    known = {} if tile.source.offset is None else {"add_offset": tile.source.offset}
    return {
        "window": list(tile.window),
        "degradation": settings.model_dump(exclude_none=True),
        "origin": {"hr": [origin]},
        **known,
    }


def _tiles(root: Path, scene: Source, settings: Tiles, number: int, multiple: int) -> list[Tile]:
    file = scene.file
    dates, size = scene.extent()
    side, grid = _grid(size, settings.tile_px, multiple, file)
    usable = _usable(scene, size, grid, side)
    inside = PurePath(root.resolve().name) if file == root else file.relative_to(root)
    name = inside.with_suffix("").as_posix()
    return [
        Tile(
            scene,
            (number, moment, row, column),
            (row * side, column * side, side, side),
            f"{name}/r{row:03d}-c{column:03d}" + (f"-t{moment:03d}" if dates > 1 else ""),
        )
        for row, column in np.argwhere(usable).tolist()
        for moment in range(dates)
    ]


def _grid(size: tuple[int, int], tile_px: int, multiple: int, file: Path) -> tuple[int, Grid]:
    """The side of the tiles, and how many fit."""
    side = min(tile_px, *size) // multiple * multiple
    while side - multiple >= MIN_TILE_PX and (size[0] // side) * (size[1] // side) < MIN_TILES:
        side -= multiple
    if side < min(MIN_TILE_PX, tile_px) or (size[0] // side) * (size[1] // side) < 1:
        raise SatsrError(
            f"{file} is {size[0]} x {size[1]}: too small for tiles to train, validate and test with. Give a larger "
            "scene, or set the option tile_px lower."
        )
    return side, (size[0] // side, size[1] // side)


def _usable(scene: Source, size: tuple[int, int], grid: Grid, side: int) -> npt.NDArray[np.bool_]:
    """The tiles without nodata, judged by some of their pixels."""
    if scene.is_array:
        array = scene_array(scene.file)[:, : grid[0] * side, : grid[1] * side]
        empty = (array == 0).all(axis=3) | ~np.isfinite(array).all(axis=3)
        parts = empty.reshape(len(array), grid[0], side, grid[1], side)
        return np.asarray(~parts.any(axis=(0, 2, 4)))
    band, nodata = scene.thumbnail((grid[0] * SAMPLES, grid[1] * SAMPLES))
    empty = (band == (0 if nodata is None else nodata)) | ~np.isfinite(band)
    usable = np.ones(grid, dtype=bool)
    for y, x in np.argwhere(empty):
        row = int((y + 0.5) * size[0] / band.shape[0]) // side
        column = int((x + 0.5) * size[1] / band.shape[1]) // side
        if row < grid[0] and column < grid[1]:
            usable[row, column] = False
    return usable
