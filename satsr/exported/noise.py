"""Noise that belongs to places, so that a diffusion network starts from the same numbers wherever windows overlap."""

import numpy as np
import numpy.typing as npt

from satsr.seeds import generator

CELL_PX = 64


def noise(
    seed: int, sample: int, bands: int, corner: tuple[int, int], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """A part of an endless plane of standard normal numbers, which is drawn cell by cell.

    Args:
        seed: of the plane.
        sample: another one is an independent plane of the same seed.
        bands: of the plane.
        corner: row and column of the part's first pixel, at least 0.
        shape: height and width of the part.

    Returns:
        (bands, height, width) float32.
    """
    rows, columns = (
        range(place // CELL_PX, (place + side - 1) // CELL_PX + 1) for place, side in zip(corner, shape, strict=True)
    )

    def cell(row: int, column: int) -> npt.NDArray[np.float32]:
        drawn = generator(seed, "noise", sample, row, column).standard_normal((bands, CELL_PX, CELL_PX), np.float32)
        return np.asarray(drawn)

    plane = np.block([[cell(row, column) for column in columns] for row in rows])
    top, left = corner[0] - CELL_PX * rows.start, corner[1] - CELL_PX * columns.start
    return plane[:, top : top + shape[0], left : left + shape[1]]
