"""Consistency says by how much a result, made small again, differs from its input: per band, signed, in its units."""

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.metrics import consistency
from satsr.seeds import generator

BANDS = ("B04", "B03", "B02")


def image(*shape: int) -> np.ndarray:
    return generator(0, "consistency").uniform(200, 3000, shape)


def test_bias_and_rmse_of_each_band_and_of_all() -> None:
    given = image(8, 9, 3)
    sign = np.where(np.indices((8, 9)).sum(axis=0) % 2, 1.0, -1.0)
    small = given + np.stack([np.full((8, 9), 10.0), -4 + 3 * sign, np.zeros((8, 9))], axis=-1)
    found = consistency(small, given, BANDS)
    assert found["consistency_bias_B04"] == pytest.approx(10) and found["consistency_bias_B03"] == pytest.approx(-4)
    assert found["consistency_rmse_B04"] == pytest.approx(10) and found["consistency_rmse_B03"] == pytest.approx(5)
    assert found["consistency_bias_B02"] == found["consistency_rmse_B02"] == 0
    assert found["consistency_rmse"] == pytest.approx(np.sqrt((100 + 25) / 3))


def test_the_angle_is_that_of_the_spectra_and_brightness_does_not_change_it() -> None:
    given = np.broadcast_to(np.array([1000.0, 1000, 0]), (4, 4, 3)).copy()
    turned = np.broadcast_to(np.array([1000.0, 0, 0]), (4, 4, 3)).copy()
    assert consistency(turned, given, BANDS)["consistency_sam_deg"] == pytest.approx(45)
    assert consistency(1.5 * given, given, BANDS)["consistency_sam_deg"] == pytest.approx(0)
    assert "consistency_sam_deg" not in consistency(turned[..., :2], given[..., :2])
    assert "consistency_sam_deg" not in consistency(np.zeros((4, 4, 3)), given)


def test_only_clear_pixels_count_and_none_gives_no_number() -> None:
    given = image(6, 6, 1)
    small, clear = given.copy(), np.ones((6, 6), bool)
    small[:3] += 1e6
    clear[:3] = False
    assert consistency(small, given, clear=clear) == {
        "consistency_bias_1": 0,
        "consistency_rmse_1": 0,
        "consistency_rmse": 0,
    }
    assert consistency(small, given, clear=np.zeros((6, 6), bool)) == {}


def test_images_names_or_masks_that_do_not_fit_get_a_sentence() -> None:
    given = image(4, 4, 3)
    for bands, clear in ((("red",), None), (BANDS, np.ones((4, 5), bool))):
        with pytest.raises(SatsrError, match="bands last"):
            consistency(given, given, bands, clear)
    with pytest.raises(SatsrError, match="one shape"):
        consistency(given, given[:2])
