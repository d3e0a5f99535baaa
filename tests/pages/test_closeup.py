"""A close-up lies where the gain is, is the same ground in all pictures, and says how large the gain is there."""

import cv2
import numpy as np
import pytest

from satsr.pages.closeup import Closeup, closeup, gain_in
from satsr.seeds import generator

CORNER = np.s_[144:, 144:]


def frame(side=192):
    noise = generator(0, "closeup").standard_normal((side, side, 3))
    return np.clip(128 + 300 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)


def pictures(better=CORNER):
    """LR, a blurred baseline, and ours that is the reference in one part and the baseline elsewhere."""
    hr = frame()
    baseline = cv2.GaussianBlur(hr, (0, 0), 4)
    ours = baseline.copy()
    ours[better] = hr[better]
    return {"LR": cv2.resize(hr, (48, 48), interpolation=cv2.INTER_AREA), "bicubic": baseline, "ours": ours, "HR": hr}


@pytest.mark.parametrize(("top", "left"), [(0, 0), (144, 144), (0, 144), (40, 96)])
def test_the_close_up_lies_where_the_gain_is(top, left):
    images = pictures(np.s_[top : top + 48, left : left + 48])
    assert closeup(images, "ours", "bicubic") == Closeup(top, left, 48, (192, 192))


def test_it_begins_at_whole_pixels_of_the_coarsest_picture_and_cuts_the_same_ground():
    part = closeup(pictures(np.s_[41:89, 97:145]), "ours", "bicubic")
    assert (part.top, part.left) == (40, 96)
    rows = np.arange(192, dtype=np.uint8)[:, None] * np.ones((1, 192), np.uint8)
    assert part.of(rows)[:, 0].tolist() == list(range(40, 88))
    assert part.of(rows[::4, ::4])[:, 0].tolist() == list(range(40, 88, 4))


def test_a_gain_without_structure_is_passed_over():
    images = pictures()
    images["HR"][:72, :72] = 90
    images["ours"][:72, :72] = 90
    images["bicubic"][:72, :72] = 250  # much the largest gain, of a flat patch
    part = closeup(images, "ours", "bicubic")
    assert part.of(images["HR"]).var() > 0.2 * images["HR"][96:].var()


def test_without_a_reference_it_lies_where_the_two_differ_most():
    images = pictures()
    del images["HR"]
    assert closeup(images, "ours", "bicubic") == Closeup(144, 144, 48, (192, 192))


def test_equal_pictures_and_small_or_gray_ones_have_a_close_up_too():
    small = frame()[:40, :60, 0]
    assert closeup(dict.fromkeys(("bicubic", "ours", "HR"), small), "ours", "bicubic").side == 40
    large = closeup(dict.fromkeys(("bicubic", "ours", "HR"), frame(400)), "ours", "bicubic")
    assert large.side == 100 and large.top + 100 <= 400 and large.left + 100 <= 400


def test_the_gain_of_the_part_is_that_of_its_psnr_whatever_the_stretch():
    hr = frame()
    images = {"HR": hr // 2, "bicubic": hr // 2 + 8, "ours": hr // 2 + 4}
    part = Closeup(10, 20, 48, (192, 192))
    assert gain_in(part, images, "ours", "bicubic") == pytest.approx(20 * np.log10(2))
    doubled = {name: 2 * (image // 2) for name, image in images.items()}
    halved = {name: image // 2 for name, image in images.items()}
    assert gain_in(part, doubled, "ours", "bicubic") == pytest.approx(gain_in(part, halved, "ours", "bicubic"))
    assert gain_in(part, images, "HR", "bicubic") == np.inf
