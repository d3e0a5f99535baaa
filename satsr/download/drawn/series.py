"""Embedded Sentinel-2 time series with a target from another sensor, drawn without a download.

Each scene is a landscape of one of several climates (:mod:`satsr.download.drawn.climates`) through a season, seen by a
Sentinel-2-like sensor on irregular dates and once by a SPOT-6-like sensor with pixels ``scale`` times finer. Every date
has its own sub-pixel offset, atmosphere and noise, some have clouds with their shadows; crops grow and are harvested
field by field. The layout of the files is that of :func:`satsr.convert.layouts.series.series`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from satsr.degrade import add_noise, expose, to_native
from satsr.download.drawn.climates import CLIMATES, STILL, Climate, climate_of, elsewhere, patched
from satsr.download.drawn.land import COVERS, Land, Shape, clouds, draw_land
from satsr.errors import SatsrError
from satsr.files import write_json
from satsr.imagery.images import write_png
from satsr.seeds import generator

if TYPE_CHECKING:
    from satsr.download.card import Embedded

FINE = 2
"""Fine pixels per pixel of the target."""
MARGIN_PX = 3
"""Low-resolution pixels drawn beyond the edge, for the offsets and the blur."""
LR_BLUR_PX, HR_BLUR_PX = 0.3, 0.35
LR_NOISE, HR_NOISE = 12.0, 1.2
MAX_OFFSET_PX, REGISTERED = 0.45, 0.2
"""Largest offset of a date; and what the date nearest to the target keeps of its own: these two were registered."""
DAYS, AWAY_DAYS = (120, 240), (245, 305)
"""Between which days of the year a target is taken; test scenes in autumn."""
AWAY_SOIL = np.array([1.2, 1.0, 0.85])
"""Redder ground, of test scenes."""
CLOUDY = 0.3
"""Share of the dates that have clouds; the date nearest to the target has none, as in a curated series."""

# Surface reflectance in red, green, blue: bare soil, full canopy, and what does not grow.
SOIL, CANOPY = np.array([0.165, 0.130, 0.095]), np.array([0.026, 0.056, 0.024])
FLOWERS = np.array([0.13, 0.12, 0.0])
ROOF = np.array([0.21, 0.15, 0.12])
# Days of the year at which a canopy closes and at which it is gone, and the green that is always there.
SEASONS = {
    "cereal": (85, 195, 0.12),
    "maize": (165, 270, 0.03),
    "rapeseed": (70, 185, 0.20),
    "grass": (60, 330, 0.55),
    "bare": (140, 150, 0.08),
    "wood": (105, 310, 0.70),
    "hedge": (105, 310, 0.75),
}
LIGHT, BRIGHTEST = (0.35, 1.1), 0.98
"""Smallest and largest brightness of a scene, the sun's height where nobody took it out; and what snow reaches."""
# The finer sensor sees other wavelengths, has other gains and stores a curve of 8 bits.
SPOT_BANDS = np.array([[0.92, 0.08, 0.0], [0.05, 0.90, 0.05], [0.0, 0.10, 0.90]])
SPOT_FULL_SCALE, SPOT_OFFSET, SPOT_GAMMA = np.array([0.30, 0.26, 0.21]), np.array([0.01, 0.015, 0.02]), 0.75


@dataclass(frozen=True)
class Series:
    """A series with its target.

    Attributes:
        lr: (T, h, w, 3) red, green, blue; reflectance times 10000.
        cloud: (T, h, w), 255 where a cloud or its shadow hides the ground, else 0.
        hr: (scale h, scale w, 3) red, green, blue.
        dates: of the T images, ascending.
        target_date: of ``hr``.
        offsets: (T, 2), how far down and right each image lies of the target, in low-resolution pixels.
    """

    lr: npt.NDArray[np.uint16]
    cloud: npt.NDArray[np.uint8]
    hr: npt.NDArray[np.uint8]
    dates: tuple[date, ...]
    target_date: date
    offsets: npt.NDArray[np.float64]

    @property
    def days(self) -> tuple[int, ...]:
        """Signed days from the target to each image."""
        return tuple((day - self.target_date).days for day in self.dates)


