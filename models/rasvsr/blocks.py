"""Blocks that more than one network is made of."""

from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))), 3x3 without normalisation (Lim et al., CVPRW 2017, figure 2c).

    The convolutions start as Kaiming's normal times 0.1 with zero bias, so that a deep stack starts near the identity
    (Wang et al., ECCVW 2018, section 3.1).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight)
            conv.weight.data.mul_(0.1)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        residue: Tensor = self.conv2(F.relu(self.conv1(x), inplace=True))
        return x + residue


class ConvResidualBlocks(nn.Module):
    """A 3x3 convolution, LeakyReLU(0.1) and a stack of residual blocks."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Sequential(*(ResidualBlock(out_channels) for _ in range(num_blocks))),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W)."""
        out: Tensor = self.main(x)
        return out
