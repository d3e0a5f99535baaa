"""Normalisations equal the references, can be undone and found by name; matching gives the reference's distribution."""

import dataclasses
import json

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.radiometry import NORMALISATIONS, Normalisation, histogram_match, moment_match, normalisation
from satsr.seeds import generator


def hwc(array):
    return array.transpose(1, 2, 0)


def chw(array):
    return array.transpose(2, 0, 1)


@pytest.fixture(scope="module")
def breizhsr(golden):
    return golden("breizhsr/data_metrics.npz")


@pytest.fixture(scope="module")
def srgan(golden):
    return golden("srgan/seed_metrics_norms.npz")


def test_the_breizhsr_stretches_match_the_golden_values(breizhsr):
    s2 = normalisation("breizh_s2").forward(hwc(breizhsr["s2"]) * 10000)
    breizhsr.matches(chw(s2), "s2_norm", rtol=1e-6, atol=2e-7)
    spot = normalisation("signed_u8").forward(hwc(breizhsr["spot"]) * 255)
    breizhsr.matches(chw(spot), "spot_norm", rtol=1e-6, atol=2e-7)


def test_the_srgan_stretch_and_its_inverse_match_the_golden_values(srgan):
    stretch = normalisation("s2_norm")
    reflectance = srgan["v"][:, None]
    np.testing.assert_allclose(stretch.forward(reflectance * 10000)[:, 0], srgan["norm"], rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(
        stretch.inverse(2 * reflectance - 1)[:, 0] / 10000, srgan["denorm"], rtol=1e-6, atol=1e-7
    )


def test_matching_equals_the_breizhsr_golden_values(breizhsr):
    spot, s2 = hwc(breizhsr["spot"] * 2 - 1), hwc(breizhsr["s2_norm"])
    breizhsr.matches(chw(spot), "spot_norm")
    matched = histogram_match(spot, s2)
    assert matched.dtype == np.float32
    breizhsr.matches(chw(matched), "hist_matched", rtol=1e-6, atol=1e-7)
    breizhsr.matches(chw(moment_match(spot, s2)), "moment_matched", rtol=1e-6, atol=5e-7)


def test_matching_equals_the_srgan_golden_values(srgan):
    image = hwc(np.round(np.random.default_rng(3).random((3, 300, 300)) ** 2 * 255) / 255)
    reference = hwc(np.random.default_rng(2).random((3, 75, 75)) * 0.3)
    matched = histogram_match(image, reference)
    srgan.matches(chw(matched[::5, ::5]), "hist", rtol=1e-6)
    np.testing.assert_allclose(matched.mean(axis=(0, 1)), srgan["hist_mean"], rtol=1e-6)
    srgan.matches(chw(moment_match(image, reference)[::5, ::5]), "moment", rtol=1e-6)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_every_normalisation_spans_its_range_and_can_be_undone(name):
    item = normalisation(name)
    native = np.linspace(0, 1, 33, dtype=np.float64)[:, None, None] * np.array(item.high)
    seen = item.forward(native)
    assert seen.dtype == np.float32
    assert (seen.min(), seen.max()) == pytest.approx(item.range, abs=1e-6)
    np.testing.assert_allclose(item.inverse(seen), native, rtol=1e-6, atol=1e-6 * max(item.high))


def test_eight_and_sixteen_bits_survive_the_round_trip_exactly():
    for name, dtype in {"unit_u8": np.uint8, "signed_u8": np.uint8, "probav": np.uint16}.items():
        native = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(1, -1)
        item = normalisation(name)
        np.testing.assert_array_equal(np.rint(item.inverse(item.forward(native))), native)


def test_unit_equals_the_division_to_the_bit():
    native = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(normalisation("unit_u8").forward(native), native.astype(np.float32) / np.float32(255))


def test_what_saturates_is_clamped_and_the_input_is_untouched():
    native = np.array([[-500.0, 12000.0]], dtype=np.float32)
    kept = native.copy()
    for name in ("s2_norm", "normalise_10k", "normalise_10k_signed"):
        item = normalisation(name)
        assert item.forward(native).ravel().tolist() == list(item.range)
        assert item.inverse(np.array([[-9.0, 9.0]])).ravel().tolist() == list(item.native)
    np.testing.assert_array_equal(native, kept)


def test_a_normalisation_is_frozen_found_by_name_and_fits_into_json():
    item = normalisation("breizh_s2")
    with pytest.raises(dataclasses.FrozenInstanceError):
        item.name = "other"
    stored = json.loads(json.dumps(dataclasses.asdict(item)))
    rebuilt = Normalisation(**{key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()})
    assert rebuilt == item == normalisation(stored["name"])
    with pytest.raises(SatsrError, match="choose one of unit_u8"):
        normalisation("minmax")


def test_other_bands_are_refused():
    for shape in ((8, 8), (8, 8, 4), (3, 8, 8)):
        with pytest.raises(SatsrError, match=r"\(H, W, 3\)"):
            normalisation("breizh_s2").forward(np.zeros(shape))


def test_a_histogram_matched_to_itself_is_unchanged_and_to_another_takes_its_values():
    rng = generator(1, "histogram")
    image, reference = rng.random((20, 30, 2)), rng.random((20, 30, 2)) ** 3
    np.testing.assert_allclose(histogram_match(image, image), image, rtol=1e-12)
    matched = histogram_match(image, reference)
    np.testing.assert_allclose(np.sort(matched, axis=None), np.sort(reference, axis=None), rtol=1e-12)
    np.testing.assert_array_equal(np.argsort(matched[..., 0], axis=None), np.argsort(image[..., 0], axis=None))


def test_matching_takes_integers_gray_and_constant_images():
    rng = generator(2, "integers")
    image = rng.integers(0, 256, (12, 14), dtype=np.uint8)
    reference = rng.random((5, 6))
    assert histogram_match(image, reference).dtype == np.float64
    assert histogram_match(image, reference).max() == pytest.approx(reference.max())
    np.testing.assert_allclose(moment_match(np.full((4, 4), 3.0), reference), reference.mean(), rtol=1e-12)
    matched = moment_match(image, reference)
    assert (matched.mean(), matched.std()) == pytest.approx((reference.mean(), reference.std()))


def test_matching_refuses_nan_and_other_bands():
    image = np.zeros((4, 4, 3))
    with pytest.raises(SatsrError, match="same bands"):
        histogram_match(image, np.zeros((4, 4, 4)))
    with pytest.raises(SatsrError, match="same bands"):
        moment_match(image, np.zeros((4, 4)))
    with pytest.raises(SatsrError, match="finite"):
        histogram_match(image, np.full((4, 4, 3), np.nan))


def test_an_open_stretch_is_that_of_the_paper_and_goes_on_beyond_it():
    inside = np.array([[[0, 500, 1118]]], np.uint16)
    bright = np.array([[[9900, 6000, 4200]]], np.uint16)
    for name in ("s2_norm", "breizh_s2"):
        paper, opened = normalisation(name), normalisation(f"{name}_open")
        np.testing.assert_array_equal(paper.forward(inside), opened.forward(inside))
        np.testing.assert_allclose(opened.inverse(opened.forward(bright)), bright, rtol=1e-6)
        assert (paper.inverse(paper.forward(bright)) < bright).all()
        assert (paper.clipped(opened.forward(bright)) == 1).all()
        np.testing.assert_array_equal(opened.clipped(opened.forward(bright)), opened.forward(bright))
        assert opened.inverse(opened.clipped(np.full((1, 1, 3), 1e6, np.float32))).max() == 10000
