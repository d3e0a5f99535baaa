"""The metrics of bands equal other programs' figures and closed forms, and refuse what has no value."""

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.metrics import ergas, q2n, uiqi
from satsr.seeds import generator

# sewar 0.4.10 (ergas, r=0.25) and torchmetrics 1.9.0 (error_relative_global_dimensionless_synthesis, ratio=4) agree.
ERGAS = {1: 3.392884877190875, 3: 3.405842558618947, 4: 3.381253099640509, 8: 3.372219470058734}
# A Python port of the toolbox of Q2n's authors (UESTC 2021), without its normalisation of blocks; three bands padded.
Q2N = {
    1: 0.9746104131071274,
    2: 0.9748903883900724,
    3: 0.9739446776648022,
    4: 0.9740987680663502,
    8: 0.9743101285585327,
}


def pair(bands: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Output and reference of whole numbers, as the other programs were given them."""
    random = generator(4, "bands", bands)
    hr = random.integers(0, 2000, (side, side, bands))
    sr = np.clip(hr + random.integers(-200, 260, hr.shape), 0, 65535)
    return sr.astype(np.float64), hr.astype(np.float64)


@pytest.mark.parametrize("bands", ERGAS)
def test_ergas_equals_that_of_two_other_programs(bands: int) -> None:
    assert ergas(*pair(bands), scale=4) == pytest.approx(ERGAS[bands], rel=1e-12)


@pytest.mark.parametrize("bands", Q2N)
def test_q2n_equals_the_toolbox(bands: int) -> None:
    assert q2n(*pair(bands)) == pytest.approx(Q2N[bands], rel=1e-12)


def test_uiqi_equals_its_definition_window_by_window() -> None:
    sr, hr = pair(2, side=12)
    values = []
    for x, y in zip(sr.transpose(2, 0, 1), hr.transpose(2, 0, 1), strict=True):
        for top, left in np.ndindex(5, 5):
            a, b = (image[top : top + 8, left : left + 8].ravel() for image in (x, y))
            (va, c), (_, vb) = np.cov(a, b, bias=True)
            values.append(4 * c * a.mean() * b.mean() / ((va + vb) * (a.mean() ** 2 + b.mean() ** 2)))
    assert uiqi(sr, hr) == pytest.approx(np.mean(values), rel=1e-12)


@pytest.mark.parametrize("metric", [uiqi, q2n])
def test_a_stretched_image_has_the_quality_that_the_formula_gives(metric) -> None:
    _, hr = pair(3)
    assert metric(2 * hr, hr) == pytest.approx((2 * 2 / (1 + 2**2)) ** 2, rel=1e-12)  # contrast and brightness alike
    assert metric(hr, hr) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("metric", [uiqi, q2n])
def test_where_both_are_flat_only_brightness_is_compared(metric) -> None:
    for level in generator(15, "flat").random(20):
        flat = np.full((32, 32, 3), 1000 * level)
        assert metric(3 * flat, flat) == pytest.approx(2 * 3 / (1 + 3**2), rel=1e-9)
    assert metric(0 * flat, 0 * flat) == 1


@pytest.mark.parametrize("metric", [uiqi, q2n, lambda *images: ergas(*images[:2], 4, *images[2:])])
def test_what_is_not_clear_does_not_count(metric) -> None:
    sr, hr = pair(3)
    cloudy, clear = sr.copy(), np.ones(sr.shape[:2], bool)
    cloudy[40:50, :10], clear[40:50, :10] = 9999, False
    assert metric(cloudy, hr, clear) == metric(sr, hr, clear) != metric(cloudy, hr)
    with pytest.raises(SatsrError, match="no clear pixel"):
        metric(sr, hr, np.zeros_like(clear))


def test_what_has_no_value_is_an_error_not_a_number() -> None:
    sr, hr = pair(3, side=16)
    with pytest.raises(SatsrError, match="32 clear pixels"):
        q2n(sr, hr)
    with pytest.raises(SatsrError, match="8 clear pixels"):
        uiqi(sr[:7], hr[:7])
    with pytest.raises(SatsrError, match="not positive"):
        ergas(sr, hr * [1, 0, 1], scale=4)
