"""Radiometry as a hard constraint: low frequencies of a result from its input, high ones from the network.

A network may change the level of a surface, and one with a saturating normalisation must. Both constraints here put the
input's level back. They are linear and leave an output alone that is its input when it is made small again. With x the
input, S the network's output, D the model's own degradation and E the cubic enlargement:

``frequency``: S + G E (x - D S), G a Gaussian whose response is 0.5 at the Nyquist frequency of the input's grid,
1 / (2 scale) cycles a fine pixel. The filter is that of SEN2SR's hard constraint (Aybar et al. 2025), as a blur instead
of a product in the Fourier domain, so that windows can have it. SEN2SR blurs the difference between the enlarged input
and S; but an enlarged input lacks middle frequencies that a good S has, and they would be taken away: the difference is
taken at low resolution instead.

``backprojection``: S + E (D E)^-1 (x - D S). Made small again, the result *is* the input, noise and all. It is where
iterative back-projection, S <- S + E (x - D S), ends (Irani and Peleg 1991); D and E are products of an axis each, so
the end is computed at once. E is all but a multiple of D's transpose, so where D made the input of the reference, the
result comes nearer to it in the mean square.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.degrade import gaussian, shrink
from satsr.errors import SatsrError
from satsr.resize import BORDERS, KERNELS, axis_weights, imresize
from satsr.sparse import Banded, Taps, matrix

Float32 = npt.NDArray[np.float32]
REACH = {"none": 0, "frequency": 4, "backprojection": 8}
"""LR px beyond which a change of the input, or of the network's output, changes a result by less than a
five-thousandth of it (tests/test_constraint.py)."""
METHODS = tuple(REACH)
NO_INPUT = ("imageset",)
"""Kinds of models whose results have no one input on their grid."""
WIDTH = sqrt(2 * log(2)) / pi
"""Standard deviation of the Gaussian whose response is 0.5 at half a cycle: in LR px."""


@dataclass(frozen=True)
class Constraint:
    """How a result is held to its input.

    Attributes:
        method: one of :data:`METHODS`.
        shrink: what makes a result as small as the input, a key of :data:`satsr.resize.KERNELS`.
        border: of the cubic, one of :data:`satsr.resize.BORDERS`.

    Raises:
        SatsrError: one of them is not known.
    """

    method: str = "none"
    shrink: str = "cubic"
    border: str = "mirror"

    def __post_init__(self) -> None:
        known_words = {"method": METHODS, "shrink": tuple(KERNELS), "border": BORDERS}
        for word, known in known_words.items():
            found = getattr(self, word)
            if found not in known:
                raise SatsrError(f"the {word} of a constraint must be one of {', '.join(known)}, found {found!r}.")

    @property
    def reach(self) -> int:
        """LR px by which windows must overlap more than without it, on each side."""
        return REACH[self.method]

    def small(self, fine: np.ndarray, scale: int) -> np.ndarray:
        """A result (sH, sW, C) made as small as its input, (H, W, C)."""
        return shrink(fine, scale, self.shrink, self.border)


def require_offered(method: str, kind: str) -> None:
    """Refuses a constraint where a result has no input that it could be held to.

    Raises:
        SatsrError: so.
    """
    if method != "none" and kind in NO_INPUT:
        raise SatsrError(
            f"a constraint holds a result to its input, but a model of the kind {kind} makes one image of views that "
            "nobody has registered, none of which lies on its grid: leave --constraint out, or use none."
        )


def parsed(described: Any, kind: str, reflectance: bool) -> Constraint:
    """The constraint of a model's description; where that says nothing, reflectances are held to their input.

    Args:
        described: the description's entry ``constraint`` (``method``, ``shrink``, ``border``), or None.
        kind: of the model.
        reflectance: whether its native values are reflectances.

    Raises:
        SatsrError: an unknown method, shrink or border.
    """
    unregistered = kind in NO_INPUT
    default = Constraint(
        "frequency" if reflectance and not unregistered else "none", "area" if unregistered else "cubic"
    )
    said = described if isinstance(described, Mapping) else {}
    return replace(default, **{word: str(said[word]) for word in ("method", "shrink", "border") if word in said})


def constrained(fine: np.ndarray, coarse: np.ndarray, scale: int, constraint: Constraint) -> Float32:
    """A network's output, held to its input.

    Args:
        fine: (sH, sW, C) the output, native values.
        coarse: (H, W, C) the input, native values as they are: not clipped to what the network sees.
        scale: SR px per LR px.
        constraint: how.

    Returns:
        (sH, sW, C) float32 native values, not clipped.

    Raises:
        SatsrError: the shapes do not fit each other.
    """
    if fine.shape != (coarse.shape[0] * scale, coarse.shape[1] * scale, coarse.shape[2]):
        raise SatsrError(
            f"a result of {fine.shape} cannot be held to an input of {coarse.shape} (rows, columns, bands): it should "
            f"have {scale} times the rows and columns and the same bands."
        )
    fine, coarse = fine.astype(np.float32, copy=False), coarse.astype(np.float32, copy=False)
    if constraint.method == "none":
        return fine
    planes = [_constrained(fine[..., band], coarse[..., band], scale, constraint) for band in range(fine.shape[2])]
    return np.moveaxis(np.stack(planes), 0, -1)


def _constrained(fine: Float32, coarse: Float32, scale: int, constraint: Constraint) -> Float32:
    """One band, which stays in the processor's cache."""
    missing = coarse - constraint.small(fine, scale)
    if constraint.method == "frequency":
        return np.asarray(fine + softened(missing, scale), np.float32)
    return np.asarray(fine + imresize(solved(missing, scale, constraint), scale), np.float32)


