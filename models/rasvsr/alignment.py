"""Alignment of the two earlier features to a frame: deformable sampling around the optical flow.

As in BasicVSR++ (Chan et al., CVPR 2022, section 3.2), on which RASVSR builds.
"""

import math

import torch
from torch import Tensor, nn

from models.shared.deform import modulated_deform_conv
from models.shared.kernels import channels_last

OFFSET_GROUPS = 16
TAPS = 9


class SecondOrderDeformableAlignment(nn.Module):
    """A deformable convolution over both earlier features, whose offsets are their flows plus a learnt residue.

    Args:
        channels: of a feature; the two together are sampled in ``groups`` groups.
        max_residue_magnitude: the largest departure from the flow, in pixels.
        groups: of channels that are sampled at the same places, 16 in the paper.
    """

    def __init__(self, channels: int, max_residue_magnitude: float = 10, groups: int = OFFSET_GROUPS) -> None:
        super().__init__()
        self.max_residue_magnitude, self.groups = max_residue_magnitude, groups
        bound = 1 / math.sqrt(2 * channels * TAPS)
        self.weight = nn.Parameter(torch.empty(channels, 2 * channels, 3, 3).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))
        last = nn.Conv2d(channels, 3 * groups * TAPS, 3, padding=1)
        for parameter in last.parameters():  # at the start the offsets are the flows and the masks 0.5
            nn.init.zeros_(parameter)
        self.conv_offset = nn.Sequential(
            nn.Conv2d(3 * channels + 4, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            last,
        )

    def forward(self, earlier: Tensor, condition: Tensor, flow_1: Tensor, flow_2: Tensor) -> Tensor:
        """Brings both earlier features to this frame.

        Args:
            earlier: (B, 2C, H, W), the features one and two steps back, where they are.
            condition: (B, 3C, H, W), what the offsets are guessed from: both features warped, and this frame's own.
            flow_1: (B, 2, H, W) from this frame to the one a step back, in pixels, x before y.
            flow_2: the same to the one two steps back.

        Returns:
            (B, C, H, W).
        """
        batch, _, height, width = flow_1.shape
        half = self.groups * TAPS // 2  # the first half of the groups samples the feature one step back
        out = self.conv_offset(channels_last(torch.cat([condition, flow_1, flow_2], dim=1)))
        residue, mask = torch.split(out, [4 * half, 2 * half], dim=1)
        # offsets are (dy, dx), flows (dx, dy)
        flows = torch.stack([flow_1, flow_2], dim=1).flip(2).unsqueeze(2)
        residue = self.max_residue_magnitude * torch.tanh(residue)
        offset = residue.reshape(batch, 2, half, 2, height, width) + flows
        offset = offset.reshape(batch, 4 * half, height, width)
        return modulated_deform_conv(earlier, offset, torch.sigmoid(mask), self.weight, self.bias)
