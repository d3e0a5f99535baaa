"""Building blocks of MSDTGP, most of them from deep back-projection networks; parameter names are the authors'.

None of them normalises, and every PReLU has a single slope.
"""

import torch
from torch import Tensor, nn

from models.shared.kernels import PReLU, convolution


class ConvBlock(nn.Module):
    """A convolution and, unless ``activation`` is off, a PReLU: (B, I, H, W) to (B, O, H', W')."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, padding: int, activation: bool = True
    ) -> None:
        super().__init__()
        self.conv = convolution(inputs, outputs, kernel, stride, padding)
        self.act = PReLU() if activation else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, W) to (B, O, H', W')."""
        out: Tensor = self.conv(x)
        return out if self.act is None else self.act(out)


class DeconvBlock(nn.Module):
    """A transposed convolution that enlarges ``scale`` times exactly, and a PReLU: (B, I, H, W) to (B, O, sH, sW)."""

    def __init__(self, inputs: int, outputs: int, scale: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(inputs, outputs, scale + 4, scale, 2)
        self.act = PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, W) to (B, O, sH, sW)."""
        out: Tensor = self.act(self.deconv(x))
        return out


def shrink(inputs: int, outputs: int, scale: int) -> ConvBlock:
    """The counterpart of :class:`DeconvBlock`: (B, I, sH, sW) to (B, O, H, W)."""
    return ConvBlock(inputs, outputs, scale + 4, scale, padding=2)


class ResnetBlock(nn.Module):
    """Two 3 x 3 convolutions with a skip, and one PReLU used after the first and after the sum; shape is kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        out: Tensor = self.act(self.conv2(self.act(self.conv1(x))) + x)
        return out


class UpBlock(nn.Module):
    """Enlarges, and corrects the result by the enlarged error of projecting it back: (B, C, H, W) to (B, C, sH, sW)."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.up_conv1 = DeconvBlock(channels, channels, scale)
        self.up_conv2 = shrink(channels, channels, scale)
        self.up_conv3 = DeconvBlock(channels, channels, scale)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, sH, sW)."""
        high: Tensor = self.up_conv1(x)
        correction: Tensor = self.up_conv3(self.up_conv2(high) - x)
        return correction + high


class DownBlock(nn.Module):
    """Shrinks, and corrects the result by the shrunk error of projecting it back: (B, C, sH, sW) to (B, C, H, W)."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.down_conv1 = shrink(channels, channels, scale)
        self.down_conv2 = DeconvBlock(channels, channels, scale)
        self.down_conv3 = shrink(channels, channels, scale)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, sH, sW) to (B, C, H, W)."""
        low: Tensor = self.down_conv1(x)
        correction: Tensor = self.down_conv3(self.down_conv2(low) - x)
        return correction + low


class BackProjection(nn.Module):
    """A three-stage deep back-projection upsampler: (B, base_filter, H, W) to (B, feat, sH, sW)."""

    def __init__(self, base_filter: int, feat: int, scale: int) -> None:
        super().__init__()
        self.feat1 = ConvBlock(base_filter, feat, 1, padding=0)
        self.up1 = UpBlock(feat, scale)
        self.down1 = DownBlock(feat, scale)
        self.up2 = UpBlock(feat, scale)
        self.down2 = DownBlock(feat, scale)
        self.up3 = UpBlock(feat, scale)
        self.output = ConvBlock(3 * feat, feat, 1, padding=0, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, base_filter, H, W) to (B, feat, sH, sW)."""
        first = self.up1(self.feat1(x))
        second = self.up2(self.down1(first))
        third = self.up3(self.down2(second))
        out: Tensor = self.output(torch.cat([third, second, first], 1))
        return out
