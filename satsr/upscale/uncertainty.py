"""Where a network wavers, for those who measure on its result."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.exported.model import Model

Float32 = npt.NDArray[np.float32]
WAYS = 8


def outputs(model: Model, planes: np.ndarray, **more: Any) -> Iterator[Float32]:
    """What a model gives for the same windows in eight ways, the usual one first.

    A diffusion network is given other noise, any other network the eight turns and mirrors of its input.

    Args:
        model: the network.
        planes: (B, N, h, w) native values.
        more: further arguments of :meth:`satsr.exported.model.Model.predict`.

    Yields:
        (B, M, s h, s w), turned back.
    """
    for index in range(WAYS):
        if model.draws:
            yield model.predict(planes, **more, sample=index)
            continue
        turns, mirrored = index // 2, index % 2 == 1
        view = np.rot90(planes, turns, (-2, -1))
        result = model.predict(np.ascontiguousarray(view[..., ::-1] if mirrored else view), **more)
        yield np.rot90(result[..., ::-1] if mirrored else result, -turns, (-2, -1))


def moments(values: Iterable[np.ndarray]) -> tuple[Float32, Float32]:
    """Mean and standard deviation of equal arrays, of which there is at least one; they are not kept."""
    rest = iter(values)
    total = next(rest).astype(np.float64)
    squares, count = total**2, 1
    for value in rest:
        wide = value.astype(np.float64)
        total += wide
        squares += wide**2
        count += 1
    mean = total / count
    return mean.astype(np.float32), np.sqrt(np.maximum(squares / count - mean**2, 0)).astype(np.float32)
