"""BreizhSR's image losses against golden values."""

import pytest
import torch

from models.breizhsr import l1_loss, shift_l1_loss, ssim, ssim_loss


@pytest.fixture
def pair(golden):
    file = golden("breizhsr/data_metrics.npz")
    images = [torch.from_numpy(file[name])[None] for name in "AB"]
    return *images, float(file["shift_l1_loss"]), float(file["ssim_torch"])


def test_shift_l1_loss_matches_the_golden_value(pair):
    a, b, shift_l1, _ = pair
    # The reference's order is (target, prediction): its shift_l1_loss(B, A) crops A.
    assert shift_l1_loss(a, b).item() == pytest.approx(shift_l1, rel=1e-6)


def test_ssim_matches_the_golden_value(pair):
    a, b, _, similarity = pair
    assert ssim((a + 1) / 2, (b + 1) / 2).item() == pytest.approx(similarity, abs=1e-6)
    assert ssim_loss(a, b).item() == pytest.approx(1 - similarity, abs=1e-6)


def test_shifted_images_cost_nothing_after_registration():
    image = torch.rand(2, 3, 30, 26)
    moved = image.roll((2, -3), (2, 3))
    assert shift_l1_loss(moved, image).item() == 0
    assert l1_loss(moved, image).item() > 0.1
    assert shift_l1_loss(image.roll(4, 2), image).item() > 0.1


def test_losses_of_equal_images_vanish_and_have_finite_gradients():
    image = torch.rand(1, 3, 16, 20, requires_grad=True)
    total = l1_loss(image, image.detach()) + shift_l1_loss(image, image.detach()) + ssim_loss(image, image.detach())
    total.backward()
    assert total.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(image.grad).all()
