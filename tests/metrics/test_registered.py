"""The metrics of all shifts at once equal their definition, shift by shift, on images of all kinds."""

from itertools import product

import cv2
import numpy as np
import pytest

from satsr.errors import Undefined
from satsr.metrics import GAUSSIAN, UNIFORM_7, UNIFORM_11, SsimWindow, cpsnr, cssim, registered, similarity_map
from satsr.metrics.bounds import _Maps, _slack
from satsr.metrics.placed import placed
from satsr.metrics.similarity import mean_similarity
from satsr.seeds import generator

SHIFTS = list(product(range(7), range(7)))
PADDED = SsimWindow(7, border="zero")
PREDICTIONS = ["moved", "moved by more than the border", "noise", "with outliers", "negative", "constant", "periodic"]
MASKS = ["clear", "clouds", "specks", "few"]


def triple(prediction, clear, index=0):
    rng = generator(7, "triple", PREDICTIONS.index(prediction), MASKS.index(clear), index)
    height, width = rng.integers(18, 60, 2)
    noise = rng.random((height, width))
    hr = cv2.GaussianBlur(noise, (0, 0), 1.5) * rng.choice([1, 0.2, 0.01])
    if prediction == "periodic":
        hr = np.tile(hr[:3, :2], (20, 30))[:height, :width]
    reach = 5 if prediction == "moved by more than the border" else 3
    sr = np.roll(hr, rng.integers(-reach, reach + 1, 2), (0, 1)) + rng.choice([0, 1e-7, 1e-3]) * (noise - 0.5) + 0.1
    if prediction == "noise":
        sr = rng.random(hr.shape)
    if prediction == "with outliers":
        sr[4, 5], sr[-9, 8] = 9, -8
    if prediction == "negative":
        sr -= 3
    if prediction == "constant":
        sr = np.full(hr.shape, 0.3)
    shares = {"clear": np.ones(hr.shape), "specks": rng.random(hr.shape) > 0.3, "few": rng.random(hr.shape) < 0.01}
    clouds = cv2.GaussianBlur(rng.random(hr.shape), (0, 0), 4) > 0.49
    mask = np.asarray(shares.get(clear, clouds), np.bool_)
    mask[8, 8] = mask[8, 9] = True
    return sr, hr, mask


def shown(sr, hr, mask, shift):
    """What is compared at one shift: the prediction's inside, the window of the reference, and where it is clear."""
    window = tuple(slice(start, start + side - 6) for start, side in zip(shift, hr.shape, strict=True))
    return sr[3:-3, 3:-3], hr[window], mask[window]


def naive_error(sr, hr, mask):
    difference = (hr - sr)[mask]
    return ((difference - difference.mean()) ** 2).mean()


def naive_similarity(sr, hr, mask, window, data_range):
    bias = (hr - sr)[mask].mean()
    return similarity_map(mask * hr, mask * (sr + bias), window, data_range).mean()


def with_two_clear(sr, hr, mask):
    everywhere = (shown(sr, hr, mask, shift) for shift in SHIFTS)
    return [place for place in everywhere if place[2].sum() > 1]


@pytest.mark.slow
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("clear", MASKS)
def test_cpsnr_and_cssim_equal_the_definition_over_all_shifts(prediction, clear):
    images = triple(prediction, clear)
    places = with_two_clear(*images)
    error = min(naive_error(*place) for place in places)
    assert 10 ** (-cpsnr(*images) / 10) == pytest.approx(error, rel=1e-9, abs=1e-28)
    for window, data_range in (
        (GAUSSIAN, 1.0),
        (UNIFORM_11, 2.0),
        (UNIFORM_7, 0.05),
        (SsimWindow(7, border="zero"), 1.0),
    ):
        wanted = max(naive_similarity(*place, window, data_range) for place in places)
        found = cssim(*images, window=window, data_range=data_range)
        assert found == pytest.approx(wanted, abs=1e-9), (window, data_range)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("clear", MASKS)
