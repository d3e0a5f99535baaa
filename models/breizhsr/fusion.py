"""HighRes-net: the encoder of each image of a series, the recursive fusion of the encodings, the decoder.

Deudon et al., "HighRes-net: Recursive Fusion for Multi-Frame Super-Resolution of Satellite Imagery", 2020, sections
4.1 to 4.3, in BreizhSR's form: three bands, x4 by two transposed convolutions, no registration network.
"""

import torch
from torch import Tensor, nn

from models.breizhsr.dense import conv3x3
from models.shared.detail import start_flat, without_grid


class ResidualBlock(nn.Module):
    """Two convolutions, each followed by a PReLU with one shared slope, inside a residual; the shape is kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(conv3x3(channels, channels), nn.PReLU(), conv3x3(channels, channels), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        residual: Tensor = self.block(x)
        return x + residual


class Encoder(nn.Module):
    """Encodes one image together with the anchor of its series.

    Args:
        channels: channels of the encoding.
        res_layers: residual blocks between the first and the last convolution.
    """

    def __init__(self, channels: int, res_layers: int) -> None:
        super().__init__()
        self.init_layer = nn.Sequential(conv3x3(6, channels), nn.PReLU())
        self.res_layers = nn.Sequential(*(ResidualBlock(channels) for _ in range(res_layers)))
        self.final = nn.Sequential(conv3x3(channels, channels))

    def forward(self, views: Tensor, anchor: Tensor) -> Tensor:
        """Views (B, T, 3, H, W) and their anchor (B, 3, H, W) to encodings (B, T, channels, H, W)."""
        pairs = torch.cat([views, anchor.unsqueeze(1).expand_as(views)], 2)
        encoded: Tensor = self.final(self.res_layers(self.init_layer(pairs.flatten(0, 1))))
        return torch.unflatten(encoded, 0, views.shape[:2])


class RecursiveFusion(nn.Module):
    """Merges pairs of encodings until one is left; each merge is a residual weighted by the partner's alpha.

    A number of views that is no power of two is fused as if views with alpha 0 were appended up to the next one, as
    HighRes-net pads its series, so every view counts. The reference drops the last view of every odd level instead.

    Args:
        channels: channels of the encodings.
        reference_compat: True drops views as the reference does.
    """

    def __init__(self, channels: int, reference_compat: bool = False) -> None:
        super().__init__()
        self.fuse = nn.Sequential(ResidualBlock(2 * channels), conv3x3(2 * channels, channels), nn.PReLU())
        self.reference_compat = reference_compat

    def forward(self, views: Tensor, alphas: Tensor) -> Tensor:
        """Encodings (B, T, C, H, W) and weights (B, T), 0 for a padded view, to one encoding (B, C, H, W)."""
        weights = alphas.to(views.dtype)[:, :, None, None, None]
        count = views.shape[1]
        while count > 1:
            half = count // 2 if self.reference_compat else 1 << ((count - 1).bit_length() - 1)
            pairs = min(half, count - half)
            alone, alice = views[:, : half - pairs], views[:, half - pairs : half]
            bob = views[:, half : half + pairs].flip(1)
            merged = torch.unflatten(self.fuse(torch.cat([alice, bob], 2).flatten(0, 1)), 0, alice.shape[:2])
            views = alice + weights[:, half : half + pairs].flip(1) * merged
            if pairs < half:
                views = torch.cat([alone, views], 1)
            count = half
        return views[:, 0]


class Decoder(nn.Module):
    """Two transposed convolutions (x4 together) and a 1x1 convolution to three bands; nothing bounds the output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.deconv = nn.Sequential(nn.ConvTranspose2d(channels, channels, 2, stride=2), nn.PReLU())
        self.deconv2 = nn.Sequential(nn.ConvTranspose2d(channels, channels, 2, stride=2), nn.PReLU())
        self.final = nn.Conv2d(channels, 3, 1)

    def forward(self, fused: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 3, 4H, 4W)."""
        image: Tensor = self.final(self.deconv2(self.deconv(fused)))
        return image

    def start_flat(self) -> None:
        """Zeros the image at first, and upsamples without a grid."""
        start_flat(self.final)
        for layer in (self.deconv[0], self.deconv2[0]):
            without_grid(layer)
