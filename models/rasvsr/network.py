"""The network of RASVSR (Wang, Li, Zhao, JSTARS 2024, section III): two passes over the clip, then reconstruction."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.rasvsr.alignment import OFFSET_GROUPS, SecondOrderDeformableAlignment
from models.rasvsr.blocks import ConvResidualBlocks
from models.rasvsr.flow import SPyNet
from models.rasvsr.fusion import TemporalFeatureFusion
from models.rasvsr.recurrence import over_time, recomputed
from models.rasvsr.warp import flow_warp
from models.shared.kernels import NarrowConv2d, channels_last

MIN_SIDE = 8  # pixels at the scale of the features
ALIGNMENTS = ("deformable", "flow", "none")
FUSIONS = ("tff", "sum")
ENLARGED = ("bilinear", "bicubic")


class Own(nn.Module):
    """Instead of the fusion: the frame's own feature, to which the aligned one is added."""

    def forward(self, own: Tensor, aligned: Tensor) -> Tensor:
        """Both (B, C, H, W), to ``own``."""
        return own


class RASVSR(nn.Module):
    """Recurrent aggregation network: each frame sees the whole clip, first the later frames, then the earlier ones.

    Args:
        mid_channels: of the features.
        num_blocks: residual blocks per propagation branch.
        max_residue_magnitude: the largest departure of an alignment's offset from the flow, in pixels.
        is_low_res_input: True: frames are enlarged four times. False: frames already have the output's size; they are
            shrunk four times inside.
        alignment: of the propagated features: ``deformable``, the paper's; for ablations ``flow``, warped by the flow
            alone, or ``none``, as they are.
        fusion: of a frame's own feature and the aligned one: ``tff``, the paper's, or ``sum`` for an ablation.
        offset_groups: of channels that the alignment samples at the same places; 16 in the paper, which is 8 channels
            each.
        high_channels: of the features at the output's size; 64 in the paper, where most of the work is.
        enlarged: what the output is added to: the ``bilinear`` enlargement of the frame, the paper's, or its
            ``bicubic`` one, from which a short training gains.

    Attributes:
        recompute: whether a training keeps no activations of the steps along the clip and of the reconstruction, but
            computes them again in the backward pass: a third more time, a fraction of the memory, the same bits.

    Raises:
        ValueError: a setting is none of these.
    """

    def __init__(
        self,
        mid_channels: int = 64,
        num_blocks: int = 7,
        max_residue_magnitude: float = 10,
        is_low_res_input: bool = True,
        alignment: str = "deformable",
        fusion: str = "tff",
        offset_groups: int = OFFSET_GROUPS,
        high_channels: int = 64,
        enlarged: str = "bilinear",
    ) -> None:
        super().__init__()
        mid = mid_channels
        if mid < 8 or mid % 8 or 2 * mid % offset_groups or offset_groups % 2:
            raise ValueError(
                f"mid_channels must be a multiple of 8, and offset_groups an even divisor of the channels of two "
                f"features, but they are {mid} and {offset_groups}"
            )
        if alignment not in ALIGNMENTS or fusion not in FUSIONS or enlarged not in ENLARGED:
            raise ValueError(
                f"alignment is one of {', '.join(ALIGNMENTS)}, fusion one of {', '.join(FUSIONS)} and enlarged one of "
                f"{', '.join(ENLARGED)}, but they are {alignment!r}, {fusion!r} and {enlarged!r}"
            )
        self.mid_channels, self.is_low_res_input = mid, is_low_res_input
        self.alignment, self.enlarged, self.recompute = alignment, enlarged, False
        self.spynet = SPyNet()
        self.feat_extract: nn.Module = ConvResidualBlocks(3, mid, 5)
        if not is_low_res_input:
            self.feat_extract = nn.Sequential(
                nn.Conv2d(3, mid, 3, stride=2, padding=1),
                nn.LeakyReLU(0.1, inplace=True),
                nn.Conv2d(mid, mid, 3, stride=2, padding=1),
                nn.LeakyReLU(0.1, inplace=True),
                ConvResidualBlocks(mid, mid, 5),
            )
        self.deform_align, self.backbone, self.fusion = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for index, branch in enumerate(("backward_1", "forward_1")):
            if alignment == "deformable":
                self.deform_align[branch] = SecondOrderDeformableAlignment(mid, max_residue_magnitude, offset_groups)
            self.backbone[branch] = ConvResidualBlocks((1 + index) * mid, mid, num_blocks)
            self.fusion[branch] = TemporalFeatureFusion(mid) if fusion == "tff" else Own()
        self.reconstruction = ConvResidualBlocks(3 * mid, mid, 5)
        self.upconv1 = nn.Conv2d(mid, 4 * mid, 3, padding=1)
        self.upconv2 = nn.Conv2d(mid, 4 * high_channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(high_channels, high_channels, 3, padding=1)
        self.conv_last = NarrowConv2d(high_channels, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarges a clip four times.

        Sides that are no multiple of 4 (16 if the frames have the output's size) are extended by repeating the last row
        and column, and the output is cropped.

        Args:
            x: (B, T, 3, H, W) RGB in 0..1; T at least 1, H and W at least 8 (32 if the frames have the output's size).

        Returns:
            (B, T, 3, 4H, 4W), or (B, T, 3, H, W) if the frames have the output's size; not clamped.

        Raises:
            ValueError: the shape is another.
        """
        height, width = self._check(x)
        x = _extend(x, 4 if self.is_low_res_input else 16)
        small = x if self.is_low_res_input else _each(_quarter, x)

        to_next, to_previous = self._flows(small)
        spatial = _each(self.feat_extract, x)
        backward = self._propagate("backward_1", [spatial.flip(1)], to_next.flip(1)).flip(1)
        forward = self._propagate("forward_1", [spatial, backward], to_previous)

        features = torch.cat([spatial, backward, forward], dim=2)
        scale = 4 if self.is_low_res_input else 1
        reconstruct = partial(recomputed, self._reconstruct) if self._recomputes() else self._reconstruct
        return _frame_by_frame(reconstruct, features, x)[..., : scale * height, : scale * width]

    def _recomputes(self) -> bool:
        return self.recompute and torch.is_grad_enabled() and not torch.compiler.is_exporting()

    def _flows(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """From every frame to the next and to the previous one, in pixels; meaningless where there is none.

        (B, T, 3, H, W) to two of (B, T, 2, H, W).
        """
        exporting = torch.compiler.is_exporting()
        near, far = frames[:, :-1], frames[:, 1:]
        if exporting:  # one length T throughout the graph: a last pair joins the two ends
            near, far = frames, frames.roll(-1, 1)
        pairs = near.flatten(0, 1), far.flatten(0, 1)
        flows = self.spynet(torch.cat(pairs), torch.cat(pairs[::-1]))
        to_next, to_previous = flows.view(2, *near.shape[:2], *flows.shape[1:])
        if exporting:
            return to_next, to_previous.roll(1, 1)
        return F.pad(to_next, (0,) * 7 + (1,)), F.pad(to_previous, (0,) * 6 + (1, 0))

    def _propagate(self, branch: str, features: list[Tensor], flows: Tensor) -> Tensor:
        """Carries features along the clip, from its first frame to its last.

        Args:
            branch: whose weights are used.
            features: of every frame, (B, T, C, H, W) each: its own, and what the earlier branch found.
            flows: (B, T, 2, H, W) from every frame to the one before.

        Returns:
            (B, T, C, H, W).
        """

        def step(earlier: Tensor, frame: Sequence[Tensor], age: int | Tensor) -> tuple[Tensor, Tensor]:
            return self._step(branch, earlier, frame, age)

        spatial = features[0]
        own = _each(self.backbone[branch], torch.cat(features, dim=2))
        two_back = flows + _each(flow_warp, flows.roll(1, 1), flows)
        two_back = two_back * (torch.arange(flows.shape[1], device=flows.device) > 1).view(-1, 1, 1, 1)
        batch, _, channels, height, width = spatial.shape
        nothing = spatial.new_zeros(batch, 2 * channels, height, width)
        parts = [self.fusion[branch], *(self.deform_align[branch] for _ in range(self.alignment == "deformable"))]
        return over_time(step, nothing, [spatial, own, flows, two_back], parts, self._recomputes())

    def _step(self, branch: str, earlier: Tensor, frame: Sequence[Tensor], age: int | Tensor) -> tuple[Tensor, Tensor]:
        """One frame of a branch.

        Args:
            branch: whose weights are used.
            earlier: the propagated features one and two steps back, (B, 2C, H, W), zero where there is none.
            frame: this frame's spatial feature and what the backbone made of it, (B, C, H, W) each, and its flows to
                the frames one and two steps back, (B, 2, H, W) each.
            age: how many frames came before.

        Returns:
            What is earlier for the next frame, and this frame's propagated feature (B, C, H, W).
        """
        spatial, own, flow_1, flow_2 = frame
        own = channels_last(own)
        one_back, _ = earlier.chunk(2, dim=1)
        if isinstance(age, int) and age == 0:
            aligned = torch.zeros_like(one_back)
        else:
            aligned = self._aligned(branch, earlier, spatial, flow_1, flow_2) * (age > 0)
        aligned = channels_last(aligned)
        propagated = aligned + self.fusion[branch](own, aligned)
        return torch.cat([propagated, one_back], dim=1), propagated

    def _aligned(self, branch: str, earlier: Tensor, spatial: Tensor, flow_1: Tensor, flow_2: Tensor) -> Tensor:
        """The feature one step back, brought to where this frame has it: (B, C, H, W)."""
        one_back, two_back = earlier.chunk(2, dim=1)
        if self.alignment == "none":
            return one_back
        warped = flow_warp(one_back, flow_1)
        if self.alignment == "flow":
            return warped
        condition = torch.cat([warped, channels_last(spatial), flow_warp(two_back, flow_2)], dim=1)
        aligned: Tensor = self.deform_align[branch](earlier, condition, flow_1, flow_2)
        return aligned

    def _reconstruct(self, features: Tensor, frame: Tensor) -> Tensor:
        """All features of a frame (B, 3C, H, W) and the frame itself to the enlarged frame."""
        out = self.reconstruction(channels_last(features))
        out = F.leaky_relu(F.pixel_shuffle(self.upconv1(out), 2), 0.1, inplace=True)
        out = F.leaky_relu(F.pixel_shuffle(self.upconv2(out), 2), 0.1, inplace=True)
        out = F.leaky_relu(self.conv_hr(out), 0.1, inplace=True)
        out = self.conv_last(out)
        if self.is_low_res_input:
            frame = F.interpolate(frame, scale_factor=4, mode=self.enlarged, align_corners=False)
        enlarged: Tensor = out + frame
        return enlarged

    def _check(self, x: Tensor) -> tuple[int, int]:
        """The height and width of a clip that can be processed."""
        least = MIN_SIDE if self.is_low_res_input else 4 * MIN_SIDE
        if x.ndim != 5 or x.shape[2] != 3 or x.shape[1] < 1 or min(x.shape[3:]) < least:
            raise ValueError(
                f"RASVSR expects a clip (B, T, 3, H, W) with T at least 1 and H and W at least {least}, "
                f"but the input is {tuple(x.shape)}"
            )
        return x.shape[3], x.shape[4]


def _extend(clip: Tensor, multiple: int) -> Tensor:
    """Repeats the last row and column until both sides of (B, T, 3, H, W) are multiples of ``multiple``."""
    height, width = clip.shape[3:]
    if not torch.compiler.is_exporting() and height % multiple == 0 and width % multiple == 0:
        return clip
    for dim, side in ((3, height), (4, width)):
        extended = (side + multiple - 1) // multiple * multiple
        clip = clip.index_select(dim, torch.arange(extended, device=clip.device).clamp(max=side - 1))
    return clip


def _quarter(frames: Tensor) -> Tensor:
    """(N, 3, H, W) to a quarter of its size, for the flow."""
    return F.interpolate(frames, scale_factor=0.25, mode="bicubic", align_corners=False)


def _each(function: Callable[..., Tensor], *clips: Tensor) -> Tensor:
    """Applies ``function`` to all frames of clips (B, T, ...) as one batch."""
    batch, length = clips[0].shape[:2]
    out = function(*(channels_last(clip.flatten(0, 1)) for clip in clips))
    return out.view(batch, length, *out.shape[1:])


def _frame_by_frame(function: Callable[..., Tensor], *clips: Tensor) -> Tensor:
    """Applies ``function`` to the frames of clips (B, T, ...) one after the other.

    At the output's size the features of a whole clip would take 10 GB for 100 frames of 640 x 640; and even with five
    of 256 x 256 a CPU spends half of its time on fresh memory.
    """
    if torch.compiler.is_exporting():
        return _each(function, *clips)
    return torch.stack([function(*frames) for frames in zip(*(clip.unbind(1) for clip in clips), strict=True)], dim=1)
