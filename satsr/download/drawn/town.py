"""What a drawn town consists of: blocks between streets, and what fills a block.

One pixel is about a metre, as in the video of Jilin-1. Most detail is 2 to 6 pixels large: lost at a quarter of the
resolution, kept by the sensor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from satsr.download.drawn.canvas import FINE, Canvas, Colour

Random = np.random.Generator
CARS: tuple[Colour, ...] = (
    (236, 238, 240), (212, 214, 216), (246, 246, 242), (44, 46, 52), (150, 153, 158), (150, 44, 40), (58, 82, 128),
)  # fmt: skip
CRATES: tuple[Colour, ...] = (
    (234, 232, 226), (226, 228, 230), (240, 240, 236), (168, 78, 62), (76, 104, 144), (96, 126, 114), (192, 166, 112),
)  # fmt: skip
ROOFS: tuple[Colour, ...] = (
    (224, 224, 220), (198, 200, 202), (154, 156, 160), (120, 138, 162), (232, 228, 216), (128, 116, 106),
)  # fmt: skip
TILES: tuple[Colour, ...] = ((146, 94, 78), (126, 82, 70), (106, 100, 96), (160, 118, 96), (92, 90, 94))
CROPS: tuple[Colour, ...] = ((98, 112, 74), (124, 124, 84), (150, 138, 106), (86, 98, 70), (128, 110, 88))
TREES: tuple[Colour, ...] = ((56, 72, 50), (64, 82, 56), (48, 62, 46), (74, 88, 62))
ASPHALT: Colour = (86, 86, 90)
PAVED: Colour = (128, 126, 122)
MARKING: Colour = (214, 214, 210)


@dataclass(frozen=True)
class Town:
    """What kind of town is drawn; lengths in pixels.

    Attributes:
        block_px: blocks shorter than the first are not divided any more, those longer than the second always are.
        paved: share of the blocks whose ground is paved.
        kinds: how often each of :data:`FILLS` occurs beside what is drawn; empty for all alike.
    """

    block_px: tuple[float, float] = (70, 130)
    paved: float = 0.6
    kinds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Road:
    """A straight street; ``along`` is 0 if it runs along u, 1 along v; ``centre`` lies across; pixels."""

    along: int
    centre: float
    begin: float
    end: float
    width: float

    def at(self, place: float, aside: float) -> tuple[float, float]:
        """(u, v) at ``place`` along the street, ``aside`` of its middle."""
        return (place, self.centre + aside) if self.along == 0 else (self.centre + aside, place)


@dataclass(frozen=True)
class Block:
    """A rectangle between streets: middle and size (u, v)."""

    u: float
    v: float
    length: float
    depth: float


def draw_town(canvas: Canvas, random: Random, town: Town = Town()) -> list[Road]:
    """Fills the canvas; returns its streets."""
    canvas.image[:] = ASPHALT
    reach = float(np.hypot(canvas.height, canvas.width))
    roads: list[Road] = []
    blocks: list[Block] = []
    _divide(Block(0, 0, reach, reach), 0, random, roads, blocks, town.block_px)
    fills = list(FILLS)
    weights = random.dirichlet(np.full(len(fills), 1.2)) * 0.7 + 0.3 / len(fills)
    if town.kinds:
        weights = weights * town.kinds / np.sum(weights * town.kinds)
    for block in blocks:
        ground = _vary(PAVED if random.random() < town.paved else CROPS[random.integers(len(CROPS))], random, 8)
        canvas.box((block.u, block.v), (block.length, block.depth), (168, 166, 160))
        inner = Block(block.u, block.v, block.length - 2, block.depth - 2)
        canvas.box((inner.u, inner.v), (inner.length, inner.depth), ground)
        fills[random.choice(len(fills), p=weights)](canvas, inner, random)
    for road in roads:
        _markings(canvas, road)
    return roads


def texture(height: int, width: int, random: Random) -> np.ndarray:
    """Roughness of surfaces at several sizes: factors about 1, float32 (FINE height, FINE width)."""
    total = np.ones((height * FINE, width * FINE), np.float32)
    for cell_px, strength in ((0.8, 0.015), (2.2, 0.03), (7.0, 0.05), (30.0, 0.09)):
        cells = (max(2, round(height / cell_px)), max(2, round(width / cell_px)))
        noise = random.standard_normal(cells, dtype=np.float32) * np.float32(strength)
        total += cv2.resize(noise, total.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return total


def _divide(
    block: Block, depth: int, random: Random, roads: list[Road], blocks: list[Block], block_px: tuple[float, float]
) -> None:
    """Cuts a block by a street, again and again."""
    longer = max(block.length, block.depth)
    if longer < block_px[0] or (longer < block_px[1] and random.random() < 0.35):
        blocks.append(block)
        return
    width = (15.0, 9.0, 7.0, 5.5)[min(depth // 2, 3)]
    cut = (random.uniform(0.36, 0.64) - 0.5) * longer
    if block.length >= block.depth:
        roads.append(Road(1, block.u + cut, block.v - block.depth / 2, block.v + block.depth / 2, width))
        sides = [(block.u - longer / 2, block.u + cut - width / 2), (block.u + cut + width / 2, block.u + longer / 2)]
        parts = [Block((low + high) / 2, block.v, high - low, block.depth) for low, high in sides]
    else:
        roads.append(Road(0, block.v + cut, block.u - block.length / 2, block.u + block.length / 2, width))
        sides = [(block.v - longer / 2, block.v + cut - width / 2), (block.v + cut + width / 2, block.v + longer / 2)]
        parts = [Block(block.u, (low + high) / 2, block.length, high - low) for low, high in sides]
    for part in parts:
        _divide(part, depth + 1, random, roads, blocks, block_px)


def _markings(canvas: Canvas, road: Road) -> None:
    """A dashed middle line; wide streets have a green strip and dashed lanes."""
    wide = road.width > 12
    length = road.end - road.begin
    if wide:
        size = (length, 1.6) if road.along == 0 else (1.6, length)
        canvas.box(road.at((road.begin + road.end) / 2, 0), size, (98, 108, 84))
    for aside in (-road.width / 4, road.width / 4) if wide else (0.0,):
        for place in np.arange(road.begin + 3, road.end - 3, 6.0):
            canvas.box(road.at(place, aside), (2.6, 0.5) if road.along == 0 else (0.5, 2.6), MARKING)


def _field(canvas: Canvas, block: Block, random: Random) -> None:
    colour = CROPS[random.integers(len(CROPS))]
    canvas.box((block.u, block.v), (block.length, block.depth), _vary(colour, random, 10))
    period = random.uniform(2.4, 5.5)
    for u in np.arange(block.u - block.length / 2 + period / 2, block.u + block.length / 2, period):
        canvas.box((u, block.v), (period * 0.45, block.depth - 2), _scaled(_vary(colour, random, 12), 0.74))
    for _ in range(random.integers(0, 6)):
        _tree(canvas, *_inside(block, random), random)


def _houses(canvas: Canvas, block: Block, random: Random) -> None:
    for u, v in _grid(block, random.uniform(13, 18), random.uniform(14, 20)):
        lawn = _vary(CROPS[random.integers(2)], random, 12)
        canvas.box((u, v), (12, 13), lawn)
        length, depth = random.uniform(7, 10), random.uniform(5.5, 7.5)
        tile = _vary(TILES[random.integers(len(TILES))], random, 10)
        canvas.box((u, v - 1), (length, depth), tile, height=3.0)
        canvas.box((u, v - 1 - depth / 4), (length, depth / 2), _scaled(tile, 1.28), height=0.01)
        canvas.box((u + length / 4, v + depth / 2 + 1), (2.2, 5), (160, 158, 152))
        if random.random() < 0.6:
            _car(canvas, (u + length / 4, v + depth / 2 + 1.5), 1, random)
        for _ in range(random.integers(1, 4)):
            _tree(canvas, u + random.uniform(-6, 6), v + random.uniform(3, 7), random)


def _halls(canvas: Canvas, block: Block, random: Random) -> None:
    for u, v in _grid(block, random.uniform(26, 40), random.uniform(22, 34)):
        length, depth = random.uniform(18, 24), random.uniform(14, 20)
        roof = _vary(ROOFS[random.integers(len(ROOFS))], random, 6)
        canvas.box((u, v), (length, depth), roof, height=random.uniform(4, 9))
        period = random.uniform(2.2, 4.5)
        for place in np.arange(-length / 2 + period, length / 2, period):
            canvas.box(
                (u + place, v), (period * 0.32, depth - 1), _scaled(roof, random.choice([0.82, 1.1])), height=0.01
            )
        for _ in range(random.integers(3, 10)):
            centre = (u + random.uniform(-0.4, 0.4) * length, v + random.uniform(-0.4, 0.4) * depth)
            size = (random.uniform(1.4, 3.2), random.uniform(1.4, 3.2))
            canvas.box((centre[0] + 0.7, centre[1] + 0.7), size, _scaled(roof, 0.5), height=0.01)
            canvas.box(centre, size, _vary((206, 208, 208), random, 30), height=0.01)
        for _ in range(random.integers(1, 6)):
            truck = (u + random.uniform(-11, 11), v + depth / 2 + random.uniform(2.5, 6))
            canvas.box(truck, (2.6, random.uniform(6, 10)), _vary((226, 226, 224), random, 24), height=2.0)


def _parking(canvas: Canvas, block: Block, random: Random) -> None:
    canvas.box((block.u, block.v), (block.length, block.depth), _vary((104, 104, 107), random, 10))
    full = random.uniform(0.45, 0.9)
    for v in np.arange(block.v - block.depth / 2 + 4, block.v + block.depth / 2 - 3, 9.5):
        for u in np.arange(block.u - block.length / 2 + 2, block.u + block.length / 2 - 2, 2.9):
            canvas.box((u - 1.45, v), (0.45, 5.2), MARKING)
            if random.random() < full:
                _car(canvas, (u, v + random.uniform(-0.4, 0.4)), 1, random)


def _containers(canvas: Canvas, block: Block, random: Random) -> None:
    canvas.box((block.u, block.v), (block.length, block.depth), _vary((78, 74, 72), random, 8))
    long = random.choice([6.2, 12.0])
    for v in np.arange(block.v - block.depth / 2 + long / 2 + 1, block.v + block.depth / 2 - long / 2, long + 2.2):
        favourite = CRATES[random.integers(len(CRATES))]
        for u in np.arange(block.u - block.length / 2 + 2, block.u + block.length / 2 - 2, 2.9):
            if random.random() < 0.86:
                colour = favourite if random.random() < 0.6 else CRATES[random.integers(len(CRATES))]
                canvas.box((u, v), (2.3, long), _vary(colour, random, 14), height=random.choice([2.2, 4.4]))


def _tanks(canvas: Canvas, block: Block, random: Random) -> None:
    canvas.box((block.u, block.v), (block.length, block.depth), _vary((122, 116, 108), random, 10))
    pitch = random.uniform(17, 26)
    for u, v in _grid(block, pitch, pitch):
        radius = random.uniform(0.28, 0.42) * pitch
        colour = _vary(((236, 236, 232), (228, 230, 230), (112, 134, 160))[random.integers(3)], random, 8)
        canvas.disc((u, v), radius, _scaled(colour, 0.86), height=random.uniform(4, 8))
        canvas.disc((u, v), radius - 0.8, colour, height=0.01)
        canvas.box((u, v), (radius, 0.7), _scaled(colour, 0.72), height=0.01)
        canvas.box((u + pitch / 2, v), (0.9, pitch), (196, 194, 188))
        canvas.box((u, v + pitch / 2), (pitch, 0.7), (182, 176, 168))


def _rails(canvas: Canvas, block: Block, random: Random) -> None:
    canvas.box((block.u, block.v), (block.length, block.depth), _vary((96, 86, 78), random, 8))
    for v in np.arange(block.v - block.depth / 2 + 3, block.v + block.depth / 2 - 2, 4.8):
        for aside in (-0.75, 0.75):
            canvas.box((block.u, v + aside), (block.length, 0.45), (176, 172, 168))
        u = block.u - block.length / 2 + 6
        while random.random() < 0.9 and u < block.u + block.length / 2 - 6:
            colour = _vary(CRATES[random.integers(len(CRATES))], random, 16)
            canvas.box((u, v), (9.6, 2.7), colour, height=3.4)
            canvas.box((u, v), (9.6, 0.6), _scaled(colour, 0.75), height=0.01)
            u += 10.6 if random.random() < 0.85 else 22.0


def _park(canvas: Canvas, block: Block, random: Random) -> None:
    canvas.box((block.u, block.v), (block.length, block.depth), _vary((102, 116, 78), random, 10))
    canvas.box((block.u, block.v), (block.length, 1.4), (186, 178, 160))
    for _ in range(int(block.length * block.depth / random.uniform(14, 40))):
        _tree(canvas, *_inside(block, random), random)


FILLS: tuple[Callable[[Canvas, Block, Random], None], ...] = (
    _field, _houses, _halls, _parking, _containers, _tanks, _rails, _park,
)  # fmt: skip


def _car(canvas: Canvas, centre: tuple[float, float], along: int, random: Random) -> None:
    colour = CARS[random.integers(len(CARS))]
    size, glass = ((1.9, 4.4), (1.6, 0.9)) if along else ((4.4, 1.9), (0.9, 1.6))
    canvas.box(centre, size, colour, height=1.2)
    canvas.box((centre[0], centre[1] + 0.9), glass, _scaled(colour, 0.45), height=0.01)


def _tree(canvas: Canvas, u: float, v: float, random: Random) -> None:
    radius = random.uniform(1.1, 2.8)
    colour = _vary(TREES[random.integers(len(TREES))], random, 8)
    canvas.disc((u, v), radius, colour, height=1.6 * radius)
    canvas.disc((u - 0.3 * radius, v - 0.3 * radius), 0.5 * radius, _scaled(colour, 1.3), height=0.01)


def _grid(block: Block, pitch_u: float, pitch_v: float) -> list[tuple[float, float]]:
    """Places in rows and columns, centred in the block."""
    columns, rows = max(1, int(block.length // pitch_u)), max(1, int(block.depth // pitch_v))
    return [
        (block.u + (column - (columns - 1) / 2) * pitch_u, block.v + (row - (rows - 1) / 2) * pitch_v)
        for row in range(rows)
        for column in range(columns)
    ]


def _inside(block: Block, random: Random) -> tuple[float, float]:
    u, v = random.uniform(-0.46, 0.46, 2)
    return block.u + u * block.length, block.v + v * block.depth


def _vary(colour: Colour, random: Random, amount: float) -> Colour:
    """Another brightness, and slightly another hue."""
    red, green, blue = np.clip(np.array(colour) + random.normal(0, amount) + random.normal(0, amount / 4, 3), 0, 255)
    return float(red), float(green), float(blue)


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255.0, value * factor) for value in colour)
    return red, green, blue
