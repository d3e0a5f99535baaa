import pytest
import torch
from torch import nn

from models.shared.kernels import NarrowConv2d, channels_last, convolution


def _pair(outputs: int, kernel: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A narrow convolution and torch's with the same weights, in float64."""
    narrow, plain = NarrowConv2d(5, outputs, kernel), nn.Conv2d(5, outputs, kernel, padding=kernel // 2)
    plain.load_state_dict(narrow.state_dict())
    return narrow.double(), plain.double()


@pytest.mark.parametrize(("outputs", "kernel"), [(3, 9), (1, 3), (4, 5)])
@pytest.mark.parametrize("size", [(8, 6), (7, 6), (8, 5), (2, 2), (1, 1)])
def test_values_and_gradients_are_those_of_a_convolution(outputs, kernel, size):
    narrow, plain = _pair(outputs, kernel)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, *size, generator=generator, dtype=torch.float64)
    found = []
    for layer in (narrow, plain):
        given = x.clone().requires_grad_()
        out = layer(given)
        (out * torch.arange(out.numel()).view_as(out)).sum().backward()
        found.append([out, given.grad, layer.weight.grad, layer.bias.grad])
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


def test_only_what_keeps_the_size_and_has_few_outputs_is_narrow():
    assert isinstance(convolution(64, 3, 9, 1, 4), NarrowConv2d)
    for arguments in ((64, 5, 9, 1, 4), (64, 3, 9, 2, 4), (64, 3, 9, 1, 0), (64, 3, 1, 1, 0)):
        assert type(convolution(*arguments)) is nn.Conv2d


def test_the_layout_changes_and_the_values_stay():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(channels_last(x), x)
    assert channels_last(x).permute(0, 2, 3, 1).is_contiguous()
    assert channels_last(channels_last(x)).data_ptr() != x.data_ptr()


@pytest.mark.parametrize("name", ["rasvsr", "srresnet", "rrdb"])
def test_no_convolution_of_a_network_gets_its_channels_apart(name):
    import models

    shapes = {"rasvsr": (1, 2, 3, 16, 16), "srresnet": (1, 3, 8, 8), "rrdb": (1, 3, 8, 8)}
    settings = {"rasvsr": {"mid_channels": 16, "num_blocks": 1}, "srresnet": {"n_blocks": 1}, "rrdb": {"num_blocks": 1}}
    network = models.build(name, **settings[name]).eval()
    apart = []

    def look(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if not inputs[0].is_contiguous(memory_format=torch.channels_last):
            apart.append(tuple(inputs[0].shape))

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(look)
    with torch.no_grad():
        network(torch.rand(shapes[name]))
    assert apart == []
