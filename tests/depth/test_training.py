"""A description is small, always the same, and knows which way a block lies outside."""

import json

import numpy as np
import pytest

from satsr.depth.blocks import blocks
from satsr.depth.training import WAYS, describe, distances
from satsr.errors import SatsrError
from satsr.radiometry import NORMALISATIONS


def scene(seed, bands=3, level=1000.0):
    """Fields of some brightness with a little of everything."""
    random = np.random.default_rng(seed)
    fields = level * random.uniform(0.7, 1.3, (8, 8)).repeat(16, 0).repeat(16, 1)
    grain = level * random.uniform(0.02, 0.06, (8, 8)).repeat(16, 0).repeat(16, 1)
    colours = np.linspace(1, 0.6, bands)[:, None, None] * random.uniform(0.95, 1.05, (bands, 8, 8)).repeat(
        16, 1
    ).repeat(16, 2)
    return fields * colours + grain * random.standard_normal((bands, 128, 128))


IMAGES = [scene(seed) for seed in range(6)]
TRAINED = describe(IMAGES, (3000.0,))


def outside(image, trained=TRAINED):
    """Ways in which most blocks lie outside, with the median distance."""
    far = {way: np.median(values.max(axis=-1)) for way, values in distances(trained, blocks(image)).items()}
    return {way: value for way, value in far.items() if value > 0}


def test_a_description_is_small_and_the_same_each_time():
    text = json.dumps(TRAINED, sort_keys=True)
    assert len(text) < 2000 and text == json.dumps(describe(IMAGES, (3000.0,)), sort_keys=True)
    assert TRAINED["images"] == 6 and TRAINED["blocks"] == 6 * 64 and TRAINED["saturated"] == [0, 0, 0]
    for share in (1, 2, 50, 98, 99):
        expected = np.percentile(np.concatenate([image.reshape(3, -1) for image in IMAGES], axis=1), share, axis=1)
        np.testing.assert_allclose(TRAINED["pixels"][f"p{share}"], expected, rtol=0.05)


def test_what_it_was_trained_on_lies_inside():
    assert outside(scene(99)) == {}
    far = distances(TRAINED, blocks(IMAGES[0]))
    assert set(far) == set(WAYS) and all((values > 0).mean() < 0.1 for values in far.values())


@pytest.mark.parametrize(
    ("way", "image"),
    [
        ("brighter", 3 * scene(9)),
        ("darker", 0.2 * scene(9)),
        ("colours", scene(9) * np.array([0.6, 1, 1.4])[:, None, None]),
        ("noisier", scene(9) + 300 * np.random.default_rng(5).standard_normal((3, 128, 128))),
        ("softer", np.round(scene(9) / 1e4) * 1e4 + 1000 * np.array([1, 0.8, 0.6])[:, None, None]),
    ],
)
def test_each_way_out_is_known_by_its_name(way, image):
    assert way in outside(image)


def test_brightness_alone_does_not_change_the_colour_the_texture_or_the_noise():
    assert set(outside(3 * scene(9))) == {"brighter"}


def test_one_band_has_no_colours_and_missing_pixels_are_left_out():
    images = [scene(seed, 1) for seed in range(2)]
    images[0][:, :64] = np.nan
    trained = describe(images, NORMALISATIONS["probav"].native[1:])
    assert "colour" not in trained and trained["blocks"] == 32 + 64
    assert "colours" not in distances(trained, blocks(images[1]))
    assert describe([np.full((1, 32, 32), np.nan)], (1.0,)) == {} == describe([], (1.0,))


def test_saturated_pixels_are_counted_band_by_band():
    image = scene(1)
    image[0, :32] = 5000
    assert describe([image], (3000.0,))["saturated"] == [0.25, 0, 0]
    assert describe([image], (3000.0, 0.0, 9999.0))["saturated"] == [0.25, 1, 0]


def test_training_images_without_any_spread_are_described_and_compared():
    trained = describe([np.full((3, 32, 32), 700.0)], (3000.0,))
    far = distances(trained, blocks(np.full((3, 32, 32), 700.0)))
    assert all((values == 0).all() for values in far.values())
    assert (distances(trained, blocks(np.full((3, 32, 32), 900.0)))["brighter"] > 1).all()


@pytest.mark.parametrize("damage", [{"texture": {}}, {"brightness": {"p1": [1.0], "p99": [2.0]}}, {"noise": 7}])
def test_a_damaged_description_is_refused(damage):
    with pytest.raises(SatsrError, match="export it again"):
        distances({**TRAINED, **damage}, blocks(IMAGES[0]))
