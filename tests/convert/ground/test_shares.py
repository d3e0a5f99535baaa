import numpy as np
import pytest

from satsr.convert.ground.shares import HELD, Shares, cut, in_rows, share_out
from satsr.errors import SatsrError

SHARES = Shares(0.1, 0.2)


@pytest.mark.parametrize(
    ("count", "whole", "within"),
    [
        (1, "t", {"val", "test"}),
        (2, "tT", {"val"}),
        (4, "tttT", {"val"}),
        (5, "tttvT", set()),
        (10, "t" * 7 + "vTT", set()),
    ],
)
def test_the_last_places_test_and_few_places_are_divided_within(count: int, whole: str, within: set[str]) -> None:
    plan = share_out(count, HELD, SHARES, "place")
    assert plan.whole == tuple({"t": "train", "v": "val", "T": "test"}[letter] for letter in whole)
    assert plan.within == within


def test_what_cannot_be_divided_needs_a_place_for_each_split() -> None:
    assert share_out(3, HELD, SHARES, "scene", divisible=False).whole == ("train", "val", "test")
    assert share_out(2, {"val"}, SHARES, "scene", divisible=False).whole == ("train", "val")
    with pytest.raises(SatsrError, match="1 scene cannot be divided into train, val: add others until there are 2"):
        share_out(1, {"val"}, SHARES, "scene", divisible=False)


def test_val_lies_between_train_and_test_and_becomes_a_margin_where_it_is_given() -> None:
    assert cut(10, SHARES, HELD) == ("train",) * 7 + ("val",) + ("test",) * 2
    assert cut(10, SHARES, {"test"}) == ("train",) * 7 + (None,) + ("test",) * 2
    assert cut(10, SHARES, {"val"}) == ("train",) * 9 + ("val",)
    assert cut(2, SHARES, HELD) is None


@pytest.mark.parametrize("grid", [(1, 3), (2, 2), (3, 3), (4, 5), (9, 4), (40, 40)])
def test_every_grid_is_cut_into_strips_with_train_and_test_farthest_apart(grid: tuple[int, int]) -> None:
    tiles = [(row, column) for row in range(grid[0]) for column in range(grid[1])]
    splits = np.array(in_rows(tiles, SHARES, HELD)).reshape(grid)
    assert {"train", "val", "test"} == set(splits.ravel())
    if max(grid) >= 3:
        lines = splits if grid[0] > grid[1] else splits.T
        assert all(len(set(line)) == 1 for line in lines)
        order = [line[0] for line in lines]
        assert order == sorted(order, key=["train", "val", "test"].index)


def test_too_few_tiles_give_nothing() -> None:
    assert in_rows([(0, 0), (0, 1)], SHARES, HELD) is None