def softened(plane: Float32, scale: int) -> Float32:
    """G E of a plane (H, W): enlarged by the cubic and blurred, each axis at once."""
    rows, columns = (_soft(side, scale) for side in plane.shape)
    return np.asarray(rows @ np.ascontiguousarray((columns @ np.ascontiguousarray(plane.T)).T))


def held(made: Float32, given: np.ndarray, scale: int, constraint: Constraint) -> Float32:
    """The same for several images, (N, C, sH, sW) and (N, C, H, W), in place."""
    for image, coarse in zip(made, given, strict=True):
        done = constrained(np.moveaxis(image, 0, -1), np.moveaxis(coarse, 0, -1), scale, constraint)
        image[:] = np.moveaxis(done, -1, 0)
    return made


def solved(image: Float32, scale: int, constraint: Constraint) -> Float32:
    """What, enlarged and made small again, is ``image``, (H, W) or (H, W, C)."""
    way = scale, constraint.shrink, constraint.border
    rows = _axis(image.shape[0], *way).solve(image.reshape(len(image), -1).astype(np.float64))
    columns = rows.reshape(image.shape).swapaxes(0, 1)
    done = _axis(image.shape[1], *way).solve(columns.reshape(len(columns), -1))
    return np.ascontiguousarray(done.reshape(columns.shape).swapaxes(0, 1), np.float32)


@lru_cache(maxsize=64)
def _axis(size: int, scale: int, kernel: str, border: str) -> Banded:
    """One axis enlarged and made small again, (size, size) with few diagonals, ready to be solved."""
    border = border if kernel == "cubic" else "cut"
    down = axis_weights(size * scale, 1 / scale, border, "float64", kernel)
    return Banded(down, axis_weights(size, float(scale), "mirror", "float64"))


@lru_cache(maxsize=64)
def _soft(size: int, scale: int) -> Taps:
    """One axis enlarged by the cubic and blurred with a mirrored border, (scale * size, size) with few diagonals."""
    length, taps = size * scale, gaussian(WIDTH * scale)
    places = (np.arange(length)[:, None] + np.arange(len(taps)) - len(taps) // 2) % (2 * length)
    places = np.minimum(places, 2 * length - 1 - places)
    enlarged = axis_weights(size, float(scale), "mirror", "float64")
    weights = (taps[:, None] * enlarged.data[places]).reshape(length, -1)
    return matrix(enlarged.columns[places].reshape(length, -1), weights, size, np.float32)
