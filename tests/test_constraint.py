"""The constraint puts the input's level back, to the pixel, and changes nothing that the input confirms."""

from itertools import product

import numpy as np
import pytest

from satsr.constraint import METHODS, REACH, Constraint, constrained, parsed, require_offered
from satsr.degrade import shrink
from satsr.errors import SatsrError
from satsr.resize import KERNELS, imresize
from satsr.seeds import generator

HELD = [method for method in METHODS if method != "none"]
SCALES = (2, 3, 4, 8)


def noise(*shape: int) -> np.ndarray:
    return generator(1, "constraint", len(shape)).uniform(0, 3000, shape).astype(np.float32)


def every() -> pytest.MarkDecorator:
    cases = list(product(HELD, SCALES, KERNELS))
    return pytest.mark.parametrize(("method", "scale", "kernel"), cases)


@every()
def test_an_output_that_is_off_by_a_constant_gets_it_back(method: str, scale: int, kernel: str) -> None:
    truth = noise(12 * scale, 9 * scale, 2)
    wrong = truth + np.array([500, -80], np.float32)
    found = constrained(wrong, shrink(truth, scale, kernel), scale, Constraint(method, kernel))
    np.testing.assert_allclose(found, truth, atol=0.01)


@every()
def test_an_output_that_is_its_input_when_made_small_is_left_alone(method: str, scale: int, kernel: str) -> None:
    fine = noise(12 * scale, 9 * scale, 3)
    found = constrained(fine, shrink(fine, scale, kernel), scale, Constraint(method, kernel))
    np.testing.assert_allclose(found, fine, atol=0.01)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_backprojection_makes_any_output_its_input_when_made_small(scale: int, kernel: str) -> None:
    fine, coarse = noise(16 * scale, 21 * scale, 3), noise(16, 21, 3) * 3
    found = constrained(fine, coarse, scale, Constraint("backprojection", kernel))
    assert np.abs(shrink(found, scale, kernel) - coarse).max() < 0.01


@pytest.mark.parametrize("kernel", KERNELS)
def test_backprojection_is_where_iterations_of_it_end(kernel: str) -> None:
    fine, coarse = noise(48, 40, 1), noise(12, 10, 1)
    step = fine.astype(np.float64)
    for _ in range(100):
        step = step + imresize(coarse - shrink(step, 4, kernel), 4)
    np.testing.assert_allclose(constrained(fine, coarse, 4, Constraint("backprojection", kernel)), step, atol=0.05)


def test_backprojection_comes_nearer_to_the_reference_where_the_degradation_is_right() -> None:
    truth = imresize(noise(24, 24, 1).astype(np.float64), 4).astype(np.float32)
    ours = truth + 0.2 * (noise(96, 96, 1) - 1500)
    found = constrained(ours, shrink(truth, 4), 4, Constraint("backprojection"))
    assert np.square(found - truth).mean() < np.square(ours - truth).mean()


def test_frequency_keeps_low_and_leaves_high_frequencies() -> None:
    """Waves along a row: the response of what is put back, at frequencies in cycles a fine pixel for x4."""
    length, scale = 512, 4

    def put_back(period: int) -> float:
        wave = np.tile(np.cos(2 * np.pi * (np.arange(length) + 0.5) / period), (16, 1)).astype(np.float32)[..., None]
        found = constrained(np.zeros_like(wave), shrink(wave, scale), scale, Constraint("frequency"))
        return float((found * wave)[:, 64:-64].sum() / np.square(wave)[:, 64:-64].sum())

    assert put_back(256) > 0.99  # a level
    assert put_back(4) < 0.02  # detail beyond the input's grid
    assert 0.4 < put_back(16) < 0.85 < put_back(64)


