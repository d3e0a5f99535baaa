"""The generators that SRGAN's successor adds: five kinds of blocks in one frame, ESRGAN's, and a stochastic one.

Source: ESAOpenSR/SRGAN. The images are in the range of the data (reflectance 0..1, say): there is no activation at the
end and no interpolated skip. Parameter names equal the authors'.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from models.srgan.blocks import doublings
from models.srgan.srresnet import SRResNet

RESIDUE = 0.2  # what a block's branch is scaled by
SQUEEZE = 16  # channel attention goes through 1/16 of the channels
NOISE_DIM = 128


def _conv3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps height and width."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _upsampler(scale: int, channels: int) -> nn.Sequential:
    """The doublings of height and width."""
    layers: list[nn.Module] = []
    for _ in range(doublings(scale)):
        layers += [_conv3(channels, 4 * channels), nn.PixelShuffle(2), nn.PReLU()]
    return nn.Sequential(*layers)


class ScaledResidualBlock(nn.Module):
    """``res``: x + 0.2 * (convolution, PReLU, convolution)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv3(channels, channels), nn.PReLU(), _conv3(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        y: torch.Tensor = x + RESIDUE * self.body(x)
        return y


class ChannelAttentionBlock(nn.Module):
    """``rcab``: as ``res``, the branch weighted per channel by squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(1, channels // SQUEEZE)
        self.conv1 = _conv3(channels, channels)
        self.act = nn.PReLU()
        self.conv2 = _conv3(channels, channels)
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        branch = self.conv2(self.act(self.conv1(x)))
        y: torch.Tensor = x + RESIDUE * branch * self.se(branch)
        return y


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the input and all that came before; unlike ESRGAN's, without a skip."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.c1 = _conv3(channels, growth)
        self.c2 = _conv3(channels + growth, growth)
        self.c3 = _conv3(channels + 2 * growth, growth)
        self.c4 = _conv3(channels + 3 * growth, growth)
        self.c5 = _conv3(channels + 4 * growth, channels)
        self.act = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        features = [x]
        for convolution in (self.c1, self.c2, self.c3, self.c4):
            features.append(self.act(convolution(torch.cat(features, 1))))
        y: torch.Tensor = self.c5(torch.cat(features, 1))
        return y


class RRDB(nn.Module):
    """``rrdb``: x + 0.2 * (three dense blocks)."""

    def __init__(self, channels: int, growth: int | None = None) -> None:
        super().__init__()
        growth = growth or max(16, channels // 3)
        self.db1 = DenseBlock(channels, growth)
        self.db2 = DenseBlock(channels, growth)
        self.db3 = DenseBlock(channels, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        y: torch.Tensor = x + RESIDUE * self.db3(self.db2(self.db1(x)))
        return y


class LargeKernelAttention(nn.Module):
    """The input times a gate that sees 23 x 23 px: depthwise 5 x 5, depthwise 7 x 7 with dilation 3, 1 x 1, sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dw5 = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.dw7d = nn.Conv2d(channels, channels, 7, padding=9, groups=channels, dilation=3)
        self.pw = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        return x * torch.sigmoid(self.pw(self.dw7d(self.dw5(x))))


class LKABlock(nn.Module):
    """``lka``: x + 0.2 * (convolution, PReLU, large-kernel attention, convolution)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, channels)
        self.act = nn.PReLU()
        self.lka = LargeKernelAttention(channels)
        self.conv2 = _conv3(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        y: torch.Tensor = x + RESIDUE * self.conv2(self.lka(self.act(self.conv1(x))))
        return y


class NoiseBlock(nn.Module):
    """``stochastic``: as ``res``; a noise vector gives a scale and a shift per channel after the first convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, channels)
        self.act = nn.PReLU()
        self.conv2 = _conv3(channels, channels)
        self.noise_mlp = nn.Sequential(nn.Linear(NOISE_DIM, channels), nn.SiLU(), nn.Linear(channels, 2 * channels))

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Features (B, C, H, W) and noise (B, 128) -> features of the same shape."""
        gamma, beta = self.noise_mlp(noise)[:, :, None, None].chunk(2, 1)
        y: torch.Tensor = x + RESIDUE * self.conv2(self.act(self.conv1(x) * (1 + gamma) + beta))
        return y


BLOCKS: dict[str, Callable[[int], nn.Module]] = {
    "res": ScaledResidualBlock,
    "rcab": ChannelAttentionBlock,
    "rrdb": RRDB,
    "lka": LKABlock,
    "stochastic": NoiseBlock,
}


class FlexibleGenerator(nn.Module):
    """Head, blocks with a long skip, sub-pixel upsampling, tail.

    The published configs are 4 bands, 16 blocks of 64 channels, x4 (10 m bands, ``rrdb``), which are the defaults, and
    6 bands, 32 blocks of 96 channels, x8 (20 m bands, ``rcab`` or ``res``).

    Args:
        block: ``res``, ``rcab``, ``rrdb``, ``lka`` or ``stochastic``.
        scale: 2, 4 or 8.
        in_channels: bands, of the input and of the output.
        n_blocks: blocks.
        n_channels: width.

    Raises:
        ValueError: the block or the scale is unknown.
    """

    def __init__(
        self, block: str, scale: int = 4, in_channels: int = 4, n_blocks: int = 16, n_channels: int = 64
    ) -> None:
        super().__init__()
        if block not in BLOCKS:
            raise ValueError(f"no block is called {block!r}: the names are {', '.join(BLOCKS)}")
        self.stochastic = block == "stochastic"
        self.head = nn.Sequential(nn.Conv2d(in_channels, n_channels, 9, padding=4), nn.PReLU())
        self.body = nn.ModuleList(BLOCKS[block](n_channels) for _ in range(n_blocks))
        self.body_tail = _conv3(n_channels, n_channels)
        self.upsampler = _upsampler(scale, n_channels)
        self.tail = nn.Conv2d(n_channels, in_channels, 9, padding=4)

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Enlarges.

        Args:
            x: (B, C, H, W).
            noise: (B, 128) or (1, 128), standard normal, for ``stochastic`` only; drawn from torch's global generator
                if None.

        Returns:
            (B, C, scale H, scale W).

        Raises:
            ValueError: noise is given to a generator without use for it.
        """
        if noise is not None and not self.stochastic:
            raise ValueError("only the stochastic generator takes noise")
        if self.stochastic and noise is None:
            noise = torch.randn(x.shape[0], NOISE_DIM, dtype=x.dtype, device=x.device)
        head = self.head(x)
        y = head
        for block in self.body:
            y = block(y) if noise is None else block(y, noise)
        out: torch.Tensor = self.tail(self.upsampler(self.body_tail(y) + head))
        return out


