import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.kinds.imageset.views import clearest, coverage, random_views, select_by_coverage
from tests.golden.load import Golden


@pytest.fixture
def reference(golden: Golden) -> dict[str, np.ndarray]:
    content = golden("qanet/select9_objective.npz")
    return {"masks": np.moveaxis(content["masks"], 2, 0), **{k: content[k] for k in ("sm", "subsets", "objective")}}


def test_coverage_is_the_objective_of_the_reference(reference: dict[str, np.ndarray]) -> None:
    found = coverage(reference["masks"], reference["sm"], reference["subsets"])
    np.testing.assert_array_equal(found, reference["objective"])


def test_the_choice_covers_at_least_as_well_as_any_that_was_looked_at(reference: dict[str, np.ndarray]) -> None:
    masks, sm = reference["masks"], reference["sm"]
    chosen = select_by_coverage(masks, sm, seed=3)
    assert chosen.shape == (9,) and (np.diff(chosen) > 0).all()
    assert coverage(masks, sm, chosen[None])[0] >= reference["objective"].max()
    np.testing.assert_array_equal(chosen, select_by_coverage(masks, sm, seed=3))


def test_a_hole_is_filled_by_the_only_view_that_sees_it() -> None:
    masks = np.full((12, 8, 8), 255, np.uint8)
    masks[:11, 2:5, 2:6] = 0  # only the last view sees these pixels
    masks[11, :, 7] = 0  # and yet it is not one of the clearest without them
    sm = np.full((24, 24), 255, np.uint8)
    for seed in range(5):
        assert 11 in select_by_coverage(masks, sm, seed=seed)
    # Where the reference is unclear, the hole does not count.
    sm[6:15, 6:18] = 0
    assert coverage(masks, sm, np.arange(9)[None])[0] == 90


def test_fewer_views_than_wanted_are_repeated_from_the_clearest_on() -> None:
    masks = np.zeros((3, 2, 2), np.uint8)
    masks[1], masks[2, 0] = 255, 255
    np.testing.assert_array_equal(clearest(masks, 5), [1, 2, 0, 1, 2])
    np.testing.assert_array_equal(select_by_coverage(masks, np.ones((6, 6)), views=5), [0, 1, 1, 2, 2])


def test_the_clearest_come_first_and_equals_keep_their_order() -> None:
    masks = np.zeros((4, 2, 2), np.uint8)
    masks[3], masks[0, 0], masks[2, 1] = 9, 255, 1
    np.testing.assert_array_equal(clearest(masks, 4), [3, 0, 2, 1])
    np.testing.assert_array_equal(clearest(masks, 2), [3, 0])


def test_random_views_are_distinct_and_uniform() -> None:
    rng = np.random.default_rng(0)
    draws = np.stack([random_views(rng, 13, 9) for _ in range(2000)])
    assert all(len(set(draw)) == 9 for draw in draws.tolist())
    np.testing.assert_allclose(np.bincount(draws.ravel()) / 2000, 9 / 13, atol=0.05)
    np.testing.assert_allclose(np.bincount(draws[:, 0]) / 2000, 1 / 13, atol=0.03)
    assert set(np.bincount(random_views(rng, 4, 9)).tolist()) == {2, 3}


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(SatsrError, match="no whole multiple"):
        select_by_coverage(np.ones((12, 4, 4)), np.ones((10, 12)))
    with pytest.raises(SatsrError, match=r"quality maps are \(T, H, W\)"):
        clearest(np.ones((4, 4)), 3)
    with pytest.raises(SatsrError, match="without views"):
        random_views(np.random.default_rng(0), 0, 9)
