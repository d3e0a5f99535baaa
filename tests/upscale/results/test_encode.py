"""Videos keep what the frames have, play in browsers, and say what they lose."""

import re

import cv2
import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.imagery import video_file
from satsr.imagery.images import read_rgb, write_png
from satsr.metrics import psnr
from satsr.upscale.results import encode, own

av = pytest.importorskip("av", reason="PyAV (satsr[video]) is absent")
TAGS = {"SATSR_MODEL": "tiny/1", "TIFFTAG_SOFTWARE": "satsr"}


def frames(folder, count=5, height=64, width=80):
    """Smooth pictures that move, with colours as mild as those of the ground."""
    rng = np.random.default_rng(0)
    small = rng.integers(40, 200, (12, 14, 1)) + rng.integers(0, 30, (12, 14, 3))
    large = cv2.resize(small.astype(np.uint8), (width + count, height), interpolation=cv2.INTER_CUBIC)
    for index in range(count):
        write_png(folder / f"{index}.png", np.ascontiguousarray(large[:, index : index + width]))
    return sorted(folder.glob("*.png"))


def decoded(path):
    return np.stack([load() for load in video_file.loaders(path)])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_what_browsers_play_loses_little_and_says_how_much(tmp_path, suffix):
    files = frames(tmp_path / "in")
    said = encode.encode(files, tmp_path / f"out{suffix}", 12.5, TAGS, lossless=False)
    mean, least = (float(number) for number in re.findall(r"([\d.]+) dB", said))
    assert mean >= least > 35
    found = decoded(tmp_path / f"out{suffix}").astype(float)
    given = np.stack([cv2.imread(str(file))[..., ::-1] for file in files])
    levels = 10 * np.log10(255**2 / ((found - given) ** 2).mean(axis=(1, 2, 3)))
    assert (mean, least) == pytest.approx((levels.mean(), levels.min()), abs=0.051)
    with av.open(str(tmp_path / f"out{suffix}")) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p" and stream.average_rate == 12.5
        assert stream.codec_context.name in ("h264", "libvpx-vp9", "vp9")
    assert own.foreign(tmp_path / f"out{suffix}") == []


def test_an_mp4_begins_with_what_browsers_need_first(tmp_path):
    encode.encode(frames(tmp_path / "in"), tmp_path / "out.mp4", 25, TAGS, lossless=False)
    content = (tmp_path / "out.mp4").read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


@pytest.mark.parametrize(("suffix", "lossless"), [(".mkv", False), (".avi", False), (".mp4", True), (".webm", True)])
def test_without_loss_every_pixel_is_kept_whatever_the_size(tmp_path, suffix, lossless):
    files = frames(tmp_path / "in", height=31, width=45)
    said = encode.encode(files, tmp_path / f"out{suffix}", 30000 / 1001, TAGS, lossless)
    assert "holds the frames as they are" in said
    for found, file in zip(decoded(tmp_path / f"out{suffix}"), files, strict=True):
        np.testing.assert_array_equal(found, cv2.imread(str(file))[..., ::-1])
    assert own.foreign(tmp_path / f"out{suffix}") == []


def test_odd_sides_are_refused_where_h264_cannot_hold_them_and_only_there(tmp_path):
    with pytest.raises(SatsrError, match=r"45 x 31 px: name a \.webm"):
        encode.require(tmp_path / "out.mp4", (31, 45), lossless=False)
    encode.require(tmp_path / "out.mp4", (31, 45), lossless=True)
    encode.require(tmp_path / "out.webm", (31, 45), lossless=False)
    files = frames(tmp_path / "in", height=31, width=45)
    encode.encode(files, tmp_path / "out.webm", 25, TAGS, lossless=False)
    assert decoded(tmp_path / "out.webm").shape == (5, 31, 45, 3)


def test_frames_that_a_video_does_not_change_have_no_part_in_its_psnr(tmp_path):
    for index in range(4):
        write_png(tmp_path / f"{index}.png", np.full((64, 64, 3), 50 * index, np.uint8))
    files = sorted(tmp_path.glob("*.png"))
    assert "holds the frames as they are" in encode.encode(files, tmp_path / "a.mp4", 25, TAGS, lossless=False)
    files[1] = frames(tmp_path / "in", count=1, height=64, width=64)[0]
    said = encode.encode(files, tmp_path / "b.mp4", 25, TAGS, lossless=False)
    levels = [psnr(found, read_rgb(file)) for found, file in zip(decoded(tmp_path / "b.mp4"), files, strict=True)]
    changed = [level for level in levels if np.isfinite(level)]
    assert 0 < len(changed) < 4
    assert f"{np.mean(changed):.1f} dB against the {len(changed)} of 4 frames that it changes" in said


@pytest.mark.parametrize("rate", [-5.0, 0.0, 0.0004, 5000.0, float("nan"), float("inf")])
def test_rates_that_no_video_has_are_refused_before_any_work(tmp_path, rate):
    with pytest.raises(SatsrError, match=r"frames a second are none that a video has: say --fps"):
        encode.require(tmp_path / "out.mp4", (32, 32), lossless=False, per_second=rate)


def test_what_an_encoder_refuses_is_a_sentence(tmp_path):
    with pytest.raises(SatsrError, match=r"out\.mp4 cannot be written as H\.264 .*: name a \.mkv or a folder"):
        encode.encode(frames(tmp_path / "in", height=31, width=45), tmp_path / "out.mp4", 25, TAGS, lossless=False)


def test_without_pyav_it_is_said_what_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "find_spec", lambda name: None)
    with pytest.raises(SatsrError, match=r'pip install "satsr\[video\]", or name a folder'):
        encode.require(tmp_path / "out.mp4", (32, 32), lossless=False)
