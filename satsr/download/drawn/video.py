"""Embedded satellite video: a drawn town under a camera that drifts and trembles, with traffic in its streets."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from satsr.download.drawn.canvas import FINE, Canvas, Colour, draw_box
from satsr.download.drawn.town import CARS, FILLS, Road, Town, draw_town, texture
from satsr.imagery.images import write_png
from satsr.progress import Bar
from satsr.seeds import generator

if TYPE_CHECKING:
    from satsr.download.card import Embedded

MARGIN = 16
"""Pixels of town around the frame, so that the camera can move."""
BLUR_SIGMA = 0.9
"""The optics' point spread, in sensor pixels."""
NOISE_SIGMA = 1.1
"""Read noise in grey levels; the shot noise of a white roof adds as much."""


@dataclass(frozen=True)
class Region:
    """Where and when clips are taken.

    Attributes:
        name: what everything is drawn for; another name gives other towns.
        town: what kind of town.
        shadow: shortest and longest shadow of a thing one pixel high.
        haze: least and most haze in grey levels.
        colour: (3,) factors of red, green and blue: the ground's own tint.
    """

    name: str
    town: Town
    shadow: tuple[float, float]
    haze: tuple[float, float]
    colour: tuple[float, float, float]


AWAY = Region(
    "video of test", Town((46, 96), 0.3, (0.6, 2.5, 1, 0.6, 0.6, 0.6, 0.6, 1.5)), (1.2, 2.0), (12, 30), (1.06, 1, 0.9)
)
"""Test clips: small blocks, many houses and little pavement, a low sun, warm ground."""


def home(seed: int, index: int) -> Region:
    """The region of a clip for training or validation: each is another, so that no kind of town is learnt by heart.

    Args:
        seed: of the dataset.
        index: of the clip.
    """
    random = generator(seed, "region of video", index)
    shortest = random.uniform(44, 76)
    town = Town(
        block_px=(shortest, shortest * random.uniform(1.7, 2.1)),
        paved=random.uniform(0.2, 0.75),
        kinds=tuple(np.exp(random.normal(0, 0.5, len(FILLS)))),
    )
    red, green, blue = random.uniform((0.94, 0.96, 0.9), (1.06, 1.04, 1.06))
    return Region("video", town, (0.4, 2.0), (4, 30), (red, green, blue))


@dataclass(frozen=True)
class _Vehicle:
    """Where a vehicle is at frame 0, in pixels of the canvas, and how it moves."""

    start: np.ndarray
    velocity: np.ndarray
    size: tuple[float, float]
    colour: Colour
    angle: float


def render_clip(
    seed: int, index: int, frames: int, height: int, width: int, region: Region | None = None
) -> np.ndarray:
    """One clip; the same arguments give the same clip.

    Args:
        seed: of the dataset.
        index: of the clip.
        frames: T.
        height: in pixels.
        width: in pixels.
        region: where it is taken; None for :func:`home`.

    Returns:
        uint8 (T, H, W, 3) RGB.
    """
    region = region or home(seed, index)
    random = generator(seed, region.name, index)
    sun = random.uniform(0, 2 * np.pi)
    length = random.uniform(*region.shadow)
    canvas = Canvas(
        height + 2 * MARGIN,
        width + 2 * MARGIN,
        random.uniform(-np.pi / 2, np.pi / 2),
        (length * np.cos(sun), length * np.sin(sun)),
    )
    roads = draw_town(canvas, random, region.town)
    town = canvas.finish(texture(canvas.height, canvas.width, random))
    traffic = [vehicle for road in roads for vehicle in _vehicles(road, canvas, frames, random)]
    offsets = _camera(frames, random)
    haze = random.uniform(*region.haze)
    tint = random.uniform(0.96, 1.04, 3).astype(np.float32) * np.float32(random.uniform(0.86, 1.0))
    tint *= np.array(region.colour, np.float32)
    clip = np.empty((frames, height, width, 3), np.uint8)
    for time in range(frames):
        scene = town.copy()
        for vehicle in traffic:
            _drive(scene, vehicle, time, canvas.sun)
        clip[time] = _expose(scene, offsets[time], (height, width), tint, haze, random)
    return clip


