"""Fusion of a frame's own feature with the aligned one by temporal and spatial attention.

The module is EDVR's TSA (Wang et al., CVPRW 2019, section 3.3) with two frames, the first of which is the reference.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def _pools(x: Tensor) -> Tensor:
    """(B, C, H, W) at half the size, its maxima and its means: (B, 2C, ceil(H / 2), ceil(W / 2))."""
    return torch.cat([F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1)], dim=1)


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    # to the size of a tensor that is twice as large, rather than by a factor: so an exported graph keeps one height
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class TemporalFeatureFusion(nn.Module):
    """Temporal attention between the two features, then a two-level spatial attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.temporal_attn1 = nn.Conv2d(c, c, 3, padding=1)
        self.temporal_attn2 = nn.Conv2d(c, c, 3, padding=1)
        self.feat_fusion = nn.Conv2d(2 * c, c, 1)
        self.spatial_attn1 = nn.Conv2d(2 * c, c, 1)
        self.spatial_attn2 = nn.Conv2d(2 * c, c, 1)
        self.spatial_attn3 = nn.Conv2d(c, c, 3, padding=1)
        self.spatial_attn4 = nn.Conv2d(c, c, 1)
        self.spatial_attn5 = nn.Conv2d(c, c, 3, padding=1)
        self.spatial_attn_l1 = nn.Conv2d(c, c, 1)
        self.spatial_attn_l2 = nn.Conv2d(2 * c, c, 3, padding=1)
        self.spatial_attn_l3 = nn.Conv2d(c, c, 3, padding=1)
        self.spatial_attn_add1 = nn.Conv2d(c, c, 1)
        self.spatial_attn_add2 = nn.Conv2d(c, c, 1)

    def forward(self, own: Tensor, aligned: Tensor) -> Tensor:
        """Both (B, C, H, W), H and W multiples of 4, to the fused feature of the same shape."""
        attended = self._temporal_attention(own, aligned)
        fused = _leaky(self.feat_fusion(attended))
        attention = self._spatial_attention(attended)
        add: Tensor = self.spatial_attn_add2(_leaky(self.spatial_attn_add1(attention)))
        return fused * torch.sigmoid(attention) * 2 + add

    def _temporal_attention(self, own: Tensor, aligned: Tensor) -> Tensor:
        """Each feature times its likeness to ``own``, stacked: (B, 2C, H, W)."""
        reference = self.temporal_attn1(own)
        return torch.cat(
            [
                frame * torch.sigmoid((reference * self.temporal_attn2(frame)).sum(dim=1, keepdim=True))
                for frame in (own, aligned)
            ],
            dim=1,
        )

    def _spatial_attention(self, attended: Tensor) -> Tensor:
        """(B, 2C, H, W) to attention logits (B, C, H, W)."""
        full = _leaky(self.spatial_attn1(attended))
        half = _leaky(self.spatial_attn2(_pools(full)))
        quarter = _leaky(self.spatial_attn_l1(half))
        quarter = _leaky(self.spatial_attn_l2(_pools(quarter)))
        quarter = _leaky(self.spatial_attn_l3(quarter))
        half = _leaky(self.spatial_attn3(half)) + _upsample(quarter, like=half)
        half = _leaky(self.spatial_attn4(half))
        logits: Tensor = self.spatial_attn5(_upsample(half, like=full))
        return logits
