"""Warping by optical flow."""

import torch
from torch import Tensor
from torch.nn import functional as F

from models.shared.kernels import channels_last

EXPORT_OPERATOR = "satsr::sample"


def flow_warp(x: Tensor, flow: Tensor, padding: str = "zeros") -> Tensor:
    """Samples ``x`` bilinearly at each pixel's position plus its flow.

    Args:
        x: (B, C, H, W), any range.
        flow: (B, 2, H, W) in pixels, channel 0 to the right, channel 1 down.
        padding: what lies outside the image: ``"zeros"`` or ``"border"`` (the nearest pixel).

    Returns:
        (B, C, H, W), in the dtype of ``x``.
    """
    height, width = x.shape[2:]
    # half precision cannot count pixels beyond 256
    precise = torch.promote_types(x.dtype, torch.float32)
    columns = torch.arange(width, device=x.device) + flow[:, 0].to(precise)
    rows = torch.arange(height, device=x.device)[:, None] + flow[:, 1].to(precise)
    # the same positions as with align_corners=True, and right for an image one pixel high or wide too
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    warped: Tensor = (_opaque if torch.compiler.is_exporting() else _sample)(x.to(precise), grid, padding)
    return channels_last(warped.to(x.dtype))


def _sample(x: Tensor, grid: Tensor, padding: str) -> Tensor:
    return F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)


@torch.library.custom_op(EXPORT_OPERATOR, mutates_args=())
def _opaque(x: Tensor, grid: Tensor, padding: str) -> Tensor:
    """The sampling as one node of an exported graph, where torch's own is traced through a hundred operators."""
    return _sample(x, grid, padding)


@_opaque.register_fake
def _(x: Tensor, grid: Tensor, padding: str) -> Tensor:
    return torch.empty_like(x)
