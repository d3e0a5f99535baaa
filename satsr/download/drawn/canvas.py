"""A canvas to draw towns on: sub-pixel polygons in turned axes, and shadows that fall on the ground."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

FINE = 3
"""Canvas pixels per sensor pixel."""
SHIFT = 4
"""Fractional bits of OpenCV's polygon coordinates."""
DARKNESS = 0.62
Colour = tuple[float, float, float]


@dataclass
class Canvas:
    """What is seen from above; lengths in sensor pixels, positions in axes turned against the image.

    Attributes:
        height: of the canvas.
        width: of the canvas.
        angle: of its axes against the image, in radians.
        sun: shadow of a thing one pixel high, (x, y) in the image.
        image: uint8 (FINE height, FINE width, 3) RGB.
        shade: uint8 (FINE height, FINE width), 255 where a shadow lies on the ground.
    """

    height: int
    width: int
    angle: float
    sun: tuple[float, float]
    image: np.ndarray = field(init=False)
    shade: np.ndarray = field(init=False)
    _tall: list[tuple[np.ndarray, Colour]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = np.zeros((self.height * FINE, self.width * FINE, 3), np.uint8)
        self.shade = np.zeros(self.image.shape[:2], np.uint8)

    def box(self, centre: Sequence[float], size: Sequence[float], colour: Colour, height: float = 0.0) -> None:
        """A rectangle (u, v) of ``size``; with a height it throws a shadow and hides what is on the ground."""
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (np.array(size) / 2) + np.array(centre)
        self.shape(corners, colour, height)

    def disc(self, centre: Sequence[float], radius: float, colour: Colour, height: float = 0.0) -> None:
        """A circle; with a height as :meth:`box`."""
        turn = np.linspace(0, 2 * np.pi, 8 if radius < 3 else 20, endpoint=False)
        self.shape(np.array(centre) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1), colour, height)

    def shape(self, outline: np.ndarray, colour: Colour, height: float = 0.0) -> None:
        """A convex polygon (N, 2); with a height as :meth:`box`. Things are hidden by later ones of their kind."""
        points = self.points(outline)
        if points.max() < 0 or (points.min(axis=0) > (self.width, self.height)).any():
            return
        if not height:
            _fill(self.image, points, colour)
            return
        shadow = cv2.convexHull(np.concatenate([points, points + np.array(self.sun) * height]).astype(np.float32))
        _fill(self.shade, shadow[:, 0], 255)
        self._tall.append((points, colour))

    def finish(self, texture: np.ndarray) -> np.ndarray:
        """The picture: ground in shadow, then what stands on it, roughened by ``texture`` (factors about 1, (h, w))."""
        shade = cv2.GaussianBlur(self.shade, (0, 0), 0.3 * FINE)
        factors = 1 - shade.astype(np.float32) * (DARKNESS / 255)
        image = cv2.multiply(self.image.astype(np.float32), cv2.merge([factors] * 3)).astype(np.uint8)
        for points, colour in self._tall:
            _fill(image, points, colour)
        rough = cv2.multiply(image.astype(np.float32), cv2.merge([texture] * 3))
        return np.clip(rough, 0, 255).astype(np.uint8)

    def points(self, local: np.ndarray) -> np.ndarray:
        """Positions (N, 2) as (x, y) in the image."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        points: np.ndarray = local @ np.array([[cosine, sine], [-sine, cosine]]) + (self.width / 2, self.height / 2)
        return points


def draw_box(image: np.ndarray, centre: Sequence[float], size: Sequence[float], angle: float, colour: Colour) -> None:
    """Fills a turned rectangle straight into a fine image; position, size in sensor pixels, angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (np.array(size) / 2)
    _fill(image, corners @ np.array([[cosine, sine], [-sine, cosine]]) + np.array(centre), colour)


def _fill(image: np.ndarray, points: np.ndarray, colour: Colour | float) -> None:
    fixed = np.round(points * (FINE << SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(image, fixed, colour, cv2.LINE_AA, SHIFT)
