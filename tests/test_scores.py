"""Means over frames and scenes, when some of them have no finite value."""

from math import inf, isnan, nan

from satsr.scores import mean, paired


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
