"""A batch in equal parts, each computed on a thread of its own, so that small networks use all cores.

A convolution of a reduced network is too short to be worth dividing among threads; a part of the batch is not. The
number of parts is a setting and the sum over them has one order, so the result does not depend on the number of cores.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from satsr.errors import SatsrError

Batch = Mapping[str, Tensor]
Loss = Callable[[Batch], Tensor]
Part = tuple[Tensor, list[Tensor | None]]


def in_shares(loss: Loss, batch: Batch, parameters: Sequence[Tensor], count: int) -> Tensor:
    """The mean of a loss over equal parts of a batch, with its gradient.

    It is the loss of the whole batch, up to rounding, where that is a mean over its items and nothing else joins
    them: no batch normalisation. What is drawn at random (dropout) would differ from run to run.

    Args:
        loss: of a batch; called on several threads at once.
        batch: tensors (N, ...).
        parameters: what is trained; only these get gradients.
        count: of parts; 1 is ``loss(batch)`` itself.

    Returns:
        A scalar, to be differentiated once.

    Raises:
        SatsrError: N is not a multiple of ``count``.
    """
    if count == 1:
        return loss(batch)
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    autocast = _autocast(next(iter(batch.values())).device.type)

    def compute(part: Batch) -> Part:
        with torch.autocast(**autocast):
            value = loss(part)
        return value.detach(), list(torch.autograd.grad(value, trained, allow_unused=True))

    values, gradients = zip(*_pool(count, torch.get_num_threads()).map(compute, _parts(batch, count)), strict=True)
    means = [_mean(parts) for parts in zip(*gradients, strict=True)]
    result: Tensor = _Known.apply(torch.stack(values).mean(), means, *trained)  # type: ignore[no-untyped-call]
    return result


class _Known(torch.autograd.Function):
    """A value whose gradients are known already."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor | None], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(None if known is None else known * outer[0] for known in ctx.gradients)


def _parts(batch: Batch, count: int) -> list[Mapping[str, Tensor]]:
    items = len(next(iter(batch.values())))
    if items % count:
        raise SatsrError(
            f"a batch of {items} samples cannot be divided into train.shares = {count} equal parts: make train.batch "
            "(with several processes, each one's part of it) a multiple of train.shares."
        )
    size = items // count
    return [{name: value[first : first + size] for name, value in batch.items()} for first in range(0, items, size)]


def _mean(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Over all parts, in their order; None where no part has one."""
    known = [gradient for gradient in gradients if gradient is not None]
    return sum(known[1:], known[0]) / len(gradients) if known else None


def _autocast(device: str) -> dict[str, Any]:
    """Of the calling thread: another one starts without it."""
    return {
        "device_type": device,
        "dtype": torch.get_autocast_dtype(device),
        "enabled": torch.is_autocast_enabled(device),
    }


@lru_cache(maxsize=1)
def _pool(count: int, threads: int) -> ThreadPoolExecutor:
    """The threads; ``threads`` is how many more each one's kernels may use."""
    return ThreadPoolExecutor(count, "share", initializer=torch.set_num_threads, initargs=(threads,))
