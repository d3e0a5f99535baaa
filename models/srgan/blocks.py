"""The blocks that the generator, the discriminator and the fusion of views share."""

import math

import torch
from torch import nn

from models.shared.kernels import PReLU, convolution


class ConvBlock(nn.Module):
    """Convolution, batch normalisation if wanted, activation if given; a ``kernel // 2`` frame of zeros around it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        norm: bool = False,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(in_channels, out_channels, kernel, stride, kernel // 2)]
        if norm:
            layers.append(nn.BatchNorm2d(out_channels))
        if activation is not None:
            layers.append(activation)
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride), rounded up."""
        y: torch.Tensor = self.conv_block(x)
        return y


class ResidualBlock(nn.Module):
    """Two convolutions with batch normalisation, added to the input without a scale."""

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv_block1 = ConvBlock(channels, channels, kernel, norm=True, activation=PReLU())
        self.conv_block2 = ConvBlock(channels, channels, kernel, norm=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        y: torch.Tensor = x + self.conv_block2(self.conv_block1(x))
        return y


def doublings(scale: int) -> int:
    """How many times a network of this scale doubles its image.

    Raises:
        ValueError: ``scale`` is not 2, 4 or 8.
    """
    if scale not in (2, 4, 8):
        raise ValueError(f"scale must be 2, 4 or 8, not {scale!r}: each step of the upsampler doubles height and width")
    return int(math.log2(scale))


def require_size(x: torch.Tensor, minimum: int, what: str) -> None:
    """Refuses images too small for the strides of ``what``.

    Raises:
        ValueError: height or width of ``x`` (B, C, H, W) is below ``minimum`` pixels.
    """
    height, width = x.shape[-2:]
    if height < minimum or width < minimum:
        raise ValueError(
            f"{what} needs images of at least {minimum} x {minimum} px and got {height} x {width}: "
            "take larger crops, or fewer layers"
        )
