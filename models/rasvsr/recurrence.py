"""A step repeated along a clip: a plain loop, or one Scan node while a graph is exported."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Frame = tuple[Tensor, ...]
Step = Callable[[State, Frame, int | Tensor], tuple[State, Tensor]]


def over_time(step: Step, state: State, sequences: Sequence[Tensor], reverse: bool = False) -> Tensor:
    """Calls ``step`` frame after frame and collects its outputs.

    Args:
        step: (state, frame, age) to (next state, output), where ``frame`` has one tensor of each sequence and ``age``
            is the number of frames before it: an integer, in an exported graph a tensor. The tensors it returns must be
            new ones, neither those it was given nor views of them.
        state: before the first frame.
        sequences: (B, T, ...) each.
        reverse: from the last frame to the first.

    Returns:
        The outputs in the clip's order, (B, T, ...).
    """
    if torch.compiler.is_exporting():
        return _scanned(step, state, sequences, reverse)
    order = range(sequences[0].shape[1])
    outputs = []
    for age, index in enumerate(reversed(order) if reverse else order):
        state, output = step(state, tuple(sequence[:, index] for sequence in sequences), age)
        outputs.append(output)
    return torch.stack(outputs[::-1] if reverse else outputs, dim=1)


def _scanned(step: Step, state: State, sequences: Sequence[Tensor], reverse: bool) -> Tensor:
    from torch._higher_order_ops.scan import scan  # private, so only touched when it is needed

    # clones, because scan refuses a state or an output that shares memory with what it was given
    def scan_step(carry: State, frame: tuple[Tensor, ...]) -> tuple[State, Tensor]:
        *tensors, age = frame
        state, output = step(carry, tuple(tensors), age)
        return state, output.clone()

    age = torch.arange(sequences[0].shape[1], device=sequences[0].device)
    frames = [sequence.transpose(0, 1) for sequence in sequences]
    frames = [frame.flip(0) if reverse else frame for frame in frames]
    outputs: Tensor = scan(scan_step, state, (*frames, age), dim=0)[1]
    return (outputs.flip(0) if reverse else outputs).transpose(0, 1)
