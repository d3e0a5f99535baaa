"""Embedded Proba-V image sets, drawn without a download: several cloudy views of 300 m, one of 100 m, two bands.

The files are those of ESA's challenge (specification of QA-Net, section 2): views and quality maps that nobody has
registered, the finer image with its status map. There is no ``norm.csv``: the baseline's cPSNR is measured.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from satsr.degrade import add_noise, expose, probav_numbers
from satsr.download.drawn.land import COVERS, Land, Shape, Style, clouds, draw_land, smooth_noise
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.seeds import generator

if TYPE_CHECKING:
    from satsr.download.card import Embedded

BANDS = ("RED", "NIR")
FINE = 2
MARGIN_PX = 4
STYLE = Style(parcel_px=11, shares=(3, 3, 1, 3, 2, 3, 1, 1), rows=(4, 9), contrast=0.045, road_px=1.1)
AWAY = Style(parcel_px=8, shares=(2, 1, 0.2, 4, 2, 4, 1.5, 2), rows=(3, 7), contrast=0.06, road_px=0.8)
AWAY_LEVELS = {"RED": 1.08, "NIR": 0.94}
"""Test sets: other country, of smaller parcels and more woods, drier: brighter in RED and darker in NIR."""
LR_BLUR_PX, HR_BLUR_PX = 0.33, 0.4
LR_NOISE, HR_NOISE = 35.0, 30.0
MAX_OFFSET_PX = 1.0
# Digital numbers of each cover in RED and NIR.
LEVELS = {
    "cereal": (6900, 8900),
    "maize": (6300, 9300),
    "rapeseed": (6500, 9100),
    "grass": (6200, 8600),
    "bare": (7500, 8700),
    "wood": (5500, 7900),
    "water": (4800, 5200),
    "village": (7300, 8000),
    "hedge": (5800, 8000),
    "road": (7400, 8000),
    "roof": (8300, 8700),
}


@dataclass(frozen=True)
class ImageSet:
    """The views of one place.

    Attributes:
        lr: (T, h, w), 14 bits in 16.
        qm: (T, h, w), 255 where a view is clear, else 0.
        hr: (scale h, scale w).
        sm: (scale h, scale w), 255 where ``hr`` is clear, else 0.
        offsets: (T, 2), how far down and right each view lies of ``hr``, in low-resolution pixels.
    """

    lr: npt.NDArray[np.uint16]
    qm: npt.NDArray[np.uint8]
    hr: npt.NDArray[np.uint16]
    sm: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.float64]


def render_imageset(
    seed: int,
    index: int,
    *,
    views: tuple[int, int] = (9, 19),
    lr_px: Shape = (32, 32),
    scale: int = 3,
    band: str = "RED",
    away: bool = False,
) -> ImageSet:
    """Draws image set number ``index``; the same arguments give the same arrays.

    Args:
        seed: of the data set.
        index: of the image set.
        views: smallest and largest number of views; it is drawn.
        lr_px: height and width of the views.
        scale: how many times finer the reference is.
        band: "RED" or "NIR".
        away: draws the country of the test sets.
    """
    rng = generator(seed, "embedded probav of test" if away else "embedded probav", index)
    count = int(rng.integers(views[0], views[1] + 1))
    pitch = FINE * scale
    land = draw_land(rng, (lr_px[0] + 2 * MARGIN_PX, lr_px[1] + 2 * MARGIN_PX), pitch, AWAY if away else STYLE, FINE)
    truth = _digital_numbers(rng, land, band) * np.float32(AWAY_LEVELS[band] if away else 1)
    offsets = rng.uniform(-MAX_OFFSET_PX, MAX_OFFSET_PX, (count, 2))
    images, masks = zip(*(_view(rng, truth, lr_px, pitch, tuple(offset)) for offset in offsets), strict=True)
    shape = (lr_px[0] * scale, lr_px[1] * scale)
    seen = add_noise(expose(truth, shape, FINE, (0.0, 0.0), HR_BLUR_PX)[..., 0].astype(np.float64), HR_NOISE, rng)
    hr, sm = probav_numbers(*_hidden(rng, seen, 0.22 if rng.random() < 0.3 else 0.0))
    lr, qm = np.stack(images), np.stack(masks)
    return ImageSet(lr, qm, hr, sm, offsets)


def write_scenes(folder: Path, source: "Embedded") -> None:
    """Writes image sets into ``folder`` as ESA did, with ``val`` and ``test`` beside ``train``; every other one is RED.

    Raises:
        SatsrError: the card's size is not a multiple of 3, or it asks for fewer than 9 views.
    """
    scale = 3
    for split, index in source.scenes():
        views, size = source.shape(split)
        if any(side % scale for side in size) or views < 9:
            raise SatsrError(
                f"embedded Proba-V sets have references of a multiple of {scale} pixels a side and up to 9 or more "
                f"views, found size {size} and frames {views}."
            )
        lr_px, band, away = (size[0] // scale, size[1] // scale), BANDS[index % 2], split == "test"
        scene = render_imageset(source.seed, index, views=(9, views), lr_px=lr_px, scale=scale, band=band, away=away)
        number = index + (source.train + source.val) * away
        place = folder / split / band / f"imgset{number:04d}"
        for view, (image, mask) in enumerate(zip(scene.lr, scene.qm, strict=True)):
            write_png(place / f"LR{view:03d}.png", image)
            write_png(place / f"QM{view:03d}.png", mask)
        write_png(place / "HR.png", scene.hr)
        write_png(place / "SM.png", scene.sm)


def _digital_numbers(rng: np.random.Generator, land: Land, band: str) -> np.ndarray:
    """The landscape in a band, (H, W, 1), brighter here and darker there as soils and slopes are."""
    levels = np.array([LEVELS[COVERS[cover]][BANDS.index(band)] for cover in land.covers])
    own = levels * rng.normal(1, 0.05, levels.size) * rng.normal(1, 0.1)
    slopes = 1 + 0.06 * smooth_noise(rng, land.regions.shape, max(land.regions.shape) / 3)
    return land.paint(own[:, None]) * slopes[..., None]


def _view(
    rng: np.random.Generator, truth: np.ndarray, shape: Shape, pitch: int, offset: tuple[float, float]
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """One pass of the coarse sensor: its own brightness, clouds in half of the passes, a glint now and then."""
    image = expose(truth, shape, pitch, offset, LR_BLUR_PX)[..., 0].astype(np.float64)
    image = add_noise(image * rng.normal(1, 0.015) + rng.normal(0, 50), LR_NOISE, rng)
    image, clear = _hidden(rng, image, rng.uniform(0.03, 0.38) if rng.random() < 0.5 else 0.0)
    if rng.random() < 0.1:
        glint = clouds(rng, shape, 0.02)
        image, clear = image + 14000 * glint, clear & (glint == 0)
    return probav_numbers(image, clear)


def _hidden(
    rng: np.random.Generator, image: npt.NDArray[np.float64], cover: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The image under clouds on the share ``cover`` of it, and where it is clear."""
    if cover == 0:
        return image, np.ones(image.shape, dtype=bool)
    opacity = clouds(rng, image.shape[:2], cover)
    return image * (1 - opacity) + rng.uniform(10500, 14500) * opacity, opacity <= 0.02
