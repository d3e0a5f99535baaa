"""Convolutions with few outputs, as the last layers of the networks are: a CPU computes sixteen at once."""

import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.nn import functional as F

from models.shared.layout import channels_last

FEW = 4
"""Outputs of which 2 x 2 pixels fill a vector register of sixteen float32 values."""


class NarrowConv2d(nn.Conv2d):
    """A convolution that keeps height and width and has at most 4 outputs; otherwise as ``torch.nn.Conv2d``.

    On a CPU, the outputs of each 2 x 2 pixels are computed as channels of one convolution with stride 2, whose kernel
    is one wider and holds the weights at four places: for 64 -> 3 channels and 9 x 9 taps in a third of the time. So
    does an exported graph, if the sides are even for every input that it takes.

    Args:
        inputs: channels I.
        outputs: channels O.
        kernel: odd side.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, W) to (B, O, H, W)."""
        if x.device.type != "cpu" or not all(statically_known_true(side % 2 == 0) for side in x.shape[2:]):
            return super().forward(x)
        assert self.bias is not None
        places = [F.pad(self.weight, (right, 1 - right, down, 1 - down)) for down in (0, 1) for right in (0, 1)]
        weight, bias = torch.stack(places, 1).flatten(0, 1), self.bias.repeat_interleave(4)
        blocks = F.conv2d(channels_last(x), weight, bias, stride=2, padding=self.kernel_size[0] // 2)
        return F.pixel_shuffle(blocks, 2)


def convolution(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Conv2d:
    """A convolution, narrow where it can be."""
    if outputs <= FEW and stride == 1 and kernel == 2 * padding + 1 > 1:
        return NarrowConv2d(inputs, outputs, kernel)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding)
