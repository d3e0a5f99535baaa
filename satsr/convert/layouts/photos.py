"""Folders of 8-bit photographs (aerial images, or any others), cut into tiles that become their own targets.

The single-image experiments of Remote-Sensing-SRGAN begin on such images (its ``cv_dataset``: specification of SRGAN,
section 1.8).
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from satsr.convert.ground.sources import Window
from satsr.convert.ground.tiles import parsed, split_blocks
from satsr.convert.layouts.source import Frame, SceneSource, split_of
from satsr.degrade import downscale_frame
from satsr.errors import SatsrError, listed
from satsr.files import files_below, natural
from satsr.imagery.images import SUFFIXES, Header, read_bytes, read_header, read_rgb
from satsr.seeds import generator

MIN_PHOTOS = 5
"""From so many photographs on, whole ones validate; of fewer, parts of each."""


class Cutting(BaseModel):
    """How pairs are made of photographs.

    Attributes:
        scale: high-resolution side over low-resolution side.
        tile_px: side of a tile, in pixels of the photograph; photographs smaller than that are left out.
        crop: ``tiles``: as many disjoint tiles as fit. ``centre``: one, the central square resized to ``tile_px``, as
            the authors do.
        shrink: ``bilinear`` without antialiasing, as the authors', or the antialiased ``cubic``.
        val_share: share of the photographs, or of the blocks of each, that validates.
        val_count: that many photographs, the last by name, validate instead; the authors' 200.
        skip_others: leave out files that are no 8-bit RGB images instead of refusing them.
        seed: of the choice of blocks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scale: int = Field(4, ge=2, le=8)
    tile_px: int = Field(128, ge=16)
    crop: Literal["tiles", "centre"] = "tiles"
    shrink: Literal["bilinear", "cubic"] = "bilinear"
    val_share: float = Field(0.2, gt=0, lt=1)
    val_count: int | None = Field(None, ge=1)
    skip_others: bool = False
    seed: int = Field(0, ge=0)

    @field_validator("tile_px")
    @classmethod
    def _shrinkable(cls, tile_px: int, known: ValidationInfo) -> int:
        if tile_px % known.data.get("scale", 1):
            raise ValueError("must be a multiple of the scale")
        return tile_px


def photos(root: Path, **options: Any) -> list[SceneSource]:
    """Tiles of the PNG, JPEG and TIFF files in ``root`` with their shrunk copies.

    Folders called train and val (or test...) are the splits. Without them, the last photographs by name validate if
    there are five or more, else blocks of 2 x 2 tiles of each; a place is in one split only.

    Roles: ``hr`` (1) uint8 (tile_px, tile_px, 3), ``lr`` (1) of a ``scale``-th of the size. Meta: ``window`` (top,
    left, height, width in the photograph), ``degradation``, ``origin``.

    Args:
        root: the folder.
        options: of :class:`Cutting`, where they differ from the defaults.

    Raises:
        SatsrError: unknown options, files that are not 8-bit RGB (all are listed), or too few tiles for both splits.
    """
    settings = parsed(Cutting, options, "photographs")
    found = _headers(root, settings)
    files = [file for file in found if min(found[file].height, found[file].width) >= _smallest(settings)]
    if not files:
        raise SatsrError(
            f"none of the {len(found)} photographs in {root} holds a tile of {settings.tile_px} pixels: lower tile_px."
        )
    named = {file: split_of(file.relative_to(root).parts[:-1]) for file in files}
    if "train" not in named.values() and len(files) >= MIN_PHOTOS:
        held = min(settings.val_count or max(1, round(len(files) * settings.val_share)), len(files) - 1)
        named = {file: "val" if file in files[-held:] else "train" for file in files}
    scenes: list[SceneSource] = []
    for number, file in enumerate(files):
        split = named[file] or generator(settings.seed, "blocks", number)
        scenes += _tiles(root, file, found[file], settings, split)
    if {scene.split for scene in scenes} == {"val"} or "val" not in {scene.split for scene in scenes}:
        raise SatsrError(f"{root} gives {len(scenes)} tiles, too few to train and to validate: set tile_px lower.")
    return scenes


def _headers(root: Path, settings: Cutting) -> dict[Path, Header]:
    """The photographs in natural order, with what their files say about themselves."""
    files = [file for file in files_below(root) if file.suffix.lower() in SUFFIXES]
    found: dict[Path, Header] = {}
    problems = []
    for file in sorted(files, key=lambda file: natural(file.relative_to(root).as_posix())):
        try:
            header = read_header(read_bytes(file), str(file))
        except SatsrError as error:
            problems.append(str(error))
            continue
        if (header.colour, header.bits) == ("RGB", 8):
            found[file] = header
        else:
            problems.append(f"{file} is {header.bits}-bit {header.colour}")
    if problems and not settings.skip_others:
        raise SatsrError(
            listed("photographs must be 8-bit RGB", problems) + "\nRemove these, or set skip_others in the card."
        )
    return found


def _smallest(settings: Cutting) -> int:
    return settings.tile_px if settings.crop == "tiles" else settings.tile_px // 2


def _tiles(
    root: Path, file: Path, header: Header, settings: Cutting, split: str | np.random.Generator
) -> list[SceneSource]:
    """The scenes of one photograph: all of one split, or in blocks that are drawn."""
    if settings.crop == "centre":
        side = min(header.height, header.width)
        windows = {"": ((header.height - side) // 2, (header.width - side) // 2, side, side)}
        grid = (1, 1)
    else:
        side = settings.tile_px
        grid = (header.height // side, header.width // side)
        windows = {
            f"/r{row:03d}-c{column:03d}": (row * side, column * side, side, side) for row, column in np.ndindex(*grid)
        }
    if isinstance(split, str):
        splits = [split] * len(windows)
    elif len(windows) == 1:
        splits = ["train"]
    else:
        splits = ["val" if held else "train" for held in split_blocks(grid, settings.val_share, split).ravel()]
    place = file.relative_to(root)
    name = Path(*(part for part in place.parts if not split_of([part]))).as_posix()
    scenes: list[SceneSource] = []
    for (suffix, window), part in zip(windows.items(), splits, strict=True):
        high = partial(_tile, file, window, settings.tile_px)
        origin = f"{file} at {window}"
        roles = {"hr": [Frame(origin, high)], "lr": [Frame(origin, partial(_shrunk, high, settings))]}
        meta = {
            "window": list(window),
            "degradation": settings.model_dump(exclude_none=True),
            "origin": {"hr": [place.as_posix()], "lr": [place.as_posix()]},
        }
        scenes.append(SceneSource(f"{name}{suffix}", part, dict(roles), "series", meta))
    return scenes


def _tile(file: Path, window: Window, side: int) -> np.ndarray:
    top, left, height, width = window
    part = np.ascontiguousarray(_photo(file)[top : top + height, left : left + width])
    if height == side:
        return part
    method = cv2.INTER_AREA if height > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (side, side), interpolation=method))


@lru_cache(maxsize=2)
def _photo(file: Path) -> np.ndarray:
    return read_rgb(file)


def _shrunk(load: partial[np.ndarray], settings: Cutting) -> np.ndarray:
    image = load()
    if settings.shrink == "cubic":
        return downscale_frame(image, settings.scale)
    side = settings.tile_px // settings.scale
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR))
