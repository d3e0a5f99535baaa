"""A textbook reconstruction from images whose offsets are known: least squares with a little smoothness."""

from collections.abc import Sequence

import numpy as np

from satsr.degrade import apertures


def reconstruct(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    offsets: Sequence[np.ndarray],
    scale: int,
    blur: float,
) -> np.ndarray:
    """The image (scale h, scale w, C) that the sensor sees as ``images`` (h, w, C) where ``masks`` are set."""
    height, width, _ = images[0].shape
    sensors = [
        (
            apertures(height * scale, height, scale, offset[0], blur),
            apertures(width * scale, width, scale, offset[1], blur),
        )
        for offset in offsets
    ]
    weights = [np.asarray(mask, dtype=float)[..., None] for mask in masks]

    def seen(x: np.ndarray) -> list[np.ndarray]:
        return [both(rows, columns, x) * weight for (rows, columns), weight in zip(sensors, weights, strict=True)]

    def gathered(residuals: Sequence[np.ndarray]) -> np.ndarray:
        parts = zip(sensors, weights, residuals, strict=True)
        return sum(both(rows.T, columns.T, weight * residual) for (rows, columns), weight, residual in parts)

    def normal(x: np.ndarray) -> np.ndarray:
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        return gathered(seen(x)) + 0.02 * (4 * x - around)

    x = images[0].repeat(scale, axis=0).repeat(scale, axis=1)
    residual = gathered([image * weight for image, weight in zip(images, weights, strict=True)]) - normal(x)
    direction, energy = residual.copy(), float((residual**2).sum())
    for _ in range(40):  # conjugate gradients
        image = normal(direction)
        step = energy / float((direction * image).sum())
        x, residual = x + step * direction, residual - step * image
        before, energy = energy, float((residual**2).sum())
        direction = residual + energy / before * direction
    return x


def both(rows: np.ndarray, columns: np.ndarray, image: np.ndarray) -> np.ndarray:
    """``rows`` applied down and ``columns`` across."""
    return np.stack([(columns @ (rows @ image[..., band]).T).T for band in range(image.shape[2])], axis=2)
