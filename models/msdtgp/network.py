"""The network of MSDTGP: the centre frame of five, super-resolved with the help of its neighbours.

Source: Xiao et al., "Satellite Video Super-Resolution via Multiscale Deformable Convolution Alignment and Temporal
Grouping Projection", IEEE TGRS 2022, as the published code computes it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.msdtgp.alignment import MultiscaleAlignment
from models.msdtgp.blocks import BackProjection, ConvBlock, DeconvBlock, ResnetBlock, shrink
from models.msdtgp.initial import INITIALISERS
from models.shared.kernels import channels_last

FRAMES = 5
CENTRE = 2
# The far neighbours and the near ones, each around the centre, in the order in which the projection takes them.
GROUPS = ((0, 2, 4), (1, 2, 3))
SCALES = (2, 4, 8)


class TemporalAttention(nn.Module):
    """Weights each projection, per pixel, by its similarity to the last one (key ``TAtt``).

    Args:
        feat: channels C of a projection.
    """

    def __init__(self, feat: int) -> None:
        super().__init__()
        self.tAtt_1 = nn.Conv2d(feat, feat, 3, padding=1)
        self.tAtt_2 = nn.Conv2d(feat, feat, 3, padding=1)

    def forward(self, projections: list[Tensor]) -> Tensor:
        """N maps (B, C, H, W), the first of which is the query, to their weighted concatenation (B, N*C, H, W)."""
        query = self.tAtt_2(projections[0])
        gates = [torch.sigmoid((self.tAtt_1(item) * query).sum(1, keepdim=True)) for item in projections]
        return torch.cat([item * gate for item, gate in zip(projections, gates, strict=True)], 1)


class MSDTGP(nn.Module):
    """Video super-resolution of the middle one of five frames; names as in the authors' code and checkpoints.

    With the defaults it has 14,174,083 parameters. The authors align the centre frame to itself once for each of the
    two groups, with equal results; here that is done once.

    Args:
        scale: 2, 4 or 8.
        base_filter: channels at low resolution.
        feat: channels of the alignment and at high resolution.
        n_resblock: residual blocks in each of the three projection stages.
        n_extract: residual blocks in the feature extraction.
        deformable_groups: offset groups of the alignment; must divide ``feat``.
        init: ``"stable"`` or ``"reference"`` (see :mod:`models.msdtgp.initial`). The reference's start is broken (a
            loss in the hundreds, random offsets), so it is not the default; a checkpoint overwrites either.
        bicubic_residual: adds the bicubic enlargement (a = -0.75) of the centre frame to the output. The paper does
            not; a short training gains much by it.

    Raises:
        ValueError: an unknown scale or initialisation, or groups that do not divide the features.
    """

    def __init__(
        self,
        scale: int = 4,
        *,
        base_filter: int = 256,
        feat: int = 64,
        n_resblock: int = 5,
        n_extract: int = 3,
        deformable_groups: int = 8,
        init: str = "stable",
        bicubic_residual: bool = False,
    ) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"MSDTGP enlarges by one of {SCALES}: got scale {scale}")
        if init not in INITIALISERS:
            raise ValueError(f"MSDTGP starts in one of the ways {sorted(INITIALISERS)}: got init {init!r}")
        if feat % deformable_groups:
            raise ValueError(f"MSDTGP needs deformable_groups ({deformable_groups}) to divide feat ({feat})")
        self.scale, self.bicubic_residual = scale, bicubic_residual
        self.feat0 = ConvBlock(3, base_filter, 3, padding=1)
        self.feat_all = ConvBlock(3, feat, 3, padding=1)
        self.res_feat_ext = _stage(feat, n_extract)
        self.DBPN = BackProjection(base_filter, feat, scale)
        self.alignment1 = MultiscaleAlignment(feat, deformable_groups)
        self.fusion1 = ConvBlock(3 * feat, base_filter, 3, padding=1)
        self.res_feat1 = _stage(base_filter, n_resblock, DeconvBlock(base_filter, feat, scale))
        self.res_feat2 = _stage(feat, n_resblock, ConvBlock(feat, feat, 3, padding=1))
        self.res_feat3 = _stage(feat, n_resblock, shrink(feat, base_filter, scale))
        self.TAtt = TemporalAttention(feat)
        self.output = ConvBlock(3 * feat, 3, 3, padding=1, activation=False)
        INITIALISERS[init](self)

    def forward(self, x: Tensor) -> Tensor:
        """The middle frame, enlarged.

        Args:
            x: (B, 5, 3, H, W) consecutive RGB frames in 0..1, any H and W.

        Returns:
            (B, 3, sH, sW), not clamped.

        Raises:
            ValueError: the input is not a stack of five RGB frames.
        """
        if x.dim() != 5 or tuple(x.shape[1:3]) != (FRAMES, 3):
            raise ValueError(f"MSDTGP takes five RGB frames (B, {FRAMES}, 3, H, W): got {tuple(x.shape)}")
        state: Tensor = self.feat0(channels_last(x[:, CENTRE]))
        projections = []
        for neighbours in self._groups(x):
            high = self.DBPN(state)
            high = high + self.res_feat2(high - neighbours)
            projections.append(high)
            state = self.res_feat3(high)
        out: Tensor = self.output(self.TAtt([self.DBPN(state), *projections]))
        if not self.bicubic_residual:
            return out
        return out + F.interpolate(x[:, CENTRE], scale_factor=self.scale, mode="bicubic", align_corners=False)

    def _groups(self, x: Tensor) -> list[Tensor]:
        """The fused features of each group at high resolution: frames (B, 5, 3, H, W) to two of (B, feat, sH, sW)."""
        features = self.res_feat_ext(self.feat_all(channels_last(x.flatten(0, 1))))
        stack = features.reshape(-1, FRAMES, *features.shape[1:])
        reference = stack[:, CENTRE : CENTRE + 1].expand_as(stack).flatten(0, 1)
        aligned = self.alignment1(features, channels_last(reference)).reshape(stack.shape)
        grouped = torch.stack([aligned[:, list(group)].flatten(1, 2) for group in GROUPS], 1)
        fused = self.res_feat1(self.fusion1(channels_last(grouped.flatten(0, 1))))
        return list(fused.reshape(-1, len(GROUPS), *fused.shape[1:]).unbind(1))


def _stage(channels: int, count: int, *last: nn.Module) -> nn.Sequential:
    """Residual blocks followed by what changes the size or the channels."""
    return nn.Sequential(*(ResnetBlock(channels) for _ in range(count)), *last)
