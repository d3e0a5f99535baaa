"""Parts of the world that the embedded series show, so that a short training meets more than farmland.

Reflectances are round figures of usual surfaces at the top of vegetation or ground in red, green, blue (spectral
libraries such as USGS's give ranges about them): water below 0.04, dry sand 0.3 to 0.5, salt 0.6, fresh snow 0.85.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from satsr.download.drawn.land import COVERS, Land, Style, smooth_noise

Colour = tuple[float, float, float]
FARMLAND = Style(parcel_px=30, shares=(2, 2, 0.7, 4, 1, 2.5, 0.5, 2.5), rows=(4, 11), contrast=0.2, road_px=2.4)
SMOOTHED = 0.25
"""What is left of the roughness of the ground under water, snow and sand."""


@dataclass(frozen=True)
class Climate:
    """What the ground looks like; what is not said is as in farmland.

    Attributes:
        style: parcels, rows and roads.
        still: reflectance of covers that do not change with the season here.
        patches: covers that lie on top in rounded patches, each with its share of the scene: neighbours lie side by
            side, as a beach beside the sea.
        patch_px: size of the patches, in pixels of the finer sensor.
    """

    style: Style = FARMLAND
    still: Mapping[str, Colour] = field(default_factory=dict)
    patches: tuple[tuple[str, float], ...] = ()
    patch_px: float = 60


CLIMATES = {
    "farmland": Climate(),
    "desert": Climate(
        replace(FARMLAND, parcel_px=48, shares=(4, 4, 1, 3, 2, 1.5, 0.2, 0.6), contrast=0.12),
        {
            "cereal": (0.42, 0.33, 0.22),
            "maize": (0.50, 0.41, 0.29),
            "rapeseed": (0.62, 0.58, 0.52),
            "grass": (0.28, 0.23, 0.17),
            "wood": (0.15, 0.12, 0.09),
            "hedge": (0.11, 0.11, 0.07),
            "village": (0.30, 0.26, 0.20),
        },
        patches=(("sand", 0.25),),
    ),
    "forest": Climate(
        replace(FARMLAND, parcel_px=44, shares=(0.3, 0.3, 0.1, 1.5, 0.7, 7, 1.2, 0.4)),
        {"water": (0.008, 0.012, 0.016)},
        patches=(("water", 0.15),),
    ),
    "town": Climate(replace(FARMLAND, parcel_px=24, shares=(0.3, 0.3, 0.2, 1.2, 0.8, 0.8, 0.3, 8))),
    "snow": Climate(
        replace(FARMLAND, shares=(2, 1.5, 1, 2, 2, 3, 0.6, 1)),
        {
            "cereal": (0.84, 0.85, 0.86),
            "maize": (0.52, 0.55, 0.60),
            "rapeseed": (0.64, 0.70, 0.76),
            "grass": (0.36, 0.36, 0.35),
            "water": (0.010, 0.018, 0.026),
        },
        patches=(("snow", 0.35), ("grass", 0.05)),
        patch_px=36,
    ),
    "coast": Climate(patches=(("water", 0.40), ("sand", 0.08))),
}
STILL: dict[str, Colour] = {
    "water": (0.018, 0.034, 0.044),
    "village": (0.105, 0.102, 0.088),
    "road": (0.135, 0.130, 0.122),
    "sand": (0.45, 0.38, 0.27),
    "snow": (0.88, 0.88, 0.87),
}
"""Reflectance of what does not grow, everywhere."""
ORDER = ("farmland", "desert", "forest", "farmland", "town", "snow", "farmland", "coast")
"""Scenes take turns: every eighth is alike, whatever its split."""


def climate_of(index: int) -> str:
    """The key of :data:`CLIMATES` of scene number ``index``."""
    return ORDER[index % len(ORDER)]


def elsewhere(climate: Climate) -> Climate:
    """The climate in another country, that of the test scenes: smaller parcels, denser rows, more contrast."""
    style = climate.style
    finer = replace(
        style,
        parcel_px=round(0.63 * style.parcel_px),
        rows=(3, 8),
        contrast=1.3 * style.contrast,
        road_px=0.7 * style.road_px,
    )
    return replace(climate, style=finer, patch_px=0.7 * climate.patch_px)


def patched(rng: np.random.Generator, land: Land, climate: Climate, unit: int) -> Land:
    """The land with the climate's patches on it, each a region of its own with little roughness.

    Args:
        rng: where their places are drawn from.
        land: what they lie on.
        climate: see :class:`Climate`.
        unit: fine pixels per pixel of the finer sensor.
    """
    if not climate.patches:
        return land
    height = smooth_noise(rng, (land.regions.shape[0], land.regions.shape[1]), climate.patch_px * unit)
    shares = np.cumsum([0.0, *(share for _, share in climate.patches)])
    levels = np.quantile(height, shares)
    place = np.searchsorted(levels, height) - 1
    covered = place < len(climate.patches)
    place = np.maximum(place, 0)
    regions = np.where(covered, land.covers.size + place, land.regions).astype(np.int32)
    covers = np.concatenate([land.covers, [COVERS.index(name) for name, _ in climate.patches]])
    tone = np.where(covered, 1 + SMOOTHED * (land.tone - 1), land.tone).astype(np.float32)
    return Land(regions, covers, tone)
