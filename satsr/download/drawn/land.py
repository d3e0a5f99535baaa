"""A drawn landscape and how a sensor samples it: what the embedded Sentinel-2 and Proba-V scenes have in common.

The landscape is drawn on a grid finer than any sensor's, so each image can sample it at its own sub-pixel offset: the
images of one place then hold different, aliased views of the same detail, which is what several images can recover and
one cannot.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Array = np.ndarray
Shape = tuple[int, int]

COVERS = (
    "cereal",
    "maize",
    "rapeseed",
    "grass",
    "bare",
    "wood",
    "water",
    "village",
    "hedge",
    "road",
    "roof",
    "sand",
    "snow",
)
PARCEL_COVERS = 8
"""The first so many of :data:`COVERS` fill parcels; the others are drawn on top of them."""
ROOFS = 12


@dataclass(frozen=True)
class Land:
    """A landscape on its fine grid.

    Attributes:
        regions: (H, W), the number of the region that each fine pixel belongs to.
        covers: (R,), the land cover of each region, an index of :data:`COVERS`.
        tone: (H, W), brightness about 1: crop rows, tree crowns, roughness.
    """

    regions: npt.NDArray[np.int32]
    covers: npt.NDArray[np.int64]
    tone: Array

    def paint(self, colours: np.ndarray) -> Array:
        """The landscape under colours (R, C) of its regions, as (H, W, C)."""
        painted: Array = colours.astype(np.float32)[self.regions] * self.tone[..., None]
        return painted


@dataclass(frozen=True)
class Style:
    """What a landscape looks like; lengths in pixels of the high-resolution sensor.

    Attributes:
        parcel_px: mean side of a parcel.
        shares: how often each of the parcels' covers occurs.
        rows: smallest and largest distance of crop rows.
        contrast: brightness amplitude of crop rows and tree crowns.
        road_px: width of a road.
    """

    parcel_px: float
    shares: tuple[float, ...]
    rows: tuple[float, float]
    contrast: float
    road_px: float


def draw_land(rng: np.random.Generator, shape: Shape, pitch: int, style: Style, unit: int) -> Land:
    """Draws parcels with rows and hedges, woods, villages, a river and roads.

    Args:
        rng: where everything is drawn from.
        shape: height and width in pixels of the low-resolution sensor.
        pitch: fine pixels per pixel of the low-resolution sensor.
        style: see :class:`Style`.
        unit: fine pixels per pixel of the high-resolution sensor.
    """
    y, x = (axis.astype(np.float32) / unit for axis in np.ogrid[: shape[0] * pitch, : shape[1] * pitch])
    angle = rng.uniform(0, np.pi)
    u, v = (_bent(rng, axis) for axis in _turned(x, y, angle))
    parcel, other, border = _parcels(rng, u / style.parcel_px, v / style.parcel_px)
    count = int(parcel.max()) + 1
    covers = rng.choice(PARCEL_COVERS, size=count, p=np.asarray(style.shares) / np.sum(style.shares))
    tone = _tone(rng, (x, y), parcel, covers, style)
    extra = [COVERS.index(name) for name in ("hedge", "road", "water", *["roof"] * ROOFS)]
    regions = parcel.copy()
    fence = rng.random(64)[(parcel + other) % 64]
    edge_px = border * style.parcel_px
    regions[(edge_px < 1.1) & (fence < 0.45)] = count
    regions[(edge_px < 0.7) & (fence > 0.85)] = count + 1
    roofs = _roofs(rng, u, v)
    village = (covers[parcel] == COVERS.index("village")) & (roofs >= 0) & (edge_px > 2)
    regions[village] = count + 3 + roofs[village]
    if rng.random() < 0.4:
        _line(rng, regions, (x, y), style.road_px * rng.uniform(1.5, 4), count + 2)
    for _ in range(rng.integers(1, 4)):
        _line(rng, regions, (x, y), style.road_px * rng.uniform(0.7, 1.3), count + 1)
    return Land(regions, np.concatenate([covers, extra]), tone)


def clouds(rng: np.random.Generator, shape: Shape, cover: float) -> Array:
    """How opaque the sky is, (H, W) in 0..1, positive on the share ``cover`` of the image."""
    sky = np.zeros(shape, dtype=np.float32)
    for octave in range(4):
        sky += 0.5**octave * smooth_noise(rng, shape, max(shape) / 2 ** (octave + 1))
    opacity: Array = np.clip((sky - np.quantile(sky, 1 - cover)) / 0.8, 0, 1)
    return opacity.astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: Shape, period: float) -> Array:
    """Noise of standard deviation about 1 without detail finer than ``period`` pixels."""
    grid = [int(np.ceil(side / period)) + 3 for side in shape]
    coarse = rng.standard_normal(grid).astype(np.float32)
    size = [int(np.ceil(side * period)) for side in grid]
    fine = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    start = int(period)
    return np.asarray(1.5 * fine[start : start + shape[0], start : start + shape[1]])


def _turned(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _bent(rng: np.random.Generator, axis: Array) -> Array:
    """A coordinate with a gentle wave in it, so that no edge is quite straight."""
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(60, 120)
    return axis + np.float32(2.5) * np.sin(axis / np.float32(period) * 6 + np.float32(phase))


def _parcels(
    rng: np.random.Generator, u: Array, v: Array
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Array]:
    """Nearest and second nearest of jittered grid points, and the distance to the border between them."""
    # Cells count from 1, so that their neighbours do not count below 0.
    u, v = (axis - np.floor(axis.min()) + 1 for axis in (u, v))
    column, row = u.astype(np.int32), v.astype(np.int32)
    width = int(column.max()) + 2
    points = rng.uniform(0.1, 0.9, ((int(row.max()) + 2) * width, 2)).astype(np.float32)
    near = np.full(u.shape, np.inf, dtype=np.float32)
    second = near.copy()
    first_id = np.zeros(u.shape, dtype=np.int32)
    second_id = first_id.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            cell = (row + down) * width + column + right
            du, dv = u - (column + right) - points[cell, 0], v - (row + down) - points[cell, 1]
            # Between a diamond and a circle: the borders are straighter than those of a foam.
            distance = np.maximum(np.abs(du), np.abs(dv)) + np.float32(0.3) * np.minimum(np.abs(du), np.abs(dv))
            nearest = distance < near
            later = ~nearest & (distance < second)
            second = np.where(nearest, near, np.where(later, distance, second))
            second_id = np.where(nearest, first_id, np.where(later, cell, second_id))
            near = np.where(nearest, distance, near)
            first_id = np.where(nearest, cell, first_id)
    return np.asarray(first_id), np.asarray(second_id), (second - near) / 2


def _tone(
    rng: np.random.Generator,
    place: tuple[Array, Array],
    parcel: npt.NDArray[np.int32],
    covers: npt.NDArray[np.int64],
    style: Style,
) -> Array:
    """Rows where something grows in rows, crowns in woods, roughness everywhere."""
    count = covers.size
    direction = rng.uniform(0, np.pi, count)
    number = 2 * np.pi / rng.uniform(*style.rows, count)
    strength = style.contrast * rng.uniform(0.3, 1, count) * (covers < COVERS.index("wood"))
    waves = np.stack([number * np.cos(direction), number * np.sin(direction), strength]).astype(np.float32)[:, parcel]
    unit = max(1, round(1 / float(place[0].flat[1])))
    rough = cv2.GaussianBlur(rng.standard_normal(parcel.shape, dtype=np.float32), (0, 0), 0.8 * unit) * (
        2.8 * 0.8 * unit
    )
    wood = np.where(covers == COVERS.index("wood"), 1.6 * style.contrast, 0.35 * style.contrast).astype(np.float32)
    tone = 1 + waves[2] * np.sin(place[0] * waves[0] + place[1] * waves[1]) + wood[parcel] * rough
    return np.asarray(tone.clip(0.4, 1.8), dtype=np.float32)


def _roofs(rng: np.random.Generator, u: Array, v: Array) -> npt.NDArray[np.int32]:
    """The number of the roof's colour where a house stands, else -1: one house in most cells of a grid of plots."""
    plot = 9.0
    column, row = np.floor(u / plot).astype(np.int32), np.floor(v / plot).astype(np.int32)
    dice = rng.random((5, 1021)).astype(np.float32)[:, (column * 31 + row * 173) % 1021]
    along = np.abs(u / plot - column - (0.35 + 0.3 * dice[0])) < 0.14 + 0.2 * dice[1]
    across = np.abs(v / plot - row - (0.35 + 0.3 * dice[1])) < 0.12 + 0.14 * dice[2]
    stands = along & across & (dice[3] < 0.85)
    return np.where(stands, (dice[4] * ROOFS).astype(np.int32), np.int32(-1))


def _line(
    rng: np.random.Generator,
    regions: npt.NDArray[np.int32],
    place: tuple[Array, Array],
    width_px: float,
    region: int,
) -> None:
    """Draws a winding road or river through the scene."""
    x, y = place
    u, v = _turned(x - x.mean(), y - y.mean(), rng.uniform(0, np.pi))
    middle = rng.uniform(-0.35, 0.35) * float(np.ptp(v))
    amplitude, period, phase = rng.uniform(2, 10), rng.uniform(80, 200), rng.uniform(0, 2 * np.pi)
    course = middle + amplitude * np.sin(u * (2 * np.pi / period) + phase)
    regions[np.abs(v - course) < width_px / 2] = region