def render_series(
    seed: int, index: int, *, dates: int = 8, lr_px: Shape = (32, 32), scale: int = 4, away: bool = False
) -> Series:
    """Draws scene number ``index``; the same arguments give the same arrays.

    Args:
        seed: of the data set.
        index: of the scene.
        dates: T, the number of low-resolution images.
        lr_px: height and width of the low-resolution images.
        scale: how many times finer the target is.
        away: draws the country of the test scenes.
    """
    rng = generator(seed, "embedded series of test" if away else "embedded series", index)
    pitch = FINE * scale
    climate = elsewhere(CLIMATES[climate_of(index)]) if away else CLIMATES[climate_of(index)]
    weather = generator(seed, "embedded climate of test" if away else "embedded climate", index)
    land = draw_land(rng, (lr_px[0] + 2 * MARGIN_PX, lr_px[1] + 2 * MARGIN_PX), pitch, climate.style, FINE)
    land = patched(weather, land, climate, FINE)
    season = _Season(rng, land, climate, weather)
    season.soil *= AWAY_SOIL if away else 1.0
    days, target_date = _calendar(rng, dates, AWAY_DAYS if away else DAYS)
    offsets = rng.uniform(-MAX_OFFSET_PX, MAX_OFFSET_PX, (dates, 2))
    nearest = int(np.argmin(np.abs(days)))
    offsets[nearest] *= REGISTERED
    images, masks = [], []
    for number, day in enumerate(days):
        when = target_date + timedelta(days=int(day))
        truth = np.minimum(land.paint(season.reflectance(when)), np.float32(BRIGHTEST))
        image = expose(truth, lr_px, pitch, tuple(offsets[number]), LR_BLUR_PX).astype(np.float64)
        image = image * rng.normal(1, 0.02, 3) + rng.uniform(0, 0.006) * np.array([0.6, 0.9, 1.4])
        cloudy = number != nearest and rng.random() < CLOUDY
        image, mask = _under_clouds(rng, image) if cloudy else (image, np.zeros(lr_px, np.uint8))
        images.append(to_native(add_noise(image * 10000, LR_NOISE, rng), np.uint16))
        masks.append(mask)
    truth = np.minimum(land.paint(season.reflectance(target_date)), np.float32(BRIGHTEST))
    hr = _target(rng, truth, (lr_px[0] * scale, lr_px[1] * scale))
    taken = tuple(target_date + timedelta(days=int(day)) for day in days)
    return Series(np.stack(images), np.stack(masks), hr, taken, target_date, offsets)


