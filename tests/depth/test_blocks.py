"""Blocks say how bright, how lively and how noisy a place is, each apart from the others."""

import numpy as np
import pytest

from satsr.depth.blocks import BLOCK, blocks
from satsr.errors import SatsrError

RNG = np.random.default_rng(0)


def hills(level=1000.0, height=300.0, side=64):
    """(2, side, side): a smooth surface and the same, half as bright."""
    wave = level + height * np.sin(np.arange(side) / 5)[:, None] * np.cos(np.arange(side) / 7)
    return np.stack([wave, wave / 2])


def test_twice_the_brightness_changes_nothing_but_the_brightness():
    once, twice = blocks(hills()), blocks(2 * hills())
    np.testing.assert_allclose(twice.brightness, 2 * once.brightness)
    np.testing.assert_allclose(twice.texture, once.texture, atol=1e-3)
    np.testing.assert_allclose(twice.noise, once.noise, atol=0.1)  # rounding adds less to what is brighter
    np.testing.assert_allclose(twice.colour, once.colour, atol=1e-9)


@pytest.mark.parametrize("sigma", [10.0, 40.0])
def test_noise_is_found_whatever_lies_below_it(sigma):
    found = blocks(hills(side=256) + sigma * RNG.standard_normal((2, 256, 256)))
    assert np.median(2**found.noise * found.brightness) == pytest.approx(sigma, rel=0.1)


def test_an_edge_is_texture_and_not_noise():
    image = np.full((1, BLOCK, BLOCK), 500.0)
    image[..., 7:] = 1500
    found = blocks(image)
    assert 2 ** found.texture[0, 0, 0] > 0.4 and 2 ** found.noise[0, 0, 0] < 0.001


def test_missing_pixels_do_not_count_and_blocks_without_enough_are_missing():
    image = hills()
    image[0, :BLOCK, :7] = np.nan  # of one band, so of both
    image[:, BLOCK : 2 * BLOCK, : BLOCK - 2] = np.nan
    found = blocks(image)
    assert np.isnan(found.brightness[1, 0]).all() and np.isfinite(found.brightness[0]).all()
    np.testing.assert_allclose(found.brightness[0, 0], image[:, :BLOCK, 7:BLOCK].mean(axis=(1, 2)))


def test_constant_and_missing_images_have_descriptors_too():
    flat, gone = blocks(np.zeros((3, 24, 48))), blocks(np.full((3, 24, 48), np.nan))
    assert np.isfinite(flat.texture).all() and np.isfinite(flat.noise).all() and np.isfinite(flat.colour).all()
    assert flat.brightness.shape == (2, 3, 3) and np.isnan(gone.brightness).all()
    with pytest.raises(SatsrError, match="found the shape"):
        blocks(np.zeros((20, 40)))
