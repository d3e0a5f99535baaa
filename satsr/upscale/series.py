"""Several dates of one place made into one: Sentinel-2 with cloud masks."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType

import numpy as np
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.exported.network import real
from satsr.imagery import sentinel2
from satsr.imagery.dates import date_in
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Layer, Mask, Raster, Strip
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.results import own
from satsr.upscale.scene import check, find, require_tiff, run
from satsr.upscale.windows import strips
from satsr.upscale.work import Float32, Work

IMAGES = (".tif", ".tiff", ".jp2", ".safe", ".zip")
MASK = re.compile(r"[_-](?:clouds?|cloudmask|clm|mask|scl)$", re.IGNORECASE)
ANY_CLASS = frozenset(range(1, 256))
CLEAR_ENOUGH = 0.5


@dataclass
class Dates:
    """Some dates of one place, opened together: a scene whose layers are dates times bands.

    Attributes:
        scenes: one for each date.
        anchor: the place of the date nearest to the wanted one, whose encoding the result has.
    """

    scenes: Sequence[Raster]
    anchor: int

    def __enter__(self) -> "Dates":
        self._stack = ExitStack()
        for scene in self.scenes:
            self._stack.enter_context(scene)
        first = self.scenes[self.anchor]
        for scene in self.scenes:
            if (scene.height, scene.width, scene.dtype) != (first.height, first.width, first.dtype) or (
                scene.transform != first.transform or scene.crs != first.crs
            ):
                self._stack.close()
                raise SatsrError(
                    f"{scene.files[0]} ({scene.width} x {scene.height} px of {scene.dtype}) does not lie on the grid "
                    f"of {first.files[0]} ({first.width} x {first.height} px of {first.dtype}): warp the dates to one "
                    "grid first."
                )
        self.height, self.width, self.dtype = first.height, first.width, first.dtype
        self.nodata, self.masked, self.tags = first.nodata, first.masked, first.tags
        self.layers: list[Layer] = [layer for scene in self.scenes for layer in scene.layers]
        self.files = [file for scene in self.scenes for file in scene.files]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read(self, top: int, height: int) -> Strip:
        """Full rows of all dates."""
        return _joined([scene.read(top, height) for scene in self.scenes])

    def samples(self) -> list[tuple[Window, Strip]]:
        """Small windows spread over the place."""
        each = [scene.samples() for scene in self.scenes]
        return [(same[0][0], _joined([strip for _, strip in same])) for same in zip(*each, strict=True)]


@dataclass(frozen=True)
class Choice:
    """Which dates of a series make its result.

    Attributes:
        found: all of them, ascending.
        wanted: the day that the result is of.
        places: among all of those that the model gets, which may be repeated.
        dates: these, not opened yet.
    """

    found: Sequence[date]
    wanted: date
    places: Sequence[int]
    dates: Dates

    @property
    def nearest(self) -> date:
        """The one nearest to the wanted day, whose encoding the result has."""
        return self.found[self.places[self.dates.anchor]]


class DatesWork(Work):
    """Dates, open, with the model that makes one image of them."""

    def __init__(self, model: Model, dates: Dates, days: np.ndarray, alphas: np.ndarray, options: Options) -> None:
        self._anchor = dates.scenes[dates.anchor]
        self._days, self._alphas = days, alphas
        super().__init__(model, self._anchor, options)
        self.scene = dates  # type: ignore[assignment]  # it reads as a scene does
        self.own = dates.layers
        self.gains, self.offsets = self._numbers(self.own)
        self.seams = self._seams()

    def enlarge(self, parts: Sequence[Strip]) -> Float32:
        """(B, C, s h, s w): what is missing on a date is filled from the others."""
        planes = np.stack([self._whole(part) for part in parts])
        corners = [part.corner for part in parts]
        return self.predicted(planes, days=self._days, alphas=self._alphas, corners=corners)

    def valid(self, rows: strips.Rows) -> Mask | None:
        """A pixel has a source if it is there on any date."""
        found = rows.source.valid
        return None if found is None else np.asarray(self._by_date(found).any(axis=0))

    def _whole(self, part: Strip) -> np.ndarray:
        """(N, h, w) in the model's numbers: the median of the dates, and then the nearest pixel, fill the gaps."""
        values = (part.values * self.gains + self.offsets).astype(np.float32)
        if part.valid is None or part.valid.all():
            return values
        split, valid = self._by_date(values), self._by_date(part.valid)
        median = np.ma.median(np.ma.masked_array(split, ~valid), axis=0)  # type: ignore[no-untyped-call]
        filled = strips.filled(Strip(np.ma.getdata(median), ~np.ma.getmaskarray(median)))
        return np.asarray(np.where(valid, split, filled).reshape(values.shape))

    def _by_date(self, planes: np.ndarray) -> np.ndarray:
        return planes.reshape(-1, self.model.channels, *planes.shape[1:])


