"""The operators of the networks, faster on a CPU: the same parameters, the same values but for rounding."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.nn import functional as F

FEW = 4
"""Outputs of which 2 x 2 pixels fill a vector register of sixteen float32 values."""


def channels_last(x: Tensor) -> Tensor:
    """The same values (N, C, H, W), on a CPU with the channels of each pixel side by side in memory.

    What follows keeps the order, so that a network asks for it where images enter and after operations that lose it.
    oneDNN's convolutions then save two reorderings each: 64 -> 64 channels on 64 x 64 pixels takes two thirds of the
    time. An exported graph and a GPU are left as they are.
    """
    if x.device.type != "cpu" or torch.compiler.is_exporting():
        return x
    return x.contiguous(memory_format=torch.channels_last)


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


class PReLU(nn.PReLU):
    """max(x, 0) + slope * min(x, 0), the slope learnt; parameter and values as ``torch.nn.PReLU()``.

    Its gradient takes a quarter of the time of torch's own.

    Without gradients the input is overwritten, so it must be a tensor that nothing else needs.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        if x.device.type != "cpu" or torch.compiler.is_exporting():
            return super().forward(x)
        if not torch.is_grad_enabled():
            return F.leaky_relu_(x, float(self.weight))
        out: Tensor = _OneSlope.apply(x, self.weight)  # type: ignore[no-untyped-call]
        return out


class _OneSlope(torch.autograd.Function):
    """LeakyReLU, and the gradient of its slope; a gradient of the gradient is refused."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.leaky_relu(x, float(slope))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), (x, slope) = gradients, ctx.saved_tensors
        of_x = torch.ops.aten.leaky_relu_backward(gradient, x, float(slope), False)
        of_slope = (gradient * x.clamp(max=0)).sum().reshape(1)
        return of_x, of_slope
