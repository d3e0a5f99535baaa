"""Overviews: means of what is there."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from satsr.upscale.results.pyramid import halved, shapes


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
def test_halves_go_up_in_every_type(dtype):
    plane = np.array([[[1, 2, 7, 7], [2, 1, 7, 8]]], dtype)
    expected = [1.5, 7.25] if dtype == "float32" else [2, 7]
    assert_array_equal(halved(plane, None), np.array([[expected]], dtype))


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_halves_of_negative_numbers_go_up_too(dtype):
    assert_array_equal(halved(np.array([[[-1, -2], [-2, -1]]], dtype), None), [[[-1]]])


def test_both_ways_give_the_same_where_nothing_is_missing():
    """A missing pixel makes a plane go the slow way; all but its own mean are the fast way's."""
    values = np.random.default_rng(0).integers(1, 65535, (2, 64, 66)).astype(np.uint16)
    gaps = values.copy()
    gaps[:, 0, 0] = 0
    fast, slow = halved(values, 0), halved(gaps, 0)
    assert_array_equal(fast.reshape(2, -1)[:, 1:], slow.reshape(2, -1)[:, 1:])


def test_missing_pixels_do_not_count_and_stay_missing_only_together():
    values = np.array([[[0, 8, 0, 0], [4, 0, 0, 0]]], np.uint16)
    assert_array_equal(halved(values, 0), [[[6, 0]]])
    nan = np.where(values == 0, np.nan, values).astype(np.float32)
    assert_array_equal(halved(nan, float("nan")), np.array([[[6, np.nan]]], np.float32))


def test_a_mean_never_takes_the_nodata_value():
    assert_array_equal(halved(np.array([[[9, 11], [7, 10]]], np.uint8), 10), [[[9]]])
    assert_array_equal(halved(np.array([[[9, 11], [10, 10]]], np.uint8), 10), [[[11]]])


def test_the_last_of_an_odd_number_is_taken_alone():
    values = np.arange(15, dtype=np.uint8).reshape(1, 3, 5) * 2
    assert_array_equal(halved(values, None)[0], [[6, 10, 13], [21, 25, 28]])


def test_overviews_end_at_one_that_is_no_larger_than_a_tile():
    assert shapes(512, 300) == [(512, 300)]
    assert shapes(2050, 513) == [(2050, 513), (1025, 257), (513, 129), (257, 65)]
