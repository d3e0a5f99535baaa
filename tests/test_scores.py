"""What is known of metrics by their names, and means when some scenes have no finite value."""

from math import inf, isnan, nan

import pytest

from satsr.pages.page import FAMILIES
from satsr.scores import direction, lower_is_better, mean, paired


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("psnr_rgb_u8", 1),
        ("ema/val_cpsnr", 1),
        ("ssim_kornia5_max1", 1),
        ("shift_mae_u8", -1),
        ("sam_reflectance", -1),
        ("probav_score", -1),
        ("train_loss", -1),
        ("samples", 0),
        ("sharpness", 0),
    ],
)
def test_a_metrics_direction_is_known_by_the_first_words_of_its_name(name: str, side: int) -> None:
    assert direction(name) == side
    assert lower_is_better(name) is (side < 0)


def test_everything_with_a_label_has_a_direction_but_a_bias_and_a_learning_rate() -> None:
    assert [family for family in FAMILIES if not direction(family)] == ["consistency_bias", "lr"]


def test_the_mean_is_over_the_finite_rows() -> None:
    assert mean([{"psnr": 30.0}, {"psnr": inf}, {"psnr": 40.0}, {"psnr": nan}]) == {"psnr": 35.0}


def test_a_mean_is_infinite_only_if_all_are_and_else_not_a_number() -> None:
    assert mean([{"psnr": inf}, {"psnr": inf}]) == {"psnr": inf}
    assert isnan(mean([{"psnr": inf}, {"psnr": nan}])["psnr"])


def test_a_metric_that_only_some_rows_have_is_over_those() -> None:
    assert mean([{"cpsnr": 1.0, "cpsnr_red": 1.0}, {"cpsnr": 3.0}]) == {"cpsnr": 2.0, "cpsnr_red": 1.0}


def test_methods_are_compared_on_the_same_units() -> None:
    units = [
        {"bicubic": {"psnr": 30.0, "niqe": 5.0}, "ema": {"psnr": 31.0, "niqe": nan}},
        {"bicubic": {"psnr": inf, "niqe": 7.0}, "ema": {"psnr": 50.0, "niqe": 6.0}},
        {"bicubic": {"psnr": 32.0, "niqe": nan}, "ema": {"psnr": 34.0, "niqe": 2.0}},
    ]
    assert paired(units) == {"bicubic": {"psnr": 31.0, "niqe": 7.0}, "ema": {"psnr": 32.5, "niqe": 6.0}}


def test_without_a_common_unit_each_method_has_its_own_mean() -> None:
    units = [{"bicubic": {"psnr": inf}, "ema": {"psnr": 40.0}}, {"bicubic": {"psnr": inf}, "ema": {"psnr": 42.0}}]
    assert paired(units) == {"bicubic": {"psnr": inf}, "ema": {"psnr": 41.0}}


def test_a_metric_of_some_scenes_alone_is_over_those() -> None:
    units = [{"a": {"cpsnr_red": 1.0}, "b": {"cpsnr_red": 2.0}}, {"a": {"cpsnr_nir": 3.0}, "b": {"cpsnr_nir": 4.0}}]
    assert paired(units) == {"a": {"cpsnr_red": 1.0, "cpsnr_nir": 3.0}, "b": {"cpsnr_red": 2.0, "cpsnr_nir": 4.0}}
