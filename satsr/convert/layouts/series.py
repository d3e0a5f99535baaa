"""Time series of one's own, and of the embedded scenes: a folder a scene, images named by their date.

::

    [train|val|test]/<scene>/lr/2018-05-03.tif      two or more dates, each a raster with red, green, blue, or a product
                             hr/2018-05-14.tif      one finer image
                             cloud/2018-05-03.png   optional: non-zero where clouds or their shadows hide the ground
                             scene.json             optional: anything else that is known about the scene

A date stands somewhere in each name as ``2018-05-03`` or ``20180503`` (so the names of Sentinel-2 products do), and
images of one scene share one grid: ``hr`` has a whole multiple of ``lr``'s pixels.

Since processing baseline 04.00 (January 2022) Sentinel-2's numbers are 1000 too large. The metadata of products (.SAFE
folders and zips) tell, or else names (``S2A_MSIL2A_20220603T105631_N0400_...``), and it is taken off. Where names were
changed, ``scene.json`` may say ``{"add_offset": -1000}``, or a list with a number for each date of ``lr``, and the
dataset card ``options: {offset: -1000}`` for all scenes; 0 says that it has been taken off already.
"""

import json
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from satsr.convert.ground.sources import below, is_image, load_mask, source
from satsr.convert.layouts.source import SPLITS, Frame, SceneSource
from satsr.errors import SatsrError, listed
from satsr.imagery import bands, sentinel2
from satsr.imagery.dates import date_in

ROLES = ("lr", "hr", "cloud")
REFLECTANCE = 10000
"""Sentinel-2's number for a reflectance of 1; an offset is a part of it."""


def series(root: Path, offset: int | None = None, mixed_baselines: bool = False) -> list[SceneSource]:
    """The scenes of a folder: every folder that has both ``lr`` and ``hr``, at any depth; ``root`` may be one itself.

    Roles: ``lr`` (T) and ``hr`` (1), native type, (H, W, 3); ``cloud`` (T), (H, W) uint8, 255 where hidden. Meta:
    ``dates`` of lr, ascending, ``target_date`` of hr, ``days`` (signed, from hr to each lr), ``origin``, what
    ``scene.json`` says, and ``add_offset``, what was added to each lr, where it is known.

    Args:
        root: the folder.
        offset: what is to be added to the numbers of ``lr`` in all scenes; ``scene.json``, then products decide by
            default.
        mixed_baselines: whether products may be of several processing baselines.

    Raises:
        SatsrError: names without a date, dates twice, masks that do not pair up, an offset that is no whole number,
            or damaged products (all are listed), or products of several baselines.
    """
    found: list[SceneSource] = []
    problems: list[str] = []
    images = _images(root)
    for folder in sorted({file.parent.parent for file in images if file.parent.name == "lr"}):
        try:
            found.append(_scene(root, folder, offset))
        except SatsrError as error:
            problems.append(str(error))
    if problems:
        raise SatsrError(listed(f"the series in {root} are not complete", problems))
    products = [file for file in images if file.parent.name in ROLES and sentinel2.is_product(file)]
    sentinel2.require_one_baseline(products, mixed_baselines)
    return found


def _images(root: Path) -> list[Path]:
    return [file for file in below(root) if is_image(file)]


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
    images = {role: [source(root, path) for path in files[role].values()] for role in ("lr", "hr")}
    said = facts.get("add_offset") if offset is None else offset
    offsets = _offsets(folder, said, [image.offset for image in images["lr"]])
    images["lr"] = [image._replace(offset=number) for image, number in zip(images["lr"], offsets, strict=True)]
    roles: dict[str, Sequence[Frame]] = {
        role: [Frame(str(image.file), partial(image.numbers, bands.RGB)) for image in found]
        for role, found in images.items()
    }
    if files["cloud"]:
        roles["cloud"] = [Frame(str(path), partial(load_mask, path)) for path in files["cloud"].values()]
    meta = {
        **facts,
        **({"add_offset": offsets} if any(number is not None for number in offsets) else {}),
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
    for file in _images(folder) if folder.is_dir() else []:
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
