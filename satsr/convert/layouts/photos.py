"""Folders of 8-bit photographs (aerial images, or any others), cut into tiles that become their own targets.

The single-image experiments of Remote-Sensing-SRGAN begin on such images (its ``cv_dataset``: specification of SRGAN,
section 1.8).
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from satsr.config.data import Held
from satsr.convert.ground.places import STRIPS
from satsr.convert.ground.shares import HELD, Shares, in_rows, share_out
from satsr.convert.ground.sources import Window
from satsr.convert.ground.tiles import parsed
from satsr.convert.layouts.source import Frame, SceneSource, split_of
from satsr.degrade import downscale_frame
from satsr.errors import SatsrError, listed
from satsr.files import files_below, natural
from satsr.imagery.images import SUFFIXES, Header, read_bytes, read_header, read_rgb


class Cutting(Held):
    """How pairs are made of photographs.

    Attributes:
        scale: high-resolution side over low-resolution side.
        tile_px: side of a tile, in pixels of the photograph; photographs smaller than that are left out.
        crop: ``tiles``: as many disjoint tiles as fit. ``centre``: one, the central square resized to ``tile_px``, as
            the authors do.
        shrink: ``bilinear`` without antialiasing, as the authors', or the antialiased ``cubic``.
        val_count: that many photographs, the last by name, validate instead; the authors' 200. As many before them
            test.
        skip_others: leave out files that are no 8-bit RGB images instead of refusing them.
    """

    scale: int = Field(4, ge=2, le=8)
    tile_px: int = Field(128, ge=16)
    crop: Literal["tiles", "centre"] = "tiles"
    shrink: Literal["bilinear", "cubic"] = "bilinear"
    val_count: int | None = Field(None, ge=1)
    skip_others: bool = False

    @field_validator("tile_px")
    @classmethod
    def _shrinkable(cls, tile_px: int, known: ValidationInfo) -> int:
        if tile_px % known.data.get("scale", 1):
            raise ValueError("must be a multiple of the scale")
        return tile_px


def photos(root: Path, **options: Any) -> list[SceneSource]:
    """Tiles of the PNG, JPEG and TIFF files in ``root`` with their shrunk copies.

    Folders called train, val and test are the splits; what is missing is taken from the photographs that train: the
    last by name test, and those before them validate if there are five or more; of fewer, strips of tiles of each that
    trains validate, and strips of a single one test as well.

    Roles: ``hr`` (1) uint8 (tile_px, tile_px, 3), ``lr`` (1) of a ``scale``-th of the size. Meta: ``window`` (top,
    left, height, width in the photograph), ``degradation``, ``origin``.

    Args:
        root: the folder.
        options: of :class:`Cutting`, where they differ from the defaults.

    Raises:
        SatsrError: unknown options, files that are not 8-bit RGB (all are listed), or too few tiles for three splits.
    """
    settings = parsed(Cutting, options, "photographs")
    found = _headers(root, settings)
    files = [file for file in found if min(found[file].height, found[file].width) >= _smallest(settings)]
    if not files:
        raise SatsrError(
            f"none of the {len(found)} photographs in {root} holds a tile of {settings.tile_px} pixels: lower tile_px."
        )
    splits = _splits(root, files, settings)
    scenes = [scene for file in files for scene in _tiles(root, file, found[file], settings, *splits[file])]
    missing = sorted({"train", *HELD} - {scene.split for scene in scenes})
    if missing:
        raise SatsrError(
            f"{root} gives {len(scenes)} tiles of {len(files)} photographs, too few for {' and '.join(missing)}: add "
            "photographs, or set tile_px lower."
        )
    return scenes


def _splits(root: Path, files: Sequence[Path], settings: Cutting) -> dict[Path, tuple[str, str, frozenset[str]]]:
    """The split of each photograph, why, and what is cut out of it."""
    nothing: frozenset[str] = frozenset()
    named = {file: split_of(file.relative_to(root).parts[:-1]) or "train" for file in files}
    found = {file: (split, "", nothing) for file, split in named.items()}
    pool = [file for file in files if named[file] == "train"]
    missing = [split for split in HELD if split not in named.values()]
    if not pool or not missing:
        return found
    if settings.val_count and len(missing) == len(HELD):
        return _last(pool, settings.val_count)
    plan = share_out(len(pool), missing, Shares(settings.val_share, settings.test_share), "photograph")
    for file, split in zip(pool, plan.whole, strict=True):
        why = f"{plan.whole.count(split)} of {len(pool)} photographs, in the order of their names"
        found[file] = (split, why, plan.within if split == "train" else nothing)
    return found


def _last(files: Sequence[Path], count: int) -> dict[Path, tuple[str, str, frozenset[str]]]:
    """So many photographs by name validate, as many before them test.

    Raises:
        SatsrError: none would be left to train.
    """
    train = len(files) - 2 * count
    if train < 1:
        raise SatsrError(
            f"{len(files)} photographs are too few to validate on {count} of them and to test on as many: add "
            "photographs, or set val_count lower in the dataset card."
        )
    plan = (
        *[("train", "the first photographs by name")] * train,
        *[("test", f"{count} photographs, the last by name before those that validate")] * count,
        *[("val", f"the last {count} photographs by name, as the authors'")] * count,
    )
    return {file: (split, why, frozenset()) for file, (split, why) in zip(files, plan, strict=True)}


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
    root: Path, file: Path, header: Header, settings: Cutting, split: str, why: str, within: frozenset[str]
) -> list[SceneSource]:
    """The scenes of one photograph: all of one split, or strips of it where there are tiles enough."""
    if settings.crop == "centre":
        side = min(header.height, header.width)
        windows = {"": ((header.height - side) // 2, (header.width - side) // 2, side, side)}
    else:
        side = settings.tile_px
        grid = (header.height // side, header.width // side)
        windows = {
            f"/r{row:03d}-c{column:03d}": (row * side, column * side, side, side) for row, column in np.ndindex(*grid)
        }
    strips = within and in_rows(
        [window[:2] for window in windows.values()], Shares(settings.val_share, settings.test_share), within
    )
    splits = strips or [split] * len(windows)
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
        if part is not None:
            reason = STRIPS[part] if strips else why
            scenes.append(SceneSource(f"{name}{suffix}", part, dict(roles), "series", meta, reason))
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
