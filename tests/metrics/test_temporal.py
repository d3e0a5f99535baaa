"""Warping error: zero for motion alone, known for brightness that flickers, blind to what is hidden."""

import numpy as np
import pytest
from scipy import ndimage

from satsr.errors import SatsrError
from satsr.metrics import motions, warping_error
from satsr.seeds import generator


def texture(side: int, index: int = 0) -> np.ndarray:
    noise = generator(12, "temporal", index).random((side, side, 1))
    smooth = ndimage.gaussian_filter(noise, (2, 2, 0))
    return np.repeat(255 * (smooth - smooth.min()) / np.ptp(smooth), 3, axis=2).astype(np.float32)


def panned(step: int, frames: int = 4, side: int = 96) -> np.ndarray:
    """A camera that moves ``step`` pixels to the right a frame."""
    ground = texture(side + step * frames)
    return np.stack([ground[:side, step * t : step * t + side] for t in range(frames)])


def test_flicker_of_still_ground_has_the_error_that_the_formula_gives() -> None:
    still = np.repeat(texture(64)[None] * 0.5, 4, axis=0)
    levels = np.array([0, 10, -5, 20], np.float32)
    expected = np.mean(3 * (np.diff(levels) / 255) ** 2)  # three bands, summed
    assert warping_error(still, motions(still)) == 0
    assert warping_error(still + levels[:, None, None, None], motions(still)) == pytest.approx(expected, rel=1e-5)


def test_motion_alone_is_no_flicker() -> None:
    clip = panned(3)
    unmoved = np.mean(np.square(np.diff(clip, axis=0) / 255).sum(axis=3))
    assert warping_error(clip, motions(clip)) < 0.01 * unmoved


def test_blur_lowers_the_error_and_noise_raises_it() -> None:
    clip = panned(3) + generator(13, "temporal").normal(0, 3, (4, 96, 96, 3)).astype(np.float32)
    of = motions(clip)
    noisy = clip + generator(14, "temporal").normal(0, 5, clip.shape).astype(np.float32)
    blurred = ndimage.gaussian_filter(clip, (0, 2, 2, 0))
    assert warping_error(blurred, of) < warping_error(clip, of) < warping_error(noisy, of)


def test_what_leaves_the_frame_or_is_covered_does_not_count() -> None:
    clip = panned(3)
    visible = np.all([motion.visible for motion in motions(clip)], axis=0)
    assert not visible[:, :3].any() and visible[8:-8, 8:-8].mean() > 0.9
    covered = np.repeat(texture(96)[None], 2, axis=0)
    for t in range(2):
        covered[t, 30:60, 20 + 8 * t : 50 + 8 * t] = texture(30, index=1)
    (motion,) = motions(covered)
    assert motion.visible[35:55, 51:57].mean() < 0.5 < 0.9 < motion.visible[70:90].mean()


def test_where_the_motions_there_and_back_disagree_pixels_do_not_count() -> None:
    (cut,) = motions(np.stack([texture(96), texture(96, index=1)]))  # two grounds: what is found is no motion
    assert cut.visible.mean() < 0.4


def test_what_has_no_value_is_an_error_not_a_number() -> None:
    clip = panned(3)
    with pytest.raises(SatsrError, match="at least 2 frames"):
        motions(clip[:1])
    with pytest.raises(SatsrError, match="between 4 frames"):
        warping_error(clip[:3], motions(clip))
