import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.shared.deform import modulated_deform_conv

NAMES = ("x", "offset", "mask", "weight", "bias")


def _draw(
    seed: int, groups: int = 2, size: tuple[int, int] = (5, 6), dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    h, w = size
    shapes = [(2, 4, h, w), (2, 18 * groups, h, w), (2, 9 * groups, h, w), (3, 4, 3, 3), (3,)]
    tensors = [torch.randn(shape, generator=g, dtype=dtype) for shape in shapes]
    tensors[1] *= 2
    tensors[2].sigmoid_()
    return tensors


def _corner(image: Tensor, y: int, x: int) -> Tensor:
    inside = 0 <= y < image.shape[1] and 0 <= x < image.shape[2]
    return image[:, y, x] if inside else torch.zeros_like(image[:, 0, 0])


def _by_loops(x, offset, mask, weight, bias, stride, padding, dilation) -> Tensor:
    """The definition, one output value at a time."""
    batch, channels = x.shape[:2]
    kernel_h, kernel_w = weight.shape[2:]
    taps = kernel_h * kernel_w
    groups = mask.shape[1] // taps
    out = bias[None, :, None, None].repeat(batch, 1, *mask.shape[2:])
    for b, g, tap, oy, ox in np.ndindex(batch, groups, taps, *mask.shape[2:]):
        dy, dx = offset[b, 2 * (g * taps + tap) : 2 * (g * taps + tap) + 2, oy, ox].tolist()
        y = oy * stride - padding + tap // kernel_w * dilation + dy
        z = ox * stride - padding + tap % kernel_w * dilation + dx
        part = slice(g * channels // groups, (g + 1) * channels // groups)
        top, left = math.floor(y), math.floor(z)
        value = torch.zeros_like(x[b, part, 0, 0])
        for cy, cx in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            value += (1 - abs(y - cy)) * (1 - abs(z - cx)) * _corner(x[b, part], cy, cx)
        out[b, :, oy, ox] += weight[:, part, tap // kernel_w, tap % kernel_w] @ value * mask[b, g * taps + tap, oy, ox]
    return out


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 1, 1), (1, 2, 2)])
def test_it_equals_its_definition_by_loops(stride, padding, dilation):
    x, offset, mask, weight, bias = _draw(0)
    if stride == 2:
        offset, mask = offset[..., :3, :3], mask[..., :3, :3]
    out = modulated_deform_conv(x, offset, mask, weight, bias, stride=stride, padding=padding, dilation=dilation)
    expected = _by_loops(x, offset, mask, weight, bias, stride, padding, dilation)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 5), (4, 1), (1, 1)])
def test_an_image_one_pixel_wide_equals_its_definition(size):
    arguments = _draw(1, size=size)
    torch.testing.assert_close(
        modulated_deform_conv(*arguments), _by_loops(*arguments, stride=1, padding=1, dilation=1), rtol=0, atol=1e-12
    )


def test_zero_offset_and_full_mask_is_a_plain_convolution():
    x, offset, mask, weight, bias = _draw(2)
    out = modulated_deform_conv(x, torch.zeros_like(offset), torch.ones_like(mask), weight, bias)
    torch.testing.assert_close(out, F.conv2d(x, weight, bias, padding=1), rtol=0, atol=1e-12)


@pytest.mark.slow
def test_the_gradients_are_those_of_finite_differences():
    arguments = [tensor.requires_grad_() for tensor in _draw(3, size=(3, 4))]
    assert torch.autograd.gradcheck(modulated_deform_conv, arguments, atol=1e-6)


def test_strided_views_and_channels_last_give_the_same():
    arguments = _draw(4)
    other = [a.to(memory_format=torch.channels_last) if a.ndim == 4 else a for a in arguments]
    torch.testing.assert_close(modulated_deform_conv(*other), modulated_deform_conv(*arguments))


@pytest.mark.parametrize(
    ("file", "prefix", "output", "atol"),
    [("msdtgp/dcnv2_only.npz", "", "y", 2e-6), ("rasvsr/modules.npz", "dcn_", "dcn_out_s1p1d1", 1e-5)],
)
def test_both_papers_golden_outputs_are_matched(golden, file, prefix, output, atol):
    data = golden(file)
    arguments = [torch.from_numpy(data[prefix + name]) for name in NAMES]
    data.matches(modulated_deform_conv(*arguments), output, rtol=1e-5, atol=atol)


def test_channels_that_do_not_fit_are_named():
    x, offset, mask, weight, bias = _draw(5)
    with pytest.raises(ValueError, match=r"35 \(offset\), 18 \(mask\), 4 \(input\), 4 \(weight\)"):
        modulated_deform_conv(x, offset[:, :-1], mask, weight, bias)
