"""The discriminators: SRGAN's, and the two that its successor adds.

Sources: Remote-Sensing-SRGAN (Donike), after Ledig et al., CVPR 2017, figure 4; ESAOpenSR/SRGAN for
:class:`PatchDiscriminator` (Isola et al., CVPR 2017) and :class:`ESRGANDiscriminator`.
"""

import torch
from torch import nn

from models.srgan.blocks import ConvBlock, require_size

POOLED = 6  # height and width that SRGAN's discriminator pools to
ESRGAN_WIDTHS = (1, 2, 4, 8, 16)  # times n_channels, each width with one convolution of stride 1 and one of stride 2


class Discriminator(nn.Module):
    """Real or generated: convolutions of stride 1 and 2 in turn, adaptive pooling, two linear layers.

    Args:
        in_channels: bands.
        n_channels: width of the first block; it doubles at every second one.
        n_blocks: convolution blocks; every second one halves height and width.
        fc_size: width of the first linear layer.
    """

    def __init__(self, in_channels: int = 3, n_channels: int = 64, n_blocks: int = 8, fc_size: int = 1024) -> None:
        super().__init__()
        widths = [in_channels, *(n_channels * 2 ** (i // 2) for i in range(n_blocks))]
        self.conv_blocks = nn.Sequential(
            *(
                ConvBlock(
                    widths[i],
                    widths[i + 1],
                    3,
                    stride=1 + i % 2,
                    norm=i > 0,
                    activation=nn.LeakyReLU(0.2, inplace=True),
                )
                for i in range(n_blocks)
            )
        )
        self.adaptive_pool = nn.AdaptiveAvgPool2d(POOLED)
        self.fc1 = nn.Linear(widths[-1] * POOLED * POOLED, fc_size)
        self.leaky_relu = nn.LeakyReLU(0.2)
        self.fc2 = nn.Linear(fc_size, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, 1), the logit of "this image is real", any H and W."""
        pooled = self.adaptive_pool(self.conv_blocks(x)).flatten(1)
        logit: torch.Tensor = self.fc2(self.leaky_relu(self.fc1(pooled)))
        return logit


class PatchNet(nn.Module):
    """The layers of :class:`PatchDiscriminator`, under the name that the authors' checkpoints give them."""

    def __init__(self, in_channels: int, n_channels: int, n_layers: int) -> None:
        super().__init__()
        widths = [n_channels * min(2**i, 8) for i in range(n_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(in_channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for i in range(n_layers):
            stride = 2 if i + 1 < n_layers else 1
            layers += [nn.Conv2d(widths[i], widths[i + 1], 4, stride, 1), nn.InstanceNorm2d(widths[i + 1])]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, 1, h, w)."""
        y: torch.Tensor = self.model(x)
        return y


class PatchDiscriminator(nn.Module):
    """PatchGAN: a map of logits, one for each overlapping patch of the image.

    The successor's shipped config asks for ``n_layers`` 8, which needs images of 768 px and cannot see its own 96 px
    crops; three layers are the published design.

    Args:
        in_channels: bands.
        n_channels: width of the first layer; it doubles with every layer up to eight times.
        n_layers: convolutions of stride 2.
    """

    def __init__(self, in_channels: int = 4, n_channels: int = 64, n_layers: int = 3) -> None:
        super().__init__()
        self.model = PatchNet(in_channels, n_channels, n_layers)
        self.minimum = 3 << n_layers  # the last convolution wants 2 px, the instance norm before it more than one

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> logits (B, 1, H / 2^n_layers - 2, W / 2^n_layers - 2), the quotients rounded down.

        Raises:
            ValueError: the image is smaller than 3 * 2^n_layers px.
        """
        require_size(x, self.minimum, "this patch discriminator")
        logits: torch.Tensor = self.model(x)
        return logits


class ESRGANDiscriminator(nn.Module):
    """Ten convolutions, of stride 1 and 2 in turn, then a global mean and two linear layers.

    Args:
        in_channels: bands.
        n_channels: width of the first layer; it grows sixteen-fold.
        fc_size: width of the first linear layer.
    """

    def __init__(self, in_channels: int = 4, n_channels: int = 64, fc_size: int = 1024) -> None:
        super().__init__()
        widths = [n_channels * factor for factor in ESRGAN_WIDTHS]
        layers: list[nn.Module] = [nn.Conv2d(in_channels, widths[0], 3, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for i, width in enumerate(widths):
            if i > 0:
                layers.append(_normalised(nn.Conv2d(widths[i - 1], width, 3, padding=1)))
            layers.append(_normalised(nn.Conv2d(width, width, 4, stride=2, padding=1)))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(widths[-1], fc_size), nn.LeakyReLU(0.2, inplace=True), nn.Linear(fc_size, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, 1), the logit of "this image is real".

        Raises:
            ValueError: the image is smaller than 32 px.
        """
        require_size(x, 2 ** len(ESRGAN_WIDTHS), "the ESRGAN discriminator")
        logit: torch.Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logit


def _normalised(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU(0.2, inplace=True))
