"""The network of QA-Net: features of every view, refined with the help of its quality map, fused by quality.

Source: "Multi-image Super-resolution via Quality Map Associated Attention Network", arXiv 2202.13124, as the published
code computes it. Inside, views are folded into the batch: features are (B*T, C, H, W), T varying fastest. A module that
looks across views unfolds them.
"""

import torch
import torch.nn.functional as F
from torch import nn

from models.qanet.attention import TimeAttention
from models.shared.detail import start_flat, with_detail
from models.shared.kernels import channels_last

SCALE = 3
CONTRAST = 20.0
"""A reduced network's views are multiplied by it: contrast below 33 digital numbers, a view's noise, counts as flat."""


class FrameConv(nn.Conv3d):
    """A 1 x 3 x 3 convolution (the authors' shapes) applied to each view on its own: (N, I, H, W) to (N, O, H, W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, (1, 3, 3), padding=(0, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same values as the 3-D convolution, without its time axis."""
        return F.conv2d(x, self.weight.squeeze(2), self.bias, padding=1)


class ChannelAttention(nn.Module):
    """Scales every channel of every view by a gate in 0..1 made from the channels' means: (N, C, H, W) to the same."""

    def __init__(self, n_feats: int, reduction: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(n_feats, n_feats // reduction, 1),
            nn.ReLU(),
            nn.Conv2d(n_feats // reduction, n_feats, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H, W)."""
        gate: torch.Tensor = self.conv_du(x.mean((2, 3), keepdim=True))
        return x * gate


class ResidualChannelAttentionBlock(nn.Module):
    """Two convolutions, channel attention, and a skip: (N, C, H, W) to the same."""

    def __init__(self, n_feats: int, reduction: int) -> None:
        super().__init__()
        self.ca = ChannelAttention(n_feats, reduction)
        self.body = nn.Sequential(FrameConv(n_feats, n_feats), nn.LeakyReLU(0.01), FrameConv(n_feats, n_feats))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H, W)."""
        out: torch.Tensor = self.ca(self.body(x))
        return out + x


class ResidualGroup(nn.Module):
    """Residual blocks, one more convolution, and a skip over all of them: (N, C, H, W) to the same."""

    def __init__(self, n_feats: int, n_resblocks: int, reduction: int) -> None:
        super().__init__()
        blocks = [ResidualChannelAttentionBlock(n_feats, reduction) for _ in range(n_resblocks)]
        self.body = nn.Sequential(*blocks, FrameConv(n_feats, n_feats))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H, W)."""
        out: torch.Tensor = self.body(x)
        return out + x


class ViewNorm(nn.BatchNorm3d):
    """Batch normalisation whose channels are the T slots of the views: (B*T, C, H, W) to the same.

    Every slot has its own scale, shift and statistics (over B, C, H, W), so the network expects T views and is not
    indifferent to their order.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B*T, C, H, W) to (B*T, C, H, W)."""
        return super().forward(x.reshape(-1, self.num_features, *x.shape[1:])).flatten(0, 1)


class ViewModule(nn.Module):
    """LEM, the module of the low-resolution views: spatial features, attention over views, attention led by quality."""

    def __init__(self, n_feats: int, n_resblocks: int, n_views: int, n_heads: int, reduction: int) -> None:
        super().__init__()
        self.mha1 = TimeAttention(n_feats, n_heads, n_views)
        self.tnorm1 = ViewNorm(n_views)
        self.mha2 = TimeAttention(n_feats, n_heads, n_views)
        self.tnorm2 = ViewNorm(n_views)
        self.rg1 = ResidualGroup(n_feats, n_resblocks, reduction)
        self.cnorm1 = nn.BatchNorm2d(n_feats)

    def forward(self, x: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
        """Features and quality features, both (B*T, C, H, W), to features of the same shape."""
        # The group has a skip of its own, so the norm sees 2x + body(x), as in the authors' code.
        x = self.cnorm1(x + self.rg1(x))
        x = self.tnorm1(x + self.mha1(x, x))
        out: torch.Tensor = self.tnorm2(x + self.mha2(quality, x))
        return out


class QualityModule(nn.Module):
    """QEM, the module of the quality maps: (N, C, H, W) to weights of the same shape in (0, 1)."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.conv1 = FrameConv(n_feats, n_feats)
        self.conv2 = FrameConv(n_feats, n_feats)
        self.cnorm = nn.BatchNorm2d(n_feats)

    def forward(self, quality: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H, W)."""
        return torch.sigmoid(self.cnorm(quality + self.conv2(self.conv1(quality))))


class QANet(nn.Module):
    """Multi-image super-resolution x3 with quality maps (QA-Net; names as in the authors' code and checkpoints).

    There is no registration, no global skip and no output activation. With the defaults it has 2,818,389 parameters.

    Args:
        n_modules: pairs of view and quality modules.
        n_resblocks: residual blocks in each view module.
        n_feats: feature channels C.
        n_heads: heads of the attention over views; must divide ``n_feats``.
        n_views: views T; the network's norms fix it.
        reduction: channel attention has ``n_feats // reduction`` hidden channels.
        bicubic_residual: adds detail to the bicubic enlargement (a = -0.75) of the mean of the clear views, where it
            starts (:mod:`models.shared.detail`), instead of giving the image. The paper does not; a short training
            gains much by it, and brightness is that of the views.

    Raises:
        ValueError: a size is not positive, the heads do not divide the features, or no hidden channel is left.
    """

    def __init__(
        self,
        n_modules: int = 12,
        n_resblocks: int = 8,
        n_feats: int = 36,
        n_heads: int = 1,
        n_views: int = 9,
        reduction: int = 16,
        *,
        bicubic_residual: bool = False,
    ) -> None:
        super().__init__()
        if min(n_modules, n_feats, n_heads, n_views, reduction) < 1 or n_resblocks < 0:
            raise ValueError(
                "QANet needs n_modules, n_feats, n_heads, n_views and reduction of at least 1 and n_resblocks of at "
                f"least 0: got {(n_modules, n_feats, n_heads, n_views, reduction)} and {n_resblocks}"
            )
        if n_feats % n_heads or n_feats < reduction:
            raise ValueError(
                f"QANet needs n_feats ({n_feats}) to be a multiple of n_heads ({n_heads}) and no less than reduction "
                f"({reduction}): change one of them"
            )
        self.n_views, self.bicubic_residual = n_views, bicubic_residual
        self.init = FrameConv(1, n_feats)
        self.lems = nn.ModuleList(
            ViewModule(n_feats, n_resblocks, n_views, n_heads, reduction) for _ in range(n_modules)
        )
        self.qems = nn.ModuleList(QualityModule(n_feats) for _ in range(n_modules))
        self.last = nn.Conv2d(n_feats, SCALE**2, 3, padding=1)
        if bicubic_residual:
            start_flat(self.last)

    def forward(self, x: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
        """The super-resolved image.

        Args:
            x: (B, T, H, W) views in 0..1 (16-bit values over 65535; 14-bit data reach 0.25), any H and W.
            quality: (B, T, H, W), 1 where a pixel is clear and 0 elsewhere.

        Returns:
            (B, 1, 3H, 3W) in the scale of ``x``, not clamped.

        Raises:
            ValueError: the inputs are not two equal stacks of ``n_views`` views.
        """
        if x.dim() != 4 or x.shape[1] != self.n_views or x.shape != quality.shape:
            raise ValueError(
                f"QANet takes views and quality maps of one shape (B, {self.n_views}, H, W): got {tuple(x.shape)} and "
                f"{tuple(quality.shape)}; choose {self.n_views} views or build the network with another n_views"
            )
        if not self.bicubic_residual:
            return self._image(x, quality)
        mean, seen = _mean(x, quality) * CONTRAST, x.unsqueeze(2) * CONTRAST
        return with_detail(mean, seen, lambda views: self._image(views.squeeze(2), quality), SCALE) / CONTRAST

    def _image(self, x: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
        """Views and their quality, both (B, T, H, W), to (B, 1, 3H, 3W)."""
        first = channels_last(self.init(x.flatten(0, 1).unsqueeze(1)))
        weights = channels_last(self.init(quality.flatten(0, 1).unsqueeze(1)))
        features = first
        # The view module sees the quality before its own quality module (the paper's figure draws it after).
        for view_module, quality_module in zip(self.lems, self.qems, strict=True):
            features = view_module(features, weights)
            weights = quality_module(weights)
        fused = self._fuse(features + first, weights)
        return F.pixel_shuffle(self.last(fused), SCALE)

    def _fuse(self, features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The mean over views weighted by quality, per pixel and channel: (B*T, C, H, W) to (B, C, H, W)."""
        features, weights = (value.reshape(-1, self.n_views, *value.shape[1:]) for value in (features, weights))
        # Weights are sigmoids; the floor matters only where all of a pixel's have underflowed.
        total = weights.sum(1).clamp_min(torch.finfo(weights.dtype).tiny)
        return (features * weights).sum(1) / total


def _mean(x: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """The mean of the clear views, of all where none is clear: (B, T, H, W) twice to (B, 1, H, W)."""
    weights = quality + 1e-6
    return (x * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
