"""Where a scene's windows lie, and with which weights their patches fade into each other.

Source: opensr-utils 2.0, whose windows and weights these are.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from satsr.errors import SatsrError

RAMPS = ("sigmoid", "linear", "cosine")
STEEPNESS = 6.0  # of the sigmoid, before it is stretched to end at 0 and 1


def windows(length: int, window: int, overlap: int) -> list[int]:
    """Where windows start along one axis: every ``window - overlap`` pixels, and a last one that ends at the end.

    An axis no longer than a window has one window, which is the whole axis.

    Raises:
        SatsrError: the overlap is negative or not smaller than the window, or the axis is empty.
    """
    if length < 1 or not 0 <= overlap < window:
        raise SatsrError(
            f"a window must be larger than its overlap, and the overlap not negative: got a window of {window} px with "
            f"an overlap of {overlap} px on {length} px. Choose a larger window or a smaller overlap."
        )
    last = max(length - window, 0)
    starts = list(range(0, last + 1, window - overlap))
    return starts if starts[-1] == last else [*starts, last]


def ramp(n: int, kind: str = "sigmoid") -> NDArray[np.float32]:
    """``n`` weights that rise from 0 to 1.

    Raises:
        SatsrError: the kind is not ``linear``, ``cosine`` or ``sigmoid``.
    """
    t = np.linspace(0, 1, n)
    if kind == "linear":
        rise = t
    elif kind == "cosine":
        rise = 0.5 * (1 - np.cos(math.pi * t))
    elif kind == "sigmoid":
        rise = 1 / (1 + np.exp(-STEEPNESS * (t - 0.5)))
        rise = (rise - rise[:1]) / (rise[-1:] - rise[:1]) if n > 1 else t
    else:
        raise SatsrError(f"no ramp is called {kind!r}: the kinds are {', '.join(RAMPS)}")
    return rise.astype(np.float32)


@dataclass(frozen=True)
class Seams:
    """How neighbouring patches fade into each other.

    Attributes:
        window: height and width of a window in LR px.
        overlap: of neighbouring windows in LR px.
        eliminate: LR px at a patch's edge that are not used at all, where it has a neighbour.
        kind: of the ramp over the rest of the overlap.

    Raises:
        SatsrError: the numbers do not fit together, so that pixels would be left without a weight.
    """

    window: int = 128
    overlap: int = 12
    eliminate: int = 2
    kind: str = "sigmoid"

    def __post_init__(self) -> None:
        windows(self.window, self.window, self.overlap)
        ramp(2, self.kind)
        spare = self.overlap - 2 * self.eliminate
        if self.eliminate < 0 or (spare < 2 and (self.overlap, self.eliminate) != (0, 0)):
            raise SatsrError(
                f"the overlap must be at least 2 px more than twice the eliminated border, or both 0: got an overlap "
                f"of {self.overlap} px and {self.eliminate} px eliminated. Enlarge the overlap or eliminate less."
            )

    def weight(self, scale: int, length: int, before: bool, after: bool) -> NDArray[np.float32]:
        """The weights along one axis of a patch.

        Args:
            scale: SR px per LR px.
            length: of the axis in LR px.
            before: whether the patch has a neighbour before it; where it has none it counts in full.
            after: whether it has one behind it.

        Returns:
            (scale * length,) float32 in 0..1.
        """
        weight = np.ones(scale * length, np.float32)
        dead = scale * self.eliminate
        fade = np.concatenate([np.zeros(dead, np.float32), ramp(scale * (self.overlap - self.eliminate), self.kind)])
        if self.overlap and before:
            weight[: len(fade)] = np.minimum(weight[: len(fade)], fade)
        if self.overlap and after:
            weight[-len(fade) :] = np.minimum(weight[-len(fade) :], fade[::-1])
        return weight


class Axis:
    """The windows along one axis and their weights, normalised so that they add up to 1 at every pixel.

    The weight of a patch is the product of its row's and its column's, so normalising each axis normalises the scene,
    and no raster of weights is needed.
    """

    def __init__(self, length: int, scale: int, seams: Seams) -> None:
        self.starts = windows(length, seams.window, seams.overlap)
        self.size = min(length, seams.window)
        raw = [
            seams.weight(scale, self.size, before=start > 0, after=start + self.size < length) for start in self.starts
        ]
        total = np.zeros(scale * length, np.float64)
        for start, weight in zip(self.starts, raw, strict=True):
            total[scale * start :][: len(weight)] += weight
        self.weights = {
            start: (weight / total[scale * start :][: len(weight)]).astype(np.float32)
            for start, weight in zip(self.starts, raw, strict=True)
        }
        # Elsewhere weights are 1, so that most of a patch need not be multiplied.
        self._faded = {start: _faded(weight) for start, weight in self.weights.items()}
        ends = zip(self.starts, [*self.starts[1:], length], strict=True)
        self.final = {start: scale * (end - start) for start, end in ends}
        """SR px of a window that no later window has a part in."""

    def weigh(self, values: NDArray[np.float32], start: int, axis: int) -> None:
        """Multiplies a patch (h, w) by the weights of its rows (axis 0) or columns (1), in place."""
        for part in self._faded[start]:
            if axis:
                values[:, part] *= self.weights[start][part]
            else:
                values[part] *= self.weights[start][part, None]


def _faded(weight: NDArray[np.float32]) -> list[slice]:
    """The parts of an axis whose weights are not 1: both ends, or all of it."""
    whole = np.flatnonzero(weight == 1)
    if not len(whole) or len(whole) != whole[-1] + 1 - whole[0]:
        return [slice(0, len(weight))]
    ends = [slice(0, int(whole[0])), slice(int(whole[-1]) + 1, len(weight))]
    return [part for part in ends if part.start < part.stop]