class ESRGANGenerator(nn.Module):
    """ESRGAN's frame around the blocks of :class:`RRDB`.

    Args:
        scale: 2, 4 or 8.
        in_channels: bands, of the input and of the output.
        n_blocks: blocks.
        n_channels: width.
        growth: channels that each convolution of a dense block adds.
    """

    def __init__(
        self, scale: int = 4, in_channels: int = 4, n_blocks: int = 23, n_channels: int = 64, growth: int = 32
    ) -> None:
        super().__init__()
        self.conv_first = _conv3(in_channels, n_channels)
        self.body = nn.Sequential(*(RRDB(n_channels, growth) for _ in range(n_blocks)))
        self.conv_body = _conv3(n_channels, n_channels)
        self.upsampler = _upsampler(scale, n_channels)
        self.conv_hr = _conv3(n_channels, n_channels)
        self.activation = nn.LeakyReLU(0.2, inplace=True)
        self.conv_last = _conv3(n_channels, in_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, scale H, scale W)."""
        first = self.conv_first(x)
        features = first + self.conv_body(self.body(first))
        y: torch.Tensor = self.conv_last(self.activation(self.conv_hr(self.upsampler(features))))
        return y


standard = partial(SRResNet, in_channels=4)  # SRGAN's own generator, Tanh included
res = partial(FlexibleGenerator, "res")
rcab = partial(FlexibleGenerator, "rcab")
rrdb = partial(FlexibleGenerator, "rrdb")
lka = partial(FlexibleGenerator, "lka")
stochastic = partial(FlexibleGenerator, "stochastic")
