"""The dates of a series: dated rasters, Sentinel-2 products and STAC items, with their clouds, none opened yet."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.imagery import sentinel2
from satsr.imagery.dates import date_in
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Raster
from satsr.stac import item, series
from satsr.stac.item import Item
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.scenes.scene import find

IMAGES = (".tif", ".tiff", ".jp2", ".safe", ".zip")
MASK = re.compile(r"[_-](?:clouds?|cloudmask|clm|mask|scl)$", re.IGNORECASE)
ANY_CLASS = frozenset(range(1, 256))
Opening = Callable[[], Raster]
"""Gives a date's bands, not opened yet; those of a STAC item are fetched then."""


def dated(model: Model, sources: Sequence[Path], options: Options, say: Say = silent) -> dict[date, Opening]:
    """The dates among what was named, ascending, with their clouds.

    Args:
        model: whose bands they have.
        sources: one folder (of images, or with them in ``lr``), or images and STAC items, each or a search of several.
        options: what the user chose.
        say: takes a line where a search is a page of a longer one.

    Raises:
        SatsrError: there are none, one has no date, or a date is there twice.
    """
    alone = len(sources) == 1 and not item.is_item(sources[0])
    files, masks = _listed(sources[0]) if alone else _named(sources)
    hidden = {day: file for file in masks if (day := date_in(file.name))}
    found: dict[date, Opening] = {}
    names: dict[date, str] = {}
    for file in files:
        for day, name, opening in _dates(model, file, options, say):
            if day in found:
                raise SatsrError(f"{names[day]} and {name} are both images of {day}: leave out one of them.")
            names[day] = name
            found[day] = partial(_hidden, opening, hidden[day]) if day in hidden else opening
    if not found:
        raise SatsrError(
            f"{sources[0]} holds no dated rasters ({', '.join(IMAGES)}) and no STAC items: name the folder of a series."
        )
    return dict(sorted(found.items()))


def days(source: Path) -> set[date]:
    """The days of what is a raster, a product, or a file of STAC items.

    Raises:
        SatsrError: it is no valid item, or has no date.
    """
    found = series.days(source) if item.is_item(source) else [date_in(source.name)]
    return {day for day in found if day}


def _listed(source: Path) -> tuple[list[Path], list[Path]]:
    """The images and items of a folder, and its masks."""
    folder = source / "lr" if (source / "lr").is_dir() else source
    if not folder.is_dir():
        return [], []
    items = series.inside(folder)
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES and not items.names(file))
    apart = source / "cloud"
    masks = sorted(file for file in apart.iterdir() if date_in(file.name)) if apart.is_dir() else []
    images, beside = _named([*files, *items.items])
    return images, beside + masks


def _named(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Images and items, and masks among them."""
    masks = [file for file in files if MASK.search(file.stem) and not item.is_item(file)]
    return [file for file in files if file not in masks], masks


def _dates(model: Model, file: Path, options: Options, say: Say) -> Iterator[tuple[date, str, Opening]]:
    """The date of an image, or of each item of a file: its day, what to call it, and how it is had."""
    if not item.is_item(file):
        day = date_in(file.name)
        if day is None:
            raise SatsrError(f"{file} has no date in its name, such as 2018-05-03: rename or remove it.")
        yield day, str(file), partial(find, model, file, replace(options, extra=False), clouds=True)
        return
    search = series.search(file)
    if search.cut:
        say(f"note: {file.name} is one page of a longer search: {len(search.items)} items, and more on the next page")
    for one in search.items:
        name = f"{one.name} ({file.name})"
        yield series.day(one, file), name, partial(_of_item, model, one, file, options)


def _of_item(model: Model, found: Item, path: Path, options: Options) -> Raster:
    """The bands of a STAC item, without what its scene classes call cloud or cloud shadow."""
    from satsr.stac import scene

    raster = scene.of(found, path, model.bands, given=options.bands)
    raster = raster if options.nodata is None else replace(raster, nodata=options.nodata)
    classes = series.classes(found, path)
    return raster if classes is None else _covered(raster, classes, sentinel2.CLOUDS)


def clouded(scene: Raster, mask: Path) -> Raster:
    """A scene with a mask of the user's own, which goes before what is known otherwise.

    Raises:
        SatsrError: the mask does not lie over the scene, or its grid is another one.
    """
    return _covered(scene, mask, sentinel2.CLOUDS if mask.stem.lower().endswith("scl") else ANY_CLASS)


def _hidden(opening: Opening, mask: Path) -> Raster:
    return clouded(opening(), mask)


def _covered(scene: Raster, mask: Path, classes: frozenset[int]) -> Raster:
    """A scene whose pixels count as missing where a mask, on the same or a coarser grid, has one of some values."""
    with opened(mask) as coarse, opened(scene.layers[0].path) as fine:
        factor, rest = divmod(fine.width, coarse.width)
        if rest or coarse.height * factor != fine.height:
            raise SatsrError(
                f"the mask {mask} has {coarse.width} x {coarse.height} px, the image {fine.width} x {fine.height}, "
                "which must be a whole multiple of it: bring the mask to such a grid, or leave it out."
            )
        if coarse.crs and fine.crs and (coarse.crs != fine.crs or not _over(coarse, fine)):
            raise SatsrError(
                f"the mask {mask} does not lie over the image {scene.layers[0].path}: warp it to its grid, or leave it "
                "out."
            )
    return replace(scene, cloud=(str(mask), classes, factor))


def _over(coarse: Any, fine: Any) -> bool:
    """Whether two open rasters end at the same places, to a pixel of the finer one."""
    near = abs(fine.transform.a)
    return all(abs(one - other) < near for one, other in zip(coarse.bounds, fine.bounds, strict=True))
