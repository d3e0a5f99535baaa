"""A step repeated along a clip: a plain loop, or one Scan node while a graph is exported."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

Step = Callable[[Tensor, Sequence[Tensor], int | Tensor], tuple[Tensor, Tensor]]


def recomputed(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` gives; its activations are not kept: the backward pass makes them again, to the same bits."""
    return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)


def over_time(
    step: Step, state: Tensor, sequences: Sequence[Tensor], parts: Sequence[nn.Module] = (), recompute: bool = False
) -> Tensor:
    """Calls ``step`` frame after frame and collects its outputs.

    Args:
        step: (state, frame, age) to (next state, output), where ``frame`` has one tensor of each sequence and ``age``
            is the number of frames before it: an integer, in an exported graph a tensor. The next state must be a new
            tensor, neither one that was given nor a view of one.
        state: before the first frame.
        sequences: (B, T, ...) each.
        parts: the modules that ``step`` calls; in an exported graph their weights are inputs of the Scan.
        recompute: whether a training keeps no activations of the steps.

    Returns:
        The outputs, (B, T, ...).
    """
    if torch.compiler.is_exporting():
        return _scanned(step, state, sequences, parts)
    outputs = []
    for age, frame in enumerate(zip(*(sequence.unbind(1) for sequence in sequences), strict=True)):
        state, output = recomputed(step, state, frame, age) if recompute else step(state, frame, age)
        outputs.append(output)
    return torch.stack(outputs, dim=1)


class _Step(nn.Module):
    """A step and the modules that it calls, so that it can be called with other weights."""

    def __init__(self, step: Step, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.step, self.parts = step, nn.ModuleList(parts)

    def forward(self, state: Tensor, frame: Sequence[Tensor], age: Tensor) -> tuple[Tensor, Tensor]:
        return self.step(state, frame, age)


def _scanned(step: Step, state: Tensor, sequences: Sequence[Tensor], parts: Sequence[nn.Module]) -> Tensor:
    # private, so only touched when it is needed: torch's public scan traces a step twice, first with its compiler, only
    # to find the weights that are given here
    from torch._higher_order_ops.scan import scan_op

    called, count = _Step(step, parts), len(sequences)
    weights = dict(called.named_parameters())

    def scan_step(carry: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        frame, age, inner = given[:count], given[count], dict(zip(weights, given[count + 1 :], strict=True))
        following, output = functional_call(called, inner, (carry, frame, age))
        return following, output.clone()  # scan refuses outputs that share memory with a state

    age = torch.arange(sequences[0].shape[1], device=state.device)
    frames = [*(sequence.transpose(0, 1) for sequence in sequences), age]
    outputs: Tensor = scan_op(scan_step, [state], frames, tuple(weights.values()))[1]
    return outputs.transpose(0, 1)
