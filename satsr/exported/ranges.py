"""Whether an array holds the numbers that a model expects: 0..255 or reflectances times 10000, not 0..1."""

from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.exported.facts import Facts

DARKEST = 0.001
"""An array of floats whose largest value is at most this share of the model's range, or at most 2, is taken for one in
0..1: as an image it would be black."""
SIGNED = -0.5
"""Numbers in -1..1 have values below this; reflectances in 0..1 fall below 0 by a little, where haze was taken off."""
ABOVE = 1.01
"""Times the largest native value that 8-bit frames may have, as resampling leaves them."""


def require_native(facts: Facts, values: npt.NDArray[Any], name: str) -> None:
    """Looks whether values are native ones of a model, which a network cannot tell: it would give an image of noise.

    Args:
        facts: of the model.
        values: any shape, finite.
        name: of the model.

    Raises:
        SatsrError: they lie in 0..1 or -1..1, are 8-bit where reflectances are expected, or above what 8 bits hold.
    """
    low, high = float(values.min()), float(values.max())
    top = facts.normalisation.native[1]
    expected = f"0..{top:g}" + (" (reflectance x 10000)" if facts.reflectance else "")
    found = f"{name} takes numbers in {expected}, found {values.dtype} between {low:g} and {high:g}"
    small = values.dtype.kind == "f" and high <= max(2.0, DARKEST * top)
    signed, unit = f"(x + 1) * {top / 2:g} of numbers in -1..1", f"add gain={top:g} for numbers in 0..1"
    if small and -2 <= low < SIGNED:
        raise SatsrError(f"{found}: give native numbers, {signed}, or add gain=1 if they are right as they are.")
    if small and SIGNED <= low < 0:
        raise SatsrError(f"{found}: {unit}, a few of which lie below 0, give {signed}, or add gain=1 to go on.")
    if small and low >= 0 and high > 0:
        raise SatsrError(f"{found}: {unit}, or gain=1 if they are right as they are.")
    if facts.reflectance and values.dtype == np.uint8:
        raise SatsrError(f"{found}: give the original product, not a picture of it, or add gain=1 to go on.")
    if top <= 255 and high > top * ABOVE:
        raise SatsrError(f"{found}: add gain={top / high:.3g} to bring them into it, or gain=1 to go on.")
