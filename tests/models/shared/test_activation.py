import pytest
import torch
from torch import nn

from models.shared.kernels import PReLU


def test_values_and_both_gradients_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    gradient = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    found = []
    for layer in (PReLU().double(), nn.PReLU().double()):
        given = x.clone().requires_grad_()
        out = layer(given)
        out.backward(gradient)
        found.append([out, given.grad, layer.weight.grad])
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=0)


def test_a_gradient_of_the_gradient_is_refused_and_not_wrong():
    x = torch.tensor([-1.5, -0.2, 0.3, 2.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(PReLU()(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_without_gradients_the_input_is_overwritten_with_the_same_values():
    layer, x = PReLU(), torch.randn(3, 4)
    expected = nn.PReLU()(x).detach()
    with torch.inference_mode():
        out = layer(x)
    assert torch.equal(out, expected)
    assert out.data_ptr() == x.data_ptr()
