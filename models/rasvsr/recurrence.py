"""A step repeated along a clip: a plain loop, or one Scan node while a graph is exported."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Step = Callable[[Tensor, Sequence[Tensor], int | Tensor], tuple[Tensor, Tensor]]


def recomputed(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` gives; its activations are not kept: the backward pass makes them again, to the same bits."""
    return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)


def over_time(step: Step, state: Tensor, sequences: Sequence[Tensor], recompute: bool = False) -> Tensor:
    """Calls ``step`` frame after frame and collects its outputs.

    Args:
        step: (state, frame, age) to (next state, output), where ``frame`` has one tensor of each sequence and ``age``
            is the number of frames before it: an integer, in an exported graph a tensor. The next state must be a new
            tensor, neither one that was given nor a view of one.
        state: before the first frame.
        sequences: (B, T, ...) each.
        recompute: whether a training keeps no activations of the steps.

    Returns:
        The outputs, (B, T, ...).
    """
    if torch.compiler.is_exporting():
        return _scanned(step, state, sequences)
    outputs = []
    for age, frame in enumerate(zip(*(sequence.unbind(1) for sequence in sequences), strict=True)):
        state, output = recomputed(step, state, frame, age) if recompute else step(state, frame, age)
        outputs.append(output)
    return torch.stack(outputs, dim=1)


def _scanned(step: Step, state: Tensor, sequences: Sequence[Tensor]) -> Tensor:
    from torch._higher_order_ops.scan import scan  # private, so only touched when it is needed

    def scan_step(carry: Tensor, frame: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        *tensors, age = frame
        following, output = step(carry, tensors, age)
        return following, output.clone()  # scan refuses outputs that share memory with a state

    age = torch.arange(sequences[0].shape[1], device=state.device)
    frames = (*(sequence.transpose(0, 1) for sequence in sequences), age)
    outputs: Tensor = scan(scan_step, state, frames, dim=0)[1]
    return outputs.transpose(0, 1)
