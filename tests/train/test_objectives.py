"""What training optimises: losses and rates."""

import pytest
import torch

from satsr.metrics import psnr_float
from satsr.train.objectives import Decibels


def images(spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two images in -1..1 and what is that far from them."""
    torch.manual_seed(3)
    target = torch.rand(2, 3, 16, 16) * 2 - 1
    return target + spread * torch.randn_like(target), target


def test_decibels_are_minus_a_tenth_of_psnr() -> None:
    output, target = images(0.1)
    pairs = zip(output.numpy(), target.numpy(), strict=True)
    expected = sum(psnr_float(ours, theirs, peak=1.0) for ours, theirs in pairs) / 2
    assert -10 * float(Decibels(floor=0.0)(output, target)) == pytest.approx(expected, abs=1e-4)


def test_decibels_reward_a_faint_image_as_much_as_a_strong_one() -> None:
    output, target = images(0.1)
    errors = (output - target) * torch.tensor([1.0, 0.01]).view(2, 1, 1, 1)
    loss = Decibels(floor=0.0)
    before = loss(target + errors, target)
    halved = [loss(target + errors * torch.tensor(by).view(2, 1, 1, 1), target) for by in ([0.5, 1.0], [1.0, 0.5])]
    assert float(halved[0]) == pytest.approx(float(halved[1]), abs=1e-3)
    assert float(before - halved[0]) == pytest.approx(0.301, abs=1e-3)


def test_an_image_without_errors_has_decibels_and_no_gradient() -> None:
    target = torch.zeros(1, 3, 8, 8)
    output = target.clone().requires_grad_()
    loss = Decibels(floor=1e-4)(output, target)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-4) and not output.grad.any()
