"""RRDB: residual-in-residual dense blocks, for a single image and as encoder and decoder of the series networks.

Layers: Wang et al., "ESRGAN", ECCVW 2018, section 3.1, in the narrow form (32 channels) that BreizhSR uses.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.shared.detail import FLOOR, start_flat, with_detail
from models.shared.kernels import NarrowConv2d, channels_last

SLOPE = 0.2
RESIDUAL_SCALE = 0.2


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each of the first four reading all that came before it; shape (B, nf, H, W) is kept."""

    def __init__(self, nf: int, gc: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(nf, gc)
        self.conv2 = conv3x3(nf + gc, gc)
        self.conv3 = conv3x3(nf + 2 * gc, gc)
        self.conv4 = conv3x3(nf + 3 * gc, gc)
        self.conv5 = conv3x3(nf + 4 * gc, nf)

    def forward(self, x: Tensor) -> Tensor:
        """The block's residual, scaled by 0.2, added to ``x``."""
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(conv(seen), SLOPE, inplace=True)], 1)
        return torch.add(x, self.conv5(seen), alpha=RESIDUAL_SCALE)


class RRDBBlock(nn.Module):
    """Three dense blocks in series inside one scaled residual."""

    def __init__(self, nf: int, gc: int) -> None:
        super().__init__()
        self.RDB1 = ResidualDenseBlock(nf, gc)
        self.RDB2 = ResidualDenseBlock(nf, gc)
        self.RDB3 = ResidualDenseBlock(nf, gc)

    def forward(self, x: Tensor) -> Tensor:
        """(B, nf, H, W) to the same shape."""
        return torch.add(x, self.RDB3(self.RDB2(self.RDB1(x))), alpha=RESIDUAL_SCALE)


class RRDBEncoder(nn.Module):
    """The trunk: a first convolution, ``num_blocks`` RRDB blocks, a last convolution, a skip around both.

    Args:
        num_blocks: RRDB blocks in the trunk.
        nf: channels of the features.
        gc: channels that each dense layer adds.
    """

    def __init__(self, num_blocks: int, nf: int, gc: int) -> None:
        super().__init__()
        self.conv_first = conv3x3(3, nf)
        self.RRDB_trunk = nn.Sequential(*(RRDBBlock(nf, gc) for _ in range(num_blocks)))
        self.trunk_conv = conv3x3(nf, nf)

    def features(self, x: Tensor) -> list[Tensor]:
        """The output of every block, then the trunk's output with its skip: num_blocks + 1 times (B, nf, H, W)."""
        first = self.conv_first(channels_last(x))
        outputs = [first]
        for block in self.RRDB_trunk:
            outputs.append(block(outputs[-1]))
        return [*outputs[1:], first + self.trunk_conv(outputs[-1])]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, nf, H, W)."""
        return self.features(x)[-1]


def decode(features: Tensor, upsampling: tuple[nn.Conv2d, nn.Conv2d], last: tuple[nn.Conv2d, nn.Conv2d]) -> Tensor:
    """Features (B, nf, H, W) to an image (B, 3, 4H, 4W) in 0..1: twice nearest x2 and convolution, then two more."""
    for conv in upsampling:
        larger = F.interpolate(features, scale_factor=2.0, mode="nearest")
        features = F.leaky_relu(conv(larger), SLOPE, inplace=True)
    image: Tensor = last[1](F.leaky_relu(last[0](features), SLOPE, inplace=True))
    return image.clamp(0, 1)


class RRDBDecoder(nn.Module):
    """The second half of the RRDB network, from features to an image in 0..1."""

    def __init__(self, nf: int) -> None:
        super().__init__()
        self.upconv1 = conv3x3(nf, nf)
        self.upconv2 = conv3x3(nf, nf)
        self.HRconv = conv3x3(nf, nf)
        self.conv_last = NarrowConv2d(nf, 3, 3)

    def forward(self, features: Tensor) -> Tensor:
        """(B, nf, H, W) to (B, 3, 4H, 4W) in 0..1."""
        return decode(features, (self.upconv1, self.upconv2), (self.HRconv, self.conv_last))

    def start_flat(self) -> None:
        """Makes the image mid grey at first; the nearest neighbour upsamples without a grid anyway."""
        start_flat(self.conv_last, 0.5)


class RRDB(RRDBEncoder):
    """The single-image network of BreizhSR; SRDiff builds on its 8-block form.

    Args:
        num_blocks: RRDB blocks in the trunk.
        nf: channels of the features.
        gc: channels that each dense layer adds.
        bicubic_residual: True adds detail to the bicubic enlargement, where it starts (:mod:`models.shared.detail`),
            instead of giving the image. The paper does not do that.
        flat_contrast: of that detail, the contrast below which an image counts as flat, in a range of -1..1.
    """

    def __init__(
        self,
        num_blocks: int = 15,
        nf: int = 32,
        gc: int = 16,
        bicubic_residual: bool = False,
        flat_contrast: float = FLOOR,
    ) -> None:
        super().__init__(num_blocks, nf, gc)
        self.upconv1 = conv3x3(nf, nf)
        self.upconv2 = conv3x3(nf, nf)
        self.HRconv = conv3x3(nf, nf)
        self.conv_last = NarrowConv2d(nf, 3, 3)
        self.condition_channels = (num_blocks + 1) // 3 * nf
        self.bicubic_residual, self.flat_contrast = bicubic_residual, flat_contrast
        if bicubic_residual:
            start_flat(self.conv_last, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 to (B, 3, 4H, 4W) in -1..1."""
        return with_detail(x, x, self.decoded, 4, self.flat_contrast) if self.bicubic_residual else self.decoded(x)

    def decoded(self, x: Tensor) -> Tensor:
        """The last layer's image, clamped to -1..1."""
        features = self.features((x + 1) / 2)[-1]
        return decode(features, (self.upconv1, self.upconv2), (self.HRconv, self.conv_last)) * 2 - 1

    def condition(self, x: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """What SRDiff is conditioned on: every third of :meth:`features`, (B, condition_channels, H, W)."""
        return torch.cat(self.features((x + 1) / 2)[2::3], 1)
