"""Alignment of a frame's features to the reference frame's by multiscale deformable convolution (MSD)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.shared.deform import modulated_deform_conv

TAPS = 9


class DeformablePack(nn.Module):
    """A 3 x 3 modulated deformable convolution with the layer that predicts its offsets (in pixels) and masks.

    Args:
        channels: C, of the features and of the guide.
        groups: offset groups G; must divide ``channels``.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.conv_offset_mask = nn.Conv2d(channels, 3 * TAPS * groups, 3, padding=1)
        bound = 1 / math.sqrt(channels * TAPS)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Features (B, C, H, W) sampled where the guide (B, C, H, W) says, to (B, C, H, W)."""
        # Two thirds of the channels are offsets (dy and dx alternate per tap), the last third are mask logits.
        offset, mask = torch.tensor_split(
            self.conv_offset_mask(guide), [2 * self.conv_offset_mask.out_channels // 3], 1
        )
        return modulated_deform_conv(x, offset, torch.sigmoid(mask), self.weight, self.bias)


class MultiscaleAlignment(nn.Module):
    """Predicts offsets from both frames at three receptive fields and aligns with them.

    Args:
        feat: feature channels C.
        groups: offset groups of the deformable convolution.
    """

    def __init__(self, feat: int, groups: int) -> None:
        super().__init__()
        self.offset_conv1 = nn.Conv2d(2 * feat, feat, 3, padding=1)
        self.mul_scale1 = nn.Conv2d(feat, feat, 3, padding=1)
        self.mul_scale2 = nn.Conv2d(feat, feat, 5, padding=2)
        self.mul_scale3 = nn.Conv2d(feat, feat, 7, padding=3)
        self.offset_conv2 = nn.Conv2d(3 * feat, feat, 3, padding=1)
        self.dcnpack = DeformablePack(feat, groups)

    def forward(self, frame: Tensor, reference: Tensor) -> Tensor:
        """Features of a frame and of the reference frame, both (B, C, H, W), to the aligned features (B, C, H, W)."""
        guide = _activate(self.offset_conv1(torch.cat([frame, reference], 1)))
        scales = [_activate(conv(guide)) for conv in (self.mul_scale1, self.mul_scale2, self.mul_scale3)]
        guide = guide + _activate(self.offset_conv2(torch.cat(scales, 1)))
        return _activate(self.dcnpack(frame, guide))


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)
