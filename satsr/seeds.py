"""Random numbers as a pure function of (seed, purpose, index).

No draw depends on how many were made before it, on the process or on the worker, so a resumed, a parallel and an
uninterrupted run see the same numbers.
"""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A NumPy generator for one purpose, for instance ``generator(seed, "crop", item)``."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), len(index), *index])


def integer(seed: int, purpose: str, *index: int) -> int:
    """A 63-bit integer, for interfaces that take a plain seed."""
    return int(generator(seed, purpose, *index).integers(2**63 - 1))
