"""Gains in words."""

import pytest

from satsr.pages.gains import answer, claim, notes, over, text
from satsr.scores import Interval


def gain(mean: float | None, low: float | None, high: float | None, count: int = 20, note: str = "") -> Interval:
    return Interval(mean, low, high, count, "scenes", "BCa bootstrap", note)


def test_a_gain_is_a_number_with_its_interval_and_what_it_is_over() -> None:
    assert text("psnr_rgb_u8", gain(1.084, 0.714, 1.401)) == "+1.08 dB [0.71, 1.40], 95 %, 20 scenes"
    assert text("ssim_rgb_u8", gain(-0.01, -0.02, 0.001, 6)) == "−0.0100 [−0.0200, 0.0010], 95 %, only 6 scenes"
    assert text("psnr_rgb_u8", gain(1.084, None, None, 1)) == "+1.08 dB, no interval, 1 scene"
    assert text("psnr_rgb_u8", gain(None, None, None, 0)) == "–, no interval, 0 scenes"
    assert over(Interval(1.0, 0.0, 2.0, 60, "frames in blocks of 7", "m")) == "95 %, 60 frames in blocks of 7"


@pytest.mark.parametrize(
    ("name", "found", "word"),
    [
        ("psnr_rgb_u8", gain(1, 0.5, 1.5), "better"),
        ("psnr_rgb_u8", gain(-1, -1.5, -0.5), "worse"),
        ("niqe_y_u8", gain(-1, -1.5, -0.5), "better"),
        ("niqe_y_u8", gain(1, 0.5, 1.5), "worse"),
        ("niqe_y_u8", gain(1, -0.5, 1.5), "cannot be told apart"),
        ("sharpness", gain(1, 0.5, 1.5), "higher"),
        ("sharpness", gain(-1, -1.5, -0.5), "lower"),
        ("psnr_rgb_u8", gain(1, None, None, 1), "no interval"),
    ],
)
def test_the_answer_knows_which_side_is_better(name: str, found: Interval, word: str) -> None:
    assert answer(name, found) == word


def test_a_claim_has_the_interval_of_what_it_says() -> None:
    worse = gain(-1, -1.5, -0.5)
    assert claim("psnr", worse, "bicubic") == "PSNR is 1.00 dB [0.50, 1.50] worse than bicubic (95 %, 20 scenes)"
    assert claim("niqe", worse, "a", "b") == "b is 1.000 [0.500, 1.500] better than a (95 %, 20 scenes)"
    assert claim("psnr", gain(0.1, -0.5, 0.7), "a", "b").startswith("b cannot be told apart from a: +0.10 dB [−0.50, ")
    assert claim("psnr", gain(1, None, None, 1), "a") == "PSNR is 1.00 dB better than a (no interval, 1 scene)"
    assert "cannot be told apart" in claim("psnr", gain(None, None, None, 0), "a")


def test_a_note_is_said_once_with_the_metrics_that_it_concerns() -> None:
    few = {name: gain(1, 0, 2, 6, "Few.") for name in ("psnr", "ssim")}
    assert notes(few) == ["All metrics: Few."]
    assert notes({**few, "niqe": gain(1, 0, 2, 5, "Left out: a.")}) == ["psnr, ssim: Few.", "niqe: Left out: a."]