@pytest.mark.parametrize("method", HELD)
@pytest.mark.parametrize("scale", SCALES)
def test_a_ramp_stays_where_it_is_to_a_fraction_of_a_pixel(method: str, scale: int) -> None:
    """Half-pixel centres: a ramp in fine pixels is the same ramp in coarse ones, and no shift is put in."""
    rows, columns = (np.arange(16 * scale) + 0.5) / scale, (np.arange(20 * scale) + 0.5) / scale
    ramp = (100 * rows[:, None] + 70 * columns)[..., None].astype(np.float32)
    coarse = (100 * (np.arange(16) + 0.5)[:, None] + 70 * (np.arange(20) + 0.5))[..., None].astype(np.float32)
    inner = slice(6 * scale, -6 * scale)
    np.testing.assert_allclose(shrink(ramp, scale)[4:-4, 4:-4], coarse[4:-4, 4:-4], atol=0.01)
    for output in (ramp, ramp - 300):
        found = constrained(output, coarse, scale, Constraint(method))
        # the slope is 100 a coarse pixel: a hundredth of a fine pixel would be 100 / scale / 100
        assert np.abs(found - ramp)[inner, inner].max() < 1 / scale


@every()
def test_nothing_changes_beyond_the_reach(method: str, scale: int, kernel: str) -> None:
    """What windows overlap by: a change on the left does not show on the right."""
    side, half = 40, 20
    random = generator(2, "constraint", scale)
    fine, coarse = np.zeros((side * scale, side * scale, 1), np.float32), np.zeros((side, side, 1), np.float32)
    other, given = fine.copy(), coarse.copy()
    other[:, : half * scale] = random.choice([-1.0, 1.0], (side * scale, half * scale, 1))
    given[:, :half] = random.choice([-1.0, 1.0], (side, half, 1))
    constraint = Constraint(method, kernel)
    change = constrained(other, given, scale, constraint) - constrained(fine, coarse, scale, constraint)
    assert np.abs(change[:, (half + REACH[method]) * scale :]).max() < 1 / 5000


def test_bright_sand_keeps_the_level_that_the_stretch_cuts_off() -> None:
    sand = noise(20, 20, 3) / 30 + 5000
    flat = np.full((80, 80, 3), 3000, np.float32)  # what a network that saturates at 3000 can give at most
    for method in HELD:
        found = constrained(flat, sand, 4, Constraint(method))
        np.testing.assert_allclose(found.mean(axis=(0, 1)), sand.mean(axis=(0, 1)), atol=0.5)
        assert found.min() > 4900


def test_backprojection_knows_the_border_of_the_cubic() -> None:
    fine, coarse = noise(48, 40, 1), noise(12, 10, 1)
    found = constrained(fine, coarse, 4, Constraint("backprojection", "cubic", "replicate"))
    assert np.abs(shrink(found, 4, "cubic", "replicate") - coarse).max() < 0.01
    assert np.abs(shrink(found, 4, "cubic", "mirror") - coarse).max() > 1


def test_what_does_not_fit_gets_a_sentence() -> None:
    with pytest.raises(SatsrError, match="4 times the rows"):
        constrained(noise(8, 8, 3), noise(2, 3, 3), 4, Constraint("frequency"))
    with pytest.raises(SatsrError, match="none, frequency, backprojection, found 'hard'"):
        Constraint("hard")
    with pytest.raises(SatsrError, match="cubic, bilinear, area, found 'nearest'"):
        parsed({"method": "none", "shrink": "nearest"}, "image", True)
    with pytest.raises(SatsrError, match="nobody has registered"):
        require_offered("backprojection", "imageset")


def test_a_description_that_says_nothing_means_frequency_for_reflectances_and_none_for_others() -> None:
    assert parsed(None, "series", True) == Constraint("frequency", "cubic")
    assert parsed(None, "video", False) == Constraint("none", "cubic")
    assert parsed(None, "imageset", False) == Constraint("none", "area")
    assert parsed({"method": "none", "shrink": "bilinear"}, "image", True) == Constraint("none", "bilinear")
