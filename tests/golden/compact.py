"""The compact form of an array: some of its values, two corners, and the means of its parts.

An array of at most ``WHOLE`` values is kept as it is. Of a larger one remain, in this order, ``POINTS`` values at
places drawn from a seed, the first corner of its first plane and the last corner of its last, and the means of
``PARTS`` equal runs of its values, so that every value counts somewhere.
"""

import zlib

import numpy as np

WHOLE, POINTS, CORNER, PARTS = 1024, 384, 8, 256


def places(shape: tuple[int, ...]) -> np.ndarray:
    """Where the kept values lie in the flat array: drawn ones, then the corners."""
    size = int(np.prod(shape))
    rng = np.random.default_rng(zlib.crc32(repr(tuple(shape)).encode()))
    flat = np.arange(size).reshape(-1, *(1, *shape)[-2:])
    corners = flat[0, :CORNER, :CORNER].ravel(), flat[-1, -CORNER:, -CORNER:].ravel()
    return np.concatenate([rng.integers(0, size, POINTS), *corners])


def values(array: np.ndarray) -> np.ndarray:
    """What is kept of the array itself."""
    return array.reshape(-1)[places(array.shape)]


def means(array: np.ndarray) -> np.ndarray:
    """The means of its parts, in double precision."""
    starts = np.linspace(0, array.size, PARTS, endpoint=False).astype(int)
    sums = np.add.reduceat(array.reshape(-1).astype(np.float64), starts)
    return sums / np.diff(starts, append=array.size)


def pack(array: np.ndarray) -> np.ndarray:
    """One vector, of the array's own type or of a type that holds the means of integers."""
    kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    return np.concatenate([values(array).astype(kind), means(array).astype(kind)])


def unpack(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kept values and the means."""
    return packed[:-PARTS], packed[-PARTS:]
