"""A metric without a value is not a number with a reason, and never a wrong number."""

from math import inf, isnan

import numpy as np
import pytest

from satsr.errors import SatsrError, Undefined
from satsr.metrics import cpsnr, cssim, niqe, or_nan, probav_score, psnr, psnr_float, sam, ssim, ssim_kornia
from satsr.metrics.undefined import warn
from satsr.seeds import generator

NOISE = generator(5, "noise").random((40, 40)) * 0.2
CLEAR = np.ones((40, 40), np.bool_)
CORNER = np.zeros_like(CLEAR)
CORNER[0, 0] = True
APART = CORNER.copy()
APART[-1, -1] = True


@pytest.mark.parametrize("metric", [cpsnr, cssim])
@pytest.mark.parametrize(
    ("hr", "mask", "reason"),
    [
        (np.full((40, 40), 0.1), CLEAR, "constant where it is clear"),
        (NOISE, CORNER, "constant where it is clear"),
        (NOISE, APART, "no clear pixel, or a single one"),
        (NOISE, ~CLEAR, "no clear pixel"),
    ],
)
def test_a_reference_that_every_constant_would_fit_has_no_score(metric, hr, mask, reason) -> None:
    with pytest.raises(Undefined, match=reason):
        metric(NOISE, hr, mask)


def test_a_prediction_far_outside_its_range_has_no_score_but_a_reference_there_is_a_mistake() -> None:
    assert isnan(or_nan(cpsnr, NOISE + 11, NOISE, CLEAR))
    with pytest.raises(SatsrError, match="divide digital numbers") as refused:
        or_nan(cpsnr, NOISE, NOISE + 11, CLEAR)
    assert not isinstance(refused.value, Undefined)


def test_the_reason_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        assert isnan(or_nan(sam, np.zeros((4, 5, 3)), np.ones((4, 5, 3))))
    said = capsys.readouterr().err
    assert said.count("sam has no value, and counts as not a number: the spectral angle is undefined") == 1


def test_of_several_processes_the_first_says_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        warn(f"a sentence of process {rank}")
        said.append(capsys.readouterr().err)
    assert said == ["a sentence of process 0\n", ""]


def test_a_flat_image_has_no_niqe(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {
        "mu_pris_param": np.zeros((1, 36)),
        "cov_pris_param": np.eye(36),
        "gaussian_window": np.full((7, 7), 1 / 49),
    }
    np.savez(tmp_path / "model.npz", **model)
    monkeypatch.setenv("SATSR_NIQE_PARAMS", str(tmp_path / "model.npz"))
    assert isnan(or_nan(niqe, np.full((192, 192, 3), 7, np.uint8)))
    assert isnan(or_nan(niqe, np.full((90, 90, 3), 7, np.uint8)))


def test_a_baseline_without_a_score_gives_none() -> None:
    for norm in (inf, 0.0, -3.0, float("nan")):
        assert isnan(or_nan(probav_score, NOISE + 0.01 * NOISE[::-1], NOISE, CLEAR, norm))


def test_constant_images_have_the_right_numbers() -> None:
    flat, brighter = np.full((32, 32, 3), 100, np.uint8), np.full((32, 32, 3), 110, np.uint8)
    assert psnr(flat, brighter) == pytest.approx(20 * np.log10(255 / 10))
    assert psnr(flat, flat) == inf and ssim(flat, flat) == 1
    c1 = (0.01 * 255) ** 2
    assert ssim(flat, brighter) == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1), rel=1e-9)
    zero = np.zeros((32, 32, 3))
    assert psnr_float(zero, zero, peak=1.0) == inf and ssim_kornia(zero, zero, peak=1.0) == pytest.approx(1, abs=2e-5)
