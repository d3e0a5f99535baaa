"""Time series of one's own, and of the embedded scenes: a folder a scene, images named by their date.

::

    [train|val]/<scene>/lr/2018-05-03.tif      two or more dates, each a raster with red, green and blue
                        hr/2018-05-14.tif      one finer image
                        cloud/2018-05-03.png   optional: non-zero where clouds or their shadows hide the ground
                        scene.json             optional: anything else that is known about the scene

A date stands somewhere in each name as ``2018-05-03`` or ``20180503`` (so the names of Sentinel-2 products do), and
images of one scene share one grid: ``hr`` has a whole multiple of ``lr``'s pixels.

Since processing baseline 04.00 (January 2022) Sentinel-2's numbers are 1000 too large. The names of products tell
(``S2A_MSIL2A_20220603T105631_N0400_...``), and it is taken off. Where names were changed, ``scene.json`` may say
``{"add_offset": -1000}``, or a list with a number for each date of ``lr``, and the dataset card ``options: {offset:
-1000}`` for all scenes; 0 says that it has been taken off already.
"""

import json
import re
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np

from satsr.convert.layouts.source import SPLITS, SceneSource
from satsr.errors import SatsrError, listed
from satsr.files import files_below
from satsr.imagery.frame import Frame
from satsr.imagery.rasters import SUFFIXES, add_offset, as_dn, read_raster, shifted

DATE = re.compile(r"(?<!\d)(\d{4})([-_]?)(\d{2})\2(\d{2})(?!\d)")
ROLES = ("lr", "hr", "cloud")
REFLECTANCE = 10000
"""Sentinel-2's number for a reflectance of 1; an offset is a part of it."""


def series(root: Path, offset: int | None = None) -> list[SceneSource]:
    """The scenes of a folder: every folder that has both ``lr`` and ``hr``, at any depth; ``root`` may be one itself.

    Roles: ``lr`` (T) and ``hr`` (1), native type, (H, W, 3); ``cloud`` (T), (H, W) uint8, 255 where hidden. Meta:
    ``dates`` of lr, ascending, ``target_date`` of hr, ``days`` (signed, from hr to each lr), ``origin``, what
    ``scene.json`` says, and ``add_offset``, what was added to each lr, where it is known.

    Args:
        root: the folder.
        offset: what is to be added to the numbers of ``lr`` in all scenes; ``scene.json``, then the names of products
            decide by default.

    Raises:
        SatsrError: names without a date, dates twice, masks that do not pair up, an offset that is no whole number
            (all are listed).
    """
    found: list[SceneSource] = []
    problems: list[str] = []
    for folder in sorted({file.parent.parent for file in _images(root) if file.parent.name == "lr"}):
        try:
            found.append(_scene(root, folder, offset))
        except SatsrError as error:
            problems.append(str(error))
    if problems:
        raise SatsrError(listed(f"the series in {root} are not complete", problems))
    return found


def date_in(name: str) -> date | None:
    """The first date that stands in a file's name, if any."""
    for match in DATE.finditer(name):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
    return None


def load_rgb(path: Path, offset: int | None = None) -> np.ndarray:
    """Red, green and blue, (H, W, 3): integers plus ``offset``, floats as reflectance times 10000.

    Raises:
        SatsrError: the file is damaged, or has no such bands.
    """
    return as_dn(shifted(read_raster(path, "rgb"), offset), str(path))


def load_mask(path: Path) -> np.ndarray:
    """A mask of one band as (H, W) uint8, 255 where the file is not zero.

    Raises:
        SatsrError: the file is damaged, or has several bands.
    """
    mask = read_raster(path)
    if mask.shape[2] != 1:
        raise SatsrError(f"{path} has {mask.shape[2]} bands: a mask has one.")
    return np.where(mask[..., 0] != 0, 255, 0).astype(np.uint8)


def _images(root: Path) -> list[Path]:
    return [file for file in files_below(root) if file.suffix.lower() in SUFFIXES]


def _scene(root: Path, folder: Path, offset: int | None) -> SceneSource:
    files = {role: _dated(folder / role) for role in ROLES}
    missing = [role for role in ("lr", "hr") if not files[role]]
    if missing or len(files["hr"]) > 1:
        raise SatsrError(
            f"{folder} needs one image in hr/ and some in lr/, found {len(files['hr'])} and {len(files['lr'])}"
        )
    if files["cloud"] and set(files["cloud"]) != set(files["lr"]):
        odd = sorted(str(day) for day in set(files["cloud"]) ^ set(files["lr"]))
        raise SatsrError(f"{folder} has images without masks or masks without images: {', '.join(odd)}")
    (target,) = files["hr"]
    place = folder.relative_to(root).parts
    split = next((SPLITS[part.lower()] for part in place if part.lower() in SPLITS), None)
    name = PurePosixPath(*(part for part in place if part.lower() not in SPLITS)).as_posix()
    facts = _facts(folder / "scene.json")
    named = {role: [add_offset(_place(root, path)) for path in files[role].values()] for role in ("lr", "hr")}
    offsets = named | {"lr": _offsets(folder, facts.get("add_offset") if offset is None else offset, named["lr"])}
    roles: dict[str, Sequence[Frame]] = {
        role: [
            Frame(str(path), partial(load_rgb, path, offset))
            for path, offset in zip(files[role].values(), offsets[role], strict=True)
        ]
        for role in ("lr", "hr")
    }
    if files["cloud"]:
        roles["cloud"] = [Frame(str(path), partial(load_mask, path)) for path in files["cloud"].values()]
    meta = {
        **facts,
        **({"add_offset": offsets["lr"]} if any(number is not None for number in offsets["lr"]) else {}),
        "dates": [str(day) for day in files["lr"]],
        "target_date": str(target),
        "days": [(day - target).days for day in files["lr"]],
        "origin": {
            role: [path.relative_to(root).as_posix() for path in dated.values()]
            for role, dated in files.items()
            if dated
        },
    }
    return SceneSource(folder.resolve().name if name == "." else name, split, roles, "series", meta)


def _place(root: Path, path: Path) -> PurePath:
    """Where a file lies, from the folder that the user named on: what lies above it says nothing about the data."""
    return PurePath(root.resolve().name, path.relative_to(root))


def _offsets(folder: Path, said: Any, named: list[int | None]) -> list[int | None]:
    """What is to be added to each image: what was said, one number for all or one for each, or what the names tell.

    Raises:
        SatsrError: something else was said.
    """
    if said is None:
        return named
    each = said if isinstance(said, list) else [said] * len(named)
    if len(each) != len(named) or not all(type(number) is int and abs(number) <= REFLECTANCE for number in each):
        raise SatsrError(
            f"{folder}: add_offset is {said!r}, expected a whole number such as -1000, or a list of {len(named)}, one "
            "for each date"
        )
    return each


def _dated(folder: Path) -> dict[date, Path]:
    """The images of a folder by their date, ascending; none for a folder that is not there.

    Raises:
        SatsrError: a name without a date, or a date twice.
    """
    dated: dict[date, Path] = {}
    for file in sorted(_images(folder)) if folder.is_dir() else []:
        day = date_in(file.name)
        if day is None:
            raise SatsrError(f"{file} has no date in its name, such as 2018-05-03")
        if day in dated:
            raise SatsrError(f"{file} and {dated[day].name} are of one date: keep one of them")
        dated[day] = file
    return dict(sorted(dated.items()))


def _facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SatsrError(f"{path} is not valid JSON ({error})") from None
    if not isinstance(facts, dict):
        raise SatsrError(f"{path} holds {type(facts).__name__}, not keys and values")
    return facts
