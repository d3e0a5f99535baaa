from datetime import date

import numpy as np
import pytest

from satsr.imagery.dates import date_in, nearest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2018-05-03.png", date(2018, 5, 3)),
        ("S2A_MSIL2A_20180503T105031_N0207_R051_T30UVU_20180503T131523.tif", date(2018, 5, 3)),
        ("tile_12345678_20180503.tif", date(2018, 5, 3)),
        ("2018_05_03_rgb.tif", date(2018, 5, 3)),
        ("2018-0503.tif", None),
        ("120180503.tif", None),
    ],
)
def test_dates_are_found_in_names(name: str, expected: date | None) -> None:
    assert date_in(name) == expected


def test_the_nearest_dates_are_taken_in_the_order_of_the_series() -> None:
    days = np.array([-30, -5, 5, 0, 40])
    assert nearest(days, 1) == [3]
    assert nearest(days, 2) == [1, 3]  # of two equally near the first
    assert nearest(days, 9) == [0, 1, 2, 3, 4]