def upscale_series(
    model: Model, source: Path, output: Path, options: Options | None = None, say: Say = silent
) -> list[Path]:
    """Makes one super-resolved GeoTIFF of several dates.

    Args:
        model: of the kind ``series``.
        source: a folder of co-registered rasters or Sentinel-2 products with a date in each name (or with them in
            ``lr``). Clouds are taken from masks (``cloud/<date>...`` or ``<name>_cloud.tif``, non-zero where hidden)
            and from a product's own scene classification.
        output: the GeoTIFF to write.
        options: what the user chose.
        say: takes lines for the user.

    Returns:
        The files that were written, the result first.

    Raises:
        SatsrError: the dates do not fit each other or the model, or do not look like its training data.
    """
    options = options or Options()
    require_tiff(output)
    own.require_apart([source], output)
    made = choose(model, source, options)
    names = [str(made.found[place]) for place in dict.fromkeys(made.places)]
    say(f"{len(made.found)} dates, for {made.wanted}: {', '.join(names)}")
    days = np.array([(made.found[place] - made.wanted).days for place in made.places], np.float32)
    with made.dates as dates:
        work = DatesWork(model, dates, days, real(made.places), options)
        check(work, say)
        return run(work, output, say)


def choose(model: Model, source: Path, options: Options) -> Choice:
    """The dates of a series that a model gets: as many as it takes of those that are at least half clear, or of all.

    Raises:
        SatsrError: as for :func:`dated`, or the wanted day is none.
    """
    found = dated(model, source, options)
    wanted = _wanted(options.date, sorted(found))
    days = np.array([(day - wanted).days for day in found], np.float32)
    scenes = list(found.values())
    clear = np.array([_clear_share(scene) for scene in scenes])
    usable = [index for index in range(len(scenes)) if clear[index] >= CLEAR_ENOUGH] or list(range(len(scenes)))
    chosen = [usable[place] for place in model.dates(days[usable])]
    anchor = int(np.argmin(np.abs(days[chosen])))
    # One that is repeated needs a scene of its own, because a scene is opened and closed once.
    return Choice(list(found), wanted, chosen, Dates([replace(scenes[index]) for index in chosen], anchor))


def dated(model: Model, source: Path, options: Options) -> dict[date, Raster]:
    """The dates in a folder, ascending, with their cloud masks, not opened yet.

    Raises:
        SatsrError: there are none, a name has no date, or a date is there twice.
    """
    folder = source / "lr" if (source / "lr").is_dir() else source
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES) if folder.is_dir() else []
    images = [file for file in files if not MASK.search(file.stem)]
    masks = {day: file for file in _masks(source, files) if (day := date_in(file.name))}
    found: dict[date, Raster] = {}
    for file in images:
        day = date_in(file.name)
        if day is None or day in found:
            problem = "has no date in its name, such as 2018-05-03" if day is None else f"is a second image of {day}"
            raise SatsrError(f"{file} {problem}: rename or remove it.")
        scene = find(model, file, replace(options, extra=False), clouds=True)
        found[day] = clouded(scene, masks[day]) if day in masks else scene
    if not found:
        raise SatsrError(f"{source} holds no dated rasters ({', '.join(IMAGES)}): name the folder of a series.")
    return dict(sorted(found.items()))


def _wanted(text: str | None, days: Sequence[date]) -> date:
    if text is None:
        return days[len(days) // 2]
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SatsrError(f"{text!r} is no date: write it as 2018-07-01.") from None


def _masks(source: Path, files: Sequence[Path]) -> list[Path]:
    beside = [file for file in files if MASK.search(file.stem)]
    folder = source / "cloud"
    return beside + (sorted(file for file in folder.iterdir() if date_in(file.name)) if folder.is_dir() else [])


def clouded(scene: Raster, mask: Path) -> Raster:
    """A scene whose pixels count as missing where a mask, on the same or a coarser grid, is not zero.

    Raises:
        SatsrError: the mask's grid is another one.
    """
    classes = sentinel2.CLOUDS if mask.stem.lower().endswith("scl") else ANY_CLASS
    with opened(mask) as coarse, opened(scene.layers[0].path) as fine:
        factor, rest = divmod(fine.width, coarse.width)
        if rest or coarse.height * factor != fine.height:
            raise SatsrError(
                f"the mask {mask} has {coarse.width} x {coarse.height} px, the image {fine.width} x {fine.height}: "
                "one must be a whole multiple of the other."
            )
    return replace(scene, cloud=(str(mask), classes, factor))


def _clear_share(scene: Raster) -> float:
    with replace(scene) as whole:
        masks = [strip.valid for _, strip in whole.samples()]
    return float(np.mean([1.0 if mask is None else mask.mean() for mask in masks]))


def _joined(parts: Sequence[Strip]) -> Strip:
    values = np.concatenate([strip.values for strip in parts])
    if all(strip.valid is None for strip in parts):
        return Strip(values)
    masks = [np.ones(strip.values.shape, np.bool_) if strip.valid is None else strip.valid for strip in parts]
    return Strip(values, np.concatenate(masks))
