"""Intervals against values from elsewhere, and where they must not be given or must be said to be rough."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from satsr.evaluate import intervals
from satsr.evaluate.intervals import BCA, OUTER, bca, frames_of, gains, holm, interval_in_blocks, interval_of_mean
from satsr.scores import Interval
from satsr.seeds import generator

SPATIAL = "48 36 20 29 42 42 20 42 22 41 45 14 6 0 33 28 34 4 32 24 47 41 24 26 30 41"
"""Efron and Tibshirani 1993, An Introduction to the Bootstrap, table 14.1, column A."""
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
"""Student 1908, Biometrika 6:1-25: hours of sleep that ten patients gained with one drug over another."""


def paired(differences: list[float], name: str = "psnr") -> tuple[intervals.Frames, intervals.Frames]:
    """Two methods whose scenes differ so."""
    before = {f"{i:03d}": {name: {0: 20.0 + i}} for i in range(len(differences))}
    after = {f"{i:03d}": {name: {0: 20.0 + i + gain}} for i, gain in enumerate(differences)}
    return before, after


def draws(count: int, kind: str, number: int) -> np.ndarray:
    rng = generator(0, f"test {kind}", count, number)
    return rng.standard_normal(count) if kind == "normal" else rng.exponential(size=count) - 1


def test_the_bca_interval_of_the_spatial_test_data_is_the_published_one() -> None:
    scores = np.array(SPATIAL.split(), dtype=float)
    assert np.var(scores) == pytest.approx(171.5, abs=0.05)
    low, high = bca(scores, 0, np.var, level=0.9)
    assert low == pytest.approx(115.8, rel=0.02) and high == pytest.approx(259.6, rel=0.02)  # table 14.2, B = 2000


def test_the_interval_of_students_sleep_data_is_no_narrower_than_his() -> None:
    found = interval_of_mean(SLEEP)
    assert found.method == OUTER and found.count == 10 and found.unit == "scenes"
    assert found.mean == pytest.approx(1.58)
    assert found.low == pytest.approx(0.7001142, abs=1e-6)  # R: t.test(extra ~ group, paired = TRUE)
    assert 2.4598858 <= (found.high or 0) <= 2.9  # the data are skewed, so BCa reaches further up


def test_with_many_scenes_the_interval_is_that_of_the_normal_distribution() -> None:
    values = np.sqrt(12) * ((np.arange(400) + 0.5) / 400 - 0.5)  # uniform, mean 0, deviation 1
    found = interval_of_mean(list(values))
    assert found.method == BCA
    assert found.low == pytest.approx(-1.96 / 20, abs=0.004) and found.high == pytest.approx(1.96 / 20, abs=0.004)


def test_a_skewed_sample_has_an_interval_that_reaches_further_to_its_long_side() -> None:
    found = interval_of_mean(list(np.exp(3 * (np.arange(40) + 0.5) / 40)))
    assert found.method == BCA and found.mean and found.low and found.high
    assert found.high - found.mean > 1.1 * (found.mean - found.low)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "kind", "least"), [(3, "normal", 0.91), (6, "normal", 0.91), (20, "normal", 0.91), (20, "skewed", 0.88)]
)
def test_about_95_in_100_intervals_hold_the_mean(
    count: int, kind: str, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 499)
    found = [interval_of_mean(list(draws(count, kind, number)), seed=number) for number in range(150)]
    held = np.mean([interval.low <= 0 <= interval.high for interval in found])  # type: ignore[operator]
    assert least <= held <= 0.995


def test_blocks_of_a_clip_are_wider_than_frames_that_pass_as_independent() -> None:
    clip = np.repeat(draws(12, "normal", 0), 5)  # five frames alike
    blocks, frames = interval_in_blocks(list(clip)), interval_of_mean(list(clip))
    assert blocks.unit == "frames in blocks of 7" and blocks.count == 60
    assert None not in (blocks.low, blocks.high, frames.low, frames.high)
    assert blocks.high - blocks.low > 1.5 * (frames.high - frames.low)  # type: ignore[operator]
    assert blocks.mean == pytest.approx(clip.mean()) and "nothing of other scenes" in blocks.note


def test_blocks_of_independent_frames_hold_the_mean_in_about_95_of_100_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 499)
    found = [interval_in_blocks(list(draws(25, "normal", number)), seed=number) for number in range(150)]
    held = np.mean([interval.low <= 0 <= interval.high for interval in found])  # type: ignore[operator]
    assert 0.9 <= held <= 0.995


def test_equal_inputs_and_seeds_give_equal_intervals_and_the_order_of_metrics_does_not_matter() -> None:
    one, other = interval_of_mean(SLEEP, seed=3), interval_of_mean(SLEEP, seed=3)
    assert one == other != interval_of_mean(SLEEP, seed=4)
    before, after = paired(SLEEP)
    both = {scene: {"ssim": values["psnr"], **values} for scene, values in after.items()}
    theirs = {scene: {"ssim": values["psnr"], **values} for scene, values in before.items()}
    assert gains(theirs, both)["psnr"].low == gains(before, after)["psnr"].low


def test_gains_are_of_the_differences_and_not_of_the_metrics() -> None:
    before, after = paired([1.0 + 0.01 * i for i in range(12)])  # the scenes themselves differ by decibels
    found = gains(before, after)["psnr"]
    assert found.mean == pytest.approx(1.055) and found.low and found.high
    assert 1.0 < found.low < found.high < 1.11 and found.sign == 1


def test_one_scene_has_no_interval_and_says_why() -> None:
    found = gains(*paired([1.5]))["psnr"]
    assert (found.mean, found.low, found.high, found.method, found.sign) == (1.5, None, None, "none", 0)
    assert "add scenes" in found.note and found.p_holm is None


def test_one_clip_is_drawn_in_blocks_of_its_frames() -> None:
    rows = [{"scene": "a", "frame": t, "psnr": 30 + t % 3} for t in range(20)]
    before = frames_of([{**row, "method": "bicubic"} for row in rows], "bicubic")
    after = frames_of([{**row, "method": "ema", "psnr": 31 + 0.1 * (row["frame"] % 2)} for row in rows], "ema")
    found = gains(before, after)["psnr"]
    assert found.unit == "frames in blocks of 4" and found.count == 20 and found.low is not None


def test_few_scenes_are_said() -> None:
    assert "few scenes (9)" in interval_of_mean(SLEEP[:9]).note
    assert interval_of_mean(SLEEP).note == ""


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
def test_a_scene_that_is_not_finite_is_left_out_by_name(wrong: float) -> None:
    before, after = paired([*SLEEP, wrong])
    found, without = gains(before, after)["psnr"], gains(*paired(SLEEP))["psnr"]
    assert (found.mean, found.low, found.high, found.count) == (without.mean, without.low, without.high, 10)
    assert found.note == "Left out, because the value is not finite: 010." and found.p_holm == without.p_holm


def test_a_frame_that_is_not_finite_is_left_out_of_its_scene_and_said() -> None:
    before, after = paired(SLEEP)
    with_frame = {**after, "000": {"psnr": {**after["000"]["psnr"], 1: math.inf}}}
    found = gains({**before, "000": {"psnr": {**before["000"]["psnr"], 1: 20.0}}}, with_frame)["psnr"]
    assert (found.mean, found.low, found.count) == (pytest.approx(1.58), gains(before, after)["psnr"].low, 10)
    assert found.note == "Frames whose value is not finite are left out: 000 (1 of 2)."


def test_of_many_scenes_that_are_left_out_some_are_named() -> None:
    note = interval_of_mean([*SLEEP, *[math.nan] * 25]).note
    assert "number 29 and 5 more." in note and "number 30" not in note


def test_where_both_methods_are_perfect_nothing_is_known_of_the_scene() -> None:
    infinite = {"a": {"psnr": {0: math.inf}}, "b": {"psnr": {0: math.inf}}}
    found = gains(infinite, infinite)["psnr"]
    assert (found.mean, found.low, found.count) == (None, None, 0) and "a, b" in found.note


def test_equal_differences_are_an_interval_of_no_width() -> None:
    found = gains(*paired([0.0] * 12))["psnr"]
    assert (found.mean, found.low, found.high, found.sign, found.p_holm) == (0, 0, 0, 0, 1)
    assert interval_in_blocks([0.5] * 16).low == 0.5


def test_only_what_both_methods_have_is_compared() -> None:
    before = {"a": {"psnr": {0: 1.0, 1: 2.0}, "niqe": {0: 5.0}}, "b": {"psnr": {0: 3.0}}, "only": {"psnr": {0: 9.0}}}
    after = {"a": {"psnr": {0: 2.0, 1: 4.0}, "sam": {0: 5.0}}, "b": {"psnr": {0: 4.0, 1: 99.0}}}
    found = gains(before, after)
    assert list(found) == ["psnr"]
    assert found["psnr"].count == 2 and found["psnr"].mean == pytest.approx(1.25)


def test_p_is_that_of_wilcoxons_test_corrected_for_the_number_of_metrics() -> None:
    rises, mixed = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], [1.0, -2.0] * 5
    both = zip(paired(rises), paired(mixed, "ssim"), strict=True)
    before, after = ({scene: {**one[scene], **other[scene]} for scene in one} for one, other in both)
    found = gains(before, after)
    assert found["psnr"].p_holm == pytest.approx(2 * 2 / 2**10)  # ten of one sign: 2 / 2^10, and two metrics
    assert found["ssim"].p_holm == gains(*paired(mixed))["psnr"].p_holm


def test_holms_correction_is_that_of_his_paper() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06}  # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    )


def test_a_table_of_frames_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [
        {"scene": "a/b", "frame": 0, "method": "ema", "psnr": 30.125, "niqe": ""},
        {"scene": "a/b", "frame": 1, "method": "ema", "psnr": math.inf, "niqe": 4.5},
        {"scene": "a/b", "frame": 0, "method": "bicubic", "psnr": 28.0, "niqe": 5.0},
    ]
    with (tmp_path / "frames.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = intervals.read_frames(tmp_path / "frames.csv", "ema")
    assert found == {"a/b": {"psnr": {0: 30.125, 1: math.inf}, "niqe": {1: 4.5}}} == frames_of(rows, "ema")


def test_an_interval_tells_on_which_side_of_zero_it_lies() -> None:
    ends = [(0.1, 0.3), (-0.3, -0.1), (-0.1, 0.3), (0.0, 0.3), (None, None)]
    assert [Interval(0.0, low, high, 9, "scenes", "m").sign for low, high in ends] == [1, -1, 0, 0, 0]
