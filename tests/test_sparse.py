"""Matrices of few entries multiply as SciPy's do, to the bit, and what they made is solved for again."""

import numpy as np
import pytest
from scipy.sparse import coo_array

from satsr import sparse
from satsr.resize import axis_weights
from satsr.seeds import generator
from satsr.sparse import Banded, matrix

CASES = [(5, 4.0, "mirror"), (64, 0.25, "mirror"), (33, 1 / 3, "cut"), (7, 2.0, "replicate"), (50, 0.7, "mirror")]


def entries() -> tuple[np.ndarray, np.ndarray]:
    columns = np.array([[3, 1, 3, 0], [2, 2, 2, 2], [4, 0, 1, 2]])
    return columns, np.array([[1.0, 2.0, 4.0, 0.0], [0.5, 0.25, 0.25, 1.0], [1.0, 2.0, 3.0, 4.0]])


def test_entries_of_one_place_are_added_up_and_noughts_left_out() -> None:
    columns, data = entries()
    found = matrix(columns, data, 5, "float64")
    rows = np.repeat(np.arange(3), 4)
    np.testing.assert_array_equal(found.toarray(), coo_array((data.ravel(), (rows, columns.ravel())), (3, 5)).toarray())
    assert found.shape == (3, 5)
    assert found[1:].toarray().tolist() == found.toarray()[1:].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "scale", "border"), CASES)
def test_numpy_and_scipy_give_the_same_bits(
    size: int, scale: float, border: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = axis_weights(size, scale, border, dtype)
    image = generator(0, "sparse", size).standard_normal((size, 11)).astype(dtype)
    ours = weights @ image
    monkeypatch.setattr(sparse, "LARGE", 0)
    theirs = weights @ image
    assert "_scipy" in vars(weights) and ours.dtype == theirs.dtype == np.dtype(dtype)
    assert ours.tobytes() == theirs.tobytes()


def test_a_missing_value_spreads_to_its_neighbours_only() -> None:
    image = np.ones((40, 1))
    image[20] = np.nan
    assert np.flatnonzero(np.isnan(axis_weights(40, 1.0, "mirror", "float64") @ image)[:, 0]).tolist() == [20]


@pytest.mark.parametrize("size", [1, 2, 3, 30])
@pytest.mark.parametrize("scale", [2, 4])
def test_the_banded_product_is_solved_as_the_whole_matrix_is(size: int, scale: int) -> None:
    down, up = (axis_weights(*way, "mirror", "float64") for way in ((size * scale, 1 / scale), (size, float(scale))))
    image = generator(0, "banded", size).standard_normal((size, 3))
    whole = down.toarray() @ up.toarray()
    np.testing.assert_allclose(Banded(down, up).solve(image), np.linalg.solve(whole, image), atol=1e-11)
