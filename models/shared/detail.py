"""Networks that add detail to an enlarged image, whatever its brightness and contrast.

Detail has no level of its own, so the brightness of the ground is the image's. What a network adds is linear in the
image's contrast and does not depend on its level, as blur is: a network that learnt from fields of reflectance 0.1
treats sand of 0.5 and water of 0.01 alike. Reduced trainings start there; the papers' networks give the image itself.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

WINDOW = 9
"""Side, in pixels of the image, of what counts as near."""
FLOOR = 0.01
"""Contrast below which an image counts as flat, in a range of -1..1: about the noise of Sentinel-2.

A network sees less of what has less contrast. Where this is well above the noise, it can tell the noise from detail,
if it was trained on dark ground as well.
"""
AMPLITUDE = 3.0
"""An output of 1 adds so many local standard deviations."""
REACH = 10.0
"""Local standard deviations to which what a network sees is clamped: clouds on one date of several."""

Network = Callable[[torch.Tensor], torch.Tensor]


def with_detail(
    image: torch.Tensor, x: torch.Tensor, network: Network, scale: int, flat: float = FLOOR
) -> torch.Tensor:
    """The bicubic enlargement (a = -0.75) of an image and the detail that a network finds, without its local mean.

    Args:
        image: (B, C, h, w) in about -1..1, what is enlarged; local mean and standard deviation are its own.
        x: what the network looks at: (B, C, h, w), or (B, T, C, h, w) of the same place.
        network: takes ``x`` without the local mean and over the local standard deviation, gives (B, C, scale h,
            scale w) in local standard deviations over :data:`AMPLITUDE`.
        scale: how many times larger.
        flat: contrast below which an image counts as flat.

    Returns:
        (B, C, scale h, scale w), not bounded.
    """
    level, spread = local_contrast(image, flat)
    near = (level, spread) if x.ndim == 4 else (level.unsqueeze(1), spread.unsqueeze(1))
    detail = network(((x - near[0]) / near[1]).clamp(-REACH, REACH)) * (AMPLITUDE * _enlarged(spread, scale))
    level = _nearby(functional.avg_pool2d(detail, scale))
    bicubic = functional.interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)
    return bicubic + detail - _enlarged(level, scale)


def local_contrast(image: torch.Tensor, flat: float = FLOOR) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (B, C, h, w) and standard deviation (B, 1, h, w), of all bands together, of the pixels near each pixel."""
    level = _nearby(image)
    return level, (_nearby((image - level).square().mean(1, keepdim=True)) + flat**2).sqrt()


def start_flat(last: nn.Module, value: float = 0.0) -> None:
    """Makes a last convolution give ``value`` everywhere."""
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, value)


def without_grid(layer: nn.Module, factor: int = 2) -> None:
    """Starts an upsampling layer as its convolution of the nearest neighbour: a flat image stays flat.

    Source: Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017, section 3 (ICNR).

    Args:
        layer: before a pixel shuffle by ``factor``, or a transposed convolution with kernel and stride ``factor``.
        factor: of the enlargement.
    """
    with torch.no_grad():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.weight.copy_(layer.weight[..., :1, :1].expand_as(layer.weight).clone())
            return
        assert isinstance(layer, nn.Conv2d)
        layer.weight.copy_(layer.weight[:: factor**2].repeat_interleave(factor**2, 0))
        if layer.bias is not None:
            layer.bias.copy_(layer.bias[:: factor**2].repeat_interleave(factor**2, 0))


def _nearby(values: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(values, WINDOW, 1, WINDOW // 2, count_include_pad=False)


def _enlarged(values: torch.Tensor, scale: int) -> torch.Tensor:
    return functional.interpolate(values, scale_factor=scale, mode="bilinear", align_corners=False)
