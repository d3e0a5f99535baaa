"""One image that is not loaded yet."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One array that is not loaded yet.

    Attributes:
        origin: the file it comes from, for messages.
        load: gives the array, or raises SatsrError.
    """

    origin: str
    load: Callable[[], np.ndarray]
