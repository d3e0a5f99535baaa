"""The opensr-test triple: torch's resampling, values worked out by hand, and scenes whose answer is known."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from satsr.errors import SatsrError
from satsr.metrics import (
    harmonised,
    opensr,
    opensr_correctness,
    opensr_reflectance,
    opensr_spatial,
    opensr_spectral,
    opensr_synthesis,
)
from satsr.seeds import generator

SCALE = 4


def scene(index: int = 0, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A reference of fields and texture, reflectance, and it shrunk as opensr-test shrinks."""
    random = generator(10, "opensr", index)
    coarse = ndimage.zoom(random.random((side // 8, side // 8, 3)), (8, 8, 1), order=0)
    hr = 0.1 + 0.2 * ndimage.gaussian_filter(coarse, (1, 1, 0)) + 0.02 * random.random((side, side, 3))
    return hr, resized(hr, side // SCALE)


def resized(image: np.ndarray, side: int) -> np.ndarray:
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return small[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("side", [32, 43, 128, 256])
def test_resampling_is_torchs_antialiased_bilinear(side: int) -> None:
    image = scene()[0]
    assert np.abs(opensr._bilinear(image, (side, side)) - resized(image, side)).max() < 1e-6


@pytest.mark.parametrize(
    ("a", "b", "distances"),
    [
        (0, 1, (0, 1, 1)),  # the reference itself: improvement is at no distance
        (1, 0, (1, 0, 1)),  # the enlarged input: omission is
        (1, 1, (1 + (1 - np.exp(-0.05)),) * 2 + (np.exp(-0.05),)),
        (9, 9, (9 + 9 * (1 - np.exp(-0.85)),) * 2 + (np.exp(-4.05),)),  # far from both: hallucination
    ],
)
def test_shares_are_those_worked_out_by_hand(a: float, b: float, distances: tuple[float, ...]) -> None:
    weights = np.exp(-np.array(distances) / 0.25)
    found = opensr.shares(np.array([float(a)]), np.array([float(b)]))[:, 0]
    assert found == pytest.approx(weights / weights.sum(), rel=1e-12)


def test_the_reference_is_improvement_the_enlarged_input_omission_and_noise_hallucination() -> None:
    hr, lr = scene()
    enlarged = resized(lr, hr.shape[0])
    invented = enlarged + 0.2 * generator(11, "opensr").random(hr.shape)
    of = {name: opensr_correctness(image, hr, lr) for name, image in (("hr", hr), ("up", enlarged), ("no", invented))}
    best = 1 / (1 + 2 * np.exp(-4))  # distances 0, 1, 1 in every pixel
    assert of["hr"].improvement == of["up"].omission == pytest.approx(best, rel=1e-12)
    assert of["no"].hallucination > 0.9
    for found in of.values():
        assert found.improvement + found.omission + found.hallucination == pytest.approx(1)


def test_only_the_quarter_of_the_pixels_with_most_to_add_is_judged() -> None:
    lr, side = np.full((32, 32, 1), 0.2), 128 - 2 * 16
    detail = np.zeros((128, 128, 1))
    detail[16:-16, 16:-16, 0] = np.linspace(0.001, 0.1, side**2).reshape(side, side)
    hr, lines = 0.2 + detail, 12  # the output is right in the lower lines of the quarter, 24 lines, and plain elsewhere
    found = np.where(np.arange(128)[:, None, None] >= 128 - 16 - lines, hr, 0.2)
    right, other = 1 / (1 + 2 * np.exp(-4)), np.exp(-4) / (1 + 2 * np.exp(-4))
    assert opensr_correctness(found, hr, lr).improvement == pytest.approx((right + other) / 2, rel=1e-9)


def test_synthesis_is_the_detail_that_was_added() -> None:
    hr, lr = scene()
    enlarged = resized(lr, hr.shape[0])
    assert opensr_synthesis(enlarged, lr) < 1e-7
    assert opensr_synthesis(enlarged + 0.03, lr) == pytest.approx(0.03, rel=1e-5)


def test_consistency_finds_the_bias_the_angle_and_the_shift_that_were_put_in() -> None:
    hr, lr = scene()
    assert max(opensr_reflectance(hr, lr), opensr_spatial(hr, lr), opensr_spectral(hr, lr)) < 2e-5
    assert opensr_reflectance(hr + 0.01, lr) == pytest.approx(0.01, rel=1e-5)
    gray, tilted = (np.broadcast_to(hr[..., :1], hr.shape) * gains for gains in ((1.0, 1, 1), (1.0, 1, 2)))
    angle = np.degrees(np.arccos(4 / np.sqrt(18)))  # between (1, 1, 1) and (1, 1, 2)
    assert opensr_spectral(tilted, resized(gray, lr.shape[0])) == pytest.approx(angle, rel=1e-4)
    assert opensr_spatial(np.roll(hr, SCALE, axis=0), lr) == pytest.approx(1, abs=0.05)


def test_harmonising_takes_off_gain_and_shift() -> None:
    hr, _ = scene()
    blurred = ndimage.gaussian_filter(hr, (1, 1, 0))
    moved = np.roll(blurred, (2, -1), axis=(0, 1))
    inner = slice(16, -16), slice(16, -16)
    back, plain = harmonised(3 * moved + 0.2, hr), harmonised(blurred, hr)
    assert np.abs(back - plain)[inner].mean() < 0.1 * np.abs(moved - blurred)[inner].mean()
    assert np.abs(back - hr)[inner].mean() < 0.02


def test_unclear_pixels_do_not_count() -> None:
    hr, lr = scene()
    clear, broken = np.ones(hr.shape[:2], bool), hr.copy()
    clear[40:44, 40:44], broken[40:44, 40:44] = False, 5
    far = np.ones(lr.shape[:2], bool)
    far[9:12, 9:12] = False  # antialiasing carries it into the neighbours
    wide = np.kron(far, np.ones((SCALE, SCALE))).astype(bool)
    assert opensr_reflectance(broken, lr, wide) < 1e-6 < opensr_reflectance(broken, lr)
    assert opensr_synthesis(broken, lr, clear) == opensr_synthesis(hr, lr, clear)
    assert opensr_correctness(broken, hr, lr, clear) == opensr_correctness(hr, hr, lr, clear)


def test_what_has_no_value_is_an_error_not_a_number() -> None:
    hr, lr = scene(side=32)
    flat = np.full_like(hr, 0.1)
    with pytest.raises(SatsrError, match="leaves nothing"):
        opensr_reflectance(hr, lr)
    with pytest.raises(SatsrError, match="cannot be registered"):
        harmonised(hr, flat)
    with pytest.raises(SatsrError, match="whole multiple"):
        opensr_spatial(hr, lr[:, :5])
    hr, lr = np.full((64, 64, 3), 0.1), np.full((16, 16, 3), 0.1)
    with pytest.raises(SatsrError, match="nothing to get right"):
        opensr_correctness(hr, hr, lr)