def write_scenes(folder: Path, source: "Embedded") -> None:
    """Writes the clips of a card as ``{train,val,test}/GT/<clip>/<frame>.png``, the layout ``gt_lr``."""
    scenes = source.scenes()
    with Bar("drawing clips", len(scenes)) as bar:
        for split, number in scenes:
            frames, size = source.shape(split)
            clip = render_clip(source.seed, number, frames, *size, AWAY if split == "test" else None)
            index = number - source.train if split == "val" else number
            for time, frame in enumerate(clip):
                write_png(folder / split / "GT" / f"{index:03d}" / f"{time:08d}.png", frame)
            bar.advance()


def _camera(frames: int, random: np.random.Generator) -> np.ndarray:
    """Offsets (T, 2) in pixels: a steady drift, a slow sway and a small tremble, never more than the margin."""
    direction = random.uniform(0, 2 * np.pi)
    speed = min(random.uniform(0.15, 0.7), 2 * (MARGIN - 3) / frames)
    time = np.arange(frames)[:, None]
    drift = speed * (time - frames / 2) * np.array([np.cos(direction), np.sin(direction)])
    sway = 0.8 * np.sin(2 * np.pi * time / random.uniform(18, 40, 2) + random.uniform(0, 2 * np.pi, 2))
    offsets: np.ndarray = drift + sway + np.clip(random.normal(0, 0.12, (frames, 2)), -0.5, 0.5)
    return offsets


def _vehicles(road: Road, canvas: Canvas, frames: int, random: np.random.Generator) -> list[_Vehicle]:
    """Both directions of a street, right-hand traffic."""
    vehicles = []
    for way in (-1, 1):
        place = road.begin + random.uniform(0, 30)
        speed = random.uniform(0.25, 1.1)
        while place < road.end:
            truck = random.random() < 0.15
            start, ahead = canvas.points(
                np.array([road.at(place, way * road.width / 4), road.at(place + way, way * road.width / 4)])
            )
            vehicles.append(
                _Vehicle(
                    start,
                    (ahead - start) * speed,
                    (8.5, 2.5) if truck else (4.4, 1.9),
                    CARS[random.integers(2 if truck else len(CARS))],
                    float(np.arctan2(*(ahead - start)[::-1])),
                )
            )
            place += random.uniform(12, 90)
    return vehicles


def _drive(scene: np.ndarray, vehicle: _Vehicle, time: int, sun: tuple[float, float]) -> None:
    """Draws a vehicle with its shadow into a fine image."""
    centre = vehicle.start + vehicle.velocity * time
    if (centre < -8).any() or (centre * FINE > np.array(scene.shape[1::-1]) + 8 * FINE).any():
        return
    draw_box(scene, centre + np.array(sun) * 0.9, vehicle.size, vehicle.angle, (44, 44, 48))
    draw_box(scene, centre, vehicle.size, vehicle.angle, vehicle.colour)


def _expose(
    scene: np.ndarray,
    offset: np.ndarray,
    size: tuple[int, int],
    tint: np.ndarray,
    haze: float,
    random: np.random.Generator,
) -> np.ndarray:
    """The camera: optics, sampling at a sub-pixel offset, haze, noise, 8 bits."""
    blurred = cv2.GaussianBlur(scene, (0, 0), BLUR_SIGMA * FINE)
    # Middle of sensor pixel 0 on the canvas, which counts from the middle of its own pixel 0.
    shift = (np.array([MARGIN, MARGIN]) + offset + 0.5) * FINE - 0.5
    matrix = np.array([[FINE, 0, shift[0]], [0, FINE, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    frame = cv2.warpAffine(blurred, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    gray = frame.mean(axis=2, keepdims=True)
    frame = gray + 0.72 * (frame - gray)
    frame = frame * tint * ((255 - haze) / 255) + haze
    noise = random.standard_normal(frame.shape, dtype=np.float32) * NOISE_SIGMA * np.sqrt(0.5 + frame / 255)
    exposed: np.ndarray = np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)
    return exposed
