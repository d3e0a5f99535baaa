from pathlib import Path

import numpy as np
import pytest

from satsr.degrade import downscale_frame, to_native
from satsr.download.card import Embedded
from satsr.download.drawn.video import AWAY, render_clip, write_scenes
from satsr.imagery.images import read_rgb
from satsr.metrics import psnr
from satsr.resize import imresize


def shift_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(y, x) by which the second gray image lies displaced, by phase correlation, to a few tenths of a pixel."""
    spectra = [
        np.fft.fft2((image - image.mean()) * np.outer(*(np.hanning(n) for n in image.shape)))
        for image in (first, second)
    ]
    cross = spectra[1] * spectra[0].conj()
    surface = np.fft.ifft2(cross / np.maximum(abs(cross), 1e-9)).real
    peak = np.unravel_index(surface.argmax(), surface.shape)
    return np.array([p if p < n / 2 else p - n for p, n in zip(peak, surface.shape, strict=True)])


def test_the_same_arguments_give_the_same_clip_and_others_another() -> None:
    clip = render_clip(3, 1, 2, 64, 96)
    assert (clip.shape, clip.dtype) == ((2, 64, 96, 3), np.uint8)
    np.testing.assert_array_equal(clip, render_clip(3, 1, 2, 64, 96))
    assert (clip != render_clip(3, 2, 2, 64, 96)).any()
    assert (clip != render_clip(4, 1, 2, 64, 96)).any()


def test_there_is_detail_that_a_quarter_of_the_resolution_loses() -> None:
    for index in range(3):
        (frame,) = render_clip(0, index, 1, 128, 128)
        there_and_back = to_native(imresize(downscale_frame(frame, 4).astype(float), 4), np.uint8)
        assert 23 < psnr(there_and_back, frame) < 31


def test_the_camera_moves_steadily_and_stays_over_the_town() -> None:
    clip = render_clip(0, 0, 40, 128, 128).astype(float).mean(axis=3)
    whole = np.linalg.norm(shift_between(clip[0], clip[39]))
    halves = [np.linalg.norm(shift_between(clip[a], clip[b])) for a, b in ((0, 20), (20, 39))]
    assert 3 < whole < 30
    assert max(halves) < whole + 2


def test_colours_fill_the_range_without_burning_out() -> None:
    clip = render_clip(0, 5, 2, 128, 128)
    assert 60 < clip.mean() < 180
    assert clip.std() > 15
    assert np.isin(clip, (0, 255)).mean() < 0.02


def test_scenes_are_written_in_the_papers_layout(tmp_path: Path) -> None:
    write_scenes(tmp_path, Embedded(kind="video", train=1, val=1, test=1, frames=2, size=(48, 64)))
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert found == [f"{split}/GT/000/0000000{frame}.png" for split in ("test", "train", "val") for frame in (0, 1)]
    np.testing.assert_array_equal(read_rgb(tmp_path / found[5]), render_clip(0, 1, 2, 48, 64)[1])


@pytest.mark.slow
def test_test_clips_show_other_towns_and_may_be_short_and_small(tmp_path: Path) -> None:
    card = {"kind": "video", "train": 1, "val": 0, "test": 2, "frames": 3, "size": (64, 64)}
    write_scenes(tmp_path, Embedded(**card, test_frames=1, test_size=(48, 32)))
    found = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "test").rglob("*.png"))
    assert found == ["test/GT/000/00000000.png", "test/GT/001/00000000.png"]
    np.testing.assert_array_equal(read_rgb(tmp_path / found[1]), render_clip(0, 1, 1, 48, 32, AWAY)[0])
    home, away = (np.concatenate([render_clip(0, i, 1, 96, 96, *region) for i in range(8)]) for region in ((), (AWAY,)))
    warmth = [float((clips[..., 0].astype(int) - clips[..., 2]).mean()) for clips in (home, away)]
    assert warmth[1] > warmth[0] + 10
    assert 60 < away.mean() < 180 and away.std() > 15