def test_the_sums_of_all_shifts_are_those_of_each_within_their_slack(prediction, clear):
    images = triple(prediction, clear, 1)
    sums = placed(*images).sums
    for shift in SHIFTS:
        sr, hr, mask = shown(*images, shift)
        assert sums.count[shift] == mask.sum()
        if mask.sum() < 2:
            assert sums.error[shift] == np.inf
            continue
        assert sums.bias[shift] == pytest.approx((hr - sr)[mask].mean(), abs=1e-12)
        assert abs(sums.error[shift] - naive_error(sr, hr, mask)) <= sums.slack[shift]
        assert sums.slack[shift] < 1e-9 * (1 + (sr**2).max()) * mask.size / mask.sum()


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("clear", MASKS)
def test_single_precision_is_within_an_eighth_of_the_slack_that_it_gets(prediction, clear):
    images = placed(*triple(prediction, clear, 2))
    for window, data_range in product((GAUSSIAN, UNIFORM_7, SsimWindow(5, epsilon=1e-12)), (2.0, 1.0, 0.1, 0.01)):
        slack = _slack(images, window, data_range)
        if slack > 1 or images.sums.count[3, 3] < 2:
            continue
        pair = images.pair((3, 3))
        exact = mean_similarity(pair.hr, pair.sr + pair.bias() * pair.clear, window, data_range)
        assert abs(_Maps.of(images, window, data_range).mean((3, 3), -np.inf) - exact) < slack / 8


def test_equal_images_have_no_error_to_the_bit():
    hr = generator(8, "equal").random((60, 47)) * 0.2
    clear = np.ones(hr.shape, np.bool_)
    for shift in SHIFTS[::5]:
        moved = np.roll(hr, (3 - shift[0], 3 - shift[1]), (0, 1))
        assert cpsnr(moved, hr, clear) == np.inf and cssim(moved, hr, clear) == 1
        found, wanted, _ = registered(moved, hr, clear)
        assert np.array_equal(found, wanted)


def test_of_equally_good_shifts_the_first_is_taken():
    hr = np.tile(generator(9, "tile").random((2, 2)), (15, 15))
    _, wanted, _ = registered(hr + 0.25, hr, np.ones(hr.shape, np.bool_))
    assert np.array_equal(wanted, hr[1:25, 1:25])


def test_a_mask_that_leaves_two_pixels_only_at_some_shifts_uses_those():
    rng = generator(10, "corner")
    sr, hr, mask = rng.random((20, 20)), rng.random((20, 20)), np.zeros((20, 20), np.bool_)
    mask[0, 0] = mask[0, 1] = True
    error = naive_error(*shown(sr, hr, mask, (0, 0)))
    assert cpsnr(sr, hr, mask) == pytest.approx(-10 * np.log10(error), rel=1e-12)
    mask[0, 1] = False
    hr[1, 1], mask[19, 19] = 0.5, True
    with pytest.raises(Undefined, match="a single one"):
        cpsnr(sr, hr, mask)


def test_an_odd_size_has_the_means_that_opencv_finds():
    image = generator(11, "means").random((37, 22, 3))
    taps = GAUSSIAN.taps()
    for window in (GAUSSIAN, SsimWindow(border="reflect"), SsimWindow(border="zero")):
        border = cv2.BORDER_CONSTANT if window.border == "zero" else cv2.BORDER_REFLECT_101
        wanted = cv2.sepFilter2D(image, cv2.CV_64F, taps, taps, borderType=border)
        wanted = wanted[5:-5, 5:-5] if window.border == "valid" else wanted
        np.testing.assert_allclose(window.mean(image), wanted, rtol=1e-13)
        np.testing.assert_allclose(window.mean(image[..., 1]), wanted[..., 1], rtol=1e-13)
    single = GAUSSIAN.mean(image.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, GAUSSIAN.mean(image), rtol=1e-5)
