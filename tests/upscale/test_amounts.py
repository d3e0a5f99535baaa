"""No amount is shown as nothing."""

import pytest

from satsr.upscale.amounts import amount


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "1 MB"), (40_000, "1 MB"), (38.4e6, "38 MB"), (99e6, "99 MB"), (0.1e9, "0.1 GB"), (2.34e9, "2.3 GB")],
)
def test_an_amount_has_the_unit_that_shows_it(count: float, words: str) -> None:
    assert amount(count) == words