def write_scenes(folder: Path, source: "Embedded") -> None:
    """Writes the scenes of a card into ``folder``, in the layout of :mod:`satsr.convert.layouts.series`.

    Raises:
        SatsrError: the card's size is not a multiple of 4.
    """
    scale = 4
    for split, index in source.scenes():
        dates, size = source.shape(split)
        if any(side % scale for side in size):
            raise SatsrError(f"embedded series have targets of a multiple of {scale} pixels a side, found {size}.")
        lr_px = (size[0] // scale, size[1] // scale)
        scene = render_series(source.seed, index, dates=dates, lr_px=lr_px, scale=scale, away=split == "test")
        place = folder / split / f"scene{index:03d}"
        write_png(place / "hr" / f"{scene.target_date}.png", scene.hr)
        for day, image, mask in zip(scene.dates, scene.lr, scene.cloud, strict=True):
            write_png(place / "lr" / f"{day}.png", image)
            write_png(place / "cloud" / f"{day}.png", mask)
        write_json(place / "scene.json", {"offsets_lr_px": scene.offsets.round(4).tolist()})


class _Season:
    """The colours of a landscape's regions through the year."""

    def __init__(self, rng: np.random.Generator, land: Land, climate: Climate, weather: np.random.Generator) -> None:
        names = [COVERS[cover] for cover in land.covers]
        self.light = weather.uniform(*LIGHT)
        self.grows = np.isin(names, [name for name in SEASONS if name not in climate.still])
        self.names, count = np.array(names), len(names)
        closes, opens, base = np.array([SEASONS.get(name, (0, 0, 0)) for name in names], dtype=np.float64).T
        jitter = rng.normal(0, 9, (2, count))
        self.closes, self.opens = closes + jitter[0], opens + jitter[1]
        self.base = base * rng.uniform(0.7, 1.3, count)
        self.soil = SOIL * rng.uniform(0.7, 1.25, (count, 1)) * rng.normal(1, 0.04, (count, 3))
        self.canopy = CANOPY * rng.uniform(0.75, 1.4, (count, 1)) * rng.normal(1, 0.06, (count, 3))
        for name, colour in {**STILL, **climate.still}.items():
            here = self.names == name
            self.soil[here] = np.array(colour) * weather.uniform(0.85, 1.1, (int(here.sum()), 1))
        roofs = self.names == "roof"
        self.soil[roofs] = (ROOF * rng.uniform(0.4, 1.5, (count, 1)) * rng.normal(1, 0.1, (count, 3)))[roofs]

    def reflectance(self, when: date) -> npt.NDArray[np.float64]:
        """(R, 3) on a day."""
        day = when.timetuple().tm_yday
        grown = _step((day - self.closes) / 11) * _step((self.opens - day) / 7)
        green = np.clip(self.base + (0.95 - self.base) * grown, 0, 1) * self.grows
        bloom = np.exp(-(((day - self.closes - 48) / 9) ** 2)) * (self.names == "rapeseed") * self.grows
        colours = self.soil * (1 - green[:, None]) + self.canopy * green[:, None] + FLOWERS * bloom[:, None]
        return np.asarray(colours * self.light)


def _step(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))


def _calendar(rng: np.random.Generator, count: int, days: tuple[int, int]) -> tuple[npt.NDArray[np.int64], date]:
    """Ascending signed days on a five-day orbit with gaps, the pass nearest to the target among them; and its date."""
    target = date(2018, 1, 1) + timedelta(days=int(rng.integers(*days)))
    passes = np.arange(-3 * count, 3 * count) * 5 + int(rng.integers(0, 5))
    likely = np.exp(-np.abs(passes) / 40)
    likely[np.argmin(np.abs(passes))] = 0
    others = rng.choice(passes, size=count - 1, replace=False, p=likely / likely.sum())
    return np.sort([*others, passes[likely == 0][0]]), target


def _under_clouds(
    rng: np.random.Generator, image: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Clouds, their shadow some pixels to the north-west, and the mask of both."""
    height, width = image.shape[:2]
    away = rng.integers(2, 7, 2)
    sky = clouds(rng, (height + away[0], width + away[1]), rng.uniform(0.04, 0.3))
    opacity, shadow = sky[: -away[0], : -away[1]], sky[away[0] :, away[1] :]
    lit = image * (1 - 0.55 * shadow[..., None])
    covered = lit * (1 - opacity[..., None]) + rng.uniform(0.45, 0.75) * opacity[..., None]
    return covered, np.where(np.maximum(opacity, shadow) > 0.04, 255, 0).astype(np.uint8)


def _target(rng: np.random.Generator, truth: npt.NDArray[np.float32], shape: Shape) -> npt.NDArray[np.uint8]:
    """The finer sensor's 8-bit image."""
    seen = expose(truth, shape, FINE, (0.0, 0.0), HR_BLUR_PX) @ SPOT_BANDS.T
    # A bright scene is taken with less gain, so that little of it is lost.
    scale = np.maximum(SPOT_FULL_SCALE * rng.normal(1, 0.04, 3), 1.05 * np.quantile(seen, 0.999, axis=(0, 1)))
    level = seen / scale + SPOT_OFFSET
    return to_native(add_noise(255 * level.clip(0) ** SPOT_GAMMA, HR_NOISE, rng), np.uint8)
