"""The metrics equal the references' values and refuse what would give a wrong number."""

import subprocess
import sys

import numpy as np
import pytest

from satsr import metrics
from satsr.degrade import to_native
from satsr.errors import SatsrError
from satsr.metrics.inputs import luma
from satsr.radiometry import normalisation
from satsr.seeds import generator

U8_PAIRS = ["random", "structured", "identical"]


def u8(*shape, index=0):
    return generator(1, "image", index).integers(0, 256, shape, dtype=np.uint8)


def scene(size=32):
    rng = generator(2, "scene")
    hr = rng.random((size, size)) * 0.2
    return hr + 0.003 * rng.standard_normal(hr.shape), hr, rng.random(hr.shape) > 0.2


@pytest.fixture(scope="module")
def probav(golden):
    inputs = golden("qanet/metric_inputs.npz")
    expected = golden.table("qanet/metric_golden.json")
    clear = inputs["sm_part"]
    images = {"hr_u16": inputs["hr_u16"], "hr_cloud_u16": np.where(clear, inputs["hr_u16"], np.uint16(16383))}
    inputs.matches(images["hr_cloud_u16"], "hr_cloud_u16")

    def case(name):
        hr_key, mask_key = expected["cases"][name]
        masks = {"all ones": np.ones_like(clear), "all zero": np.zeros_like(clear), "sm_part": clear}
        return inputs[f"sr__{name}"], images[hr_key] / 65535, masks[mask_key], expected["results"][name]

    return case


@pytest.mark.parametrize("pair", U8_PAIRS)
@pytest.mark.parametrize("channel", ["rgb", "y"])
@pytest.mark.parametrize("border", [0, 4])
def test_psnr_and_ssim_match_the_golden_values(golden, pair, channel, border):
    file = golden("rasvsr/metrics.npz")
    a, b = (file[f"img/{pair}/{side}"][..., ::-1] for side in "ab")  # the golden images are BGR
    assert metrics.psnr(a, b, border, channel) == pytest.approx(
        float(file[f"psnr/{pair}/cb{border}_{channel}"]), rel=1e-9
    )
    assert metrics.ssim(a, b, border, channel) == pytest.approx(
        float(file[f"ssim/{pair}/cb{border}_{channel}"]), rel=1e-9
    )


def test_luma_equals_the_golden_one_to_the_bit(golden):
    file = golden("rasvsr/metrics.npz")
    file.matches(luma(file["img/random/a"][..., ::-1])[..., None], "ycbcr/to_y_channel")


def test_the_breizhsr_protocol_matches_the_golden_values(golden):
    file = golden("breizhsr/data_metrics.npz")
    a, b = (to_native((file[name].transpose(1, 2, 0) + 1) * 127.5, np.uint8) for name in "AB")
    for name, function in {
        "psnr": metrics.psnr,
        "ssim": metrics.ssim_skimage,
        "mae": metrics.mae,
        "mse": metrics.mse,
        "shift_mae": metrics.shift_mae,
    }.items():
        assert function(a, b) == pytest.approx(float(file[f"m_{name}"]), rel=1e-9), name


def test_zero_padded_similarity_matches_the_breizhsr_loss(golden):
    file = golden("breizhsr/data_metrics.npz")
    a, b = ((file[name].transpose(1, 2, 0).astype(np.float64) + 1) / 2 for name in "AB")
    value = metrics.similarity_map(a, b, metrics.SsimWindow(border="zero"), 1.0).mean()
    assert value == pytest.approx(float(file["ssim_torch"]), abs=1e-6)  # the reference computes in float32


def test_the_srgan_protocol_matches_the_golden_values(golden):
    file = golden("srgan/seed_metrics_norms.npz")
    reflectance = normalisation("s2_norm")
    sr, hr = (reflectance.inverse(file[name].transpose(0, 2, 3, 1)) / np.float32(10000) for name in ("sr", "hr"))
    assert metrics.mae(sr, hr) == pytest.approx(float(file["val_L1"]), rel=1e-6)
    assert metrics.mse(sr, hr) == pytest.approx(float(file["val_L2"]), rel=1e-6)
    assert metrics.psnr_float(sr, hr, 1.0) == pytest.approx(float(file["val_PSNR"]), rel=1e-6)
    per_image = [metrics.ssim_kornia(a, b, 1.0) for a, b in zip(sr, hr, strict=True)]
    assert np.mean(per_image) == pytest.approx(float(file["val_SSIM"]), rel=1e-6)


@pytest.mark.parametrize("name", ["clear_noshift", "masked_shiftm3p3", "identical"])
def test_proba_v_metrics_match_the_golden_values(probav, name):
    sr, hr, mask, expected = probav(name)
    assert metrics.cpsnr(sr, hr, mask) == pytest.approx(expected["qanet.shift_cPSNR"], rel=1e-9)
    assert metrics.probav_score(sr, hr, mask, 47.5) == pytest.approx(expected["qanet score N/cPSNR"], rel=1e-9)
    assert metrics.cssim(sr, hr, mask) == pytest.approx(
        expected["trmisr.get_loss SSIM (msssim gauss11 range1)"], rel=1e-6
    )
    assert metrics.cssim(sr, hr, mask, window=metrics.UNIFORM_11, data_range=2.0) == pytest.approx(
        expected["qanet.shift_cSSIM (skimage win11 range2)"], rel=1e-9
    )


def test_no_clear_pixel_is_an_error_not_a_number(probav):
    sr, hr, mask, _ = probav("sm_all_zero")
    for function in (metrics.cpsnr, metrics.cssim):
        with pytest.raises(SatsrError, match="no clear pixel"):
            function(sr, hr, mask)


def test_cpsnr_is_blind_to_brightness_shift_and_clouds():
    sr, hr, mask = scene()
    value = metrics.cpsnr(sr, hr, mask)
    assert metrics.cpsnr(sr + 0.3, hr, mask) == pytest.approx(value, rel=1e-9)
    assert metrics.cpsnr(np.roll(hr, (2, -3), (0, 1)), hr, np.ones_like(mask)) == np.inf
    clouded = np.where(mask, hr, 0.9)
    assert metrics.cpsnr(sr, clouded, mask) == pytest.approx(value, rel=1e-12)


def test_identical_images_are_infinite_and_fully_similar():
    image = u8(40, 44, 3)
    unit = image / 255
    mask = np.ones(image.shape[:2], bool)
    assert metrics.psnr(image, image) == metrics.psnr(image, image, 4, "y") == np.inf
    assert metrics.psnr_float(unit, unit, 1.0) == metrics.cpsnr(unit[..., 0], unit[..., 0], mask) == np.inf
    assert metrics.probav_score(unit[..., 0], unit[..., 0], mask, 47.5) == 0
    assert metrics.ssim(image, image) == metrics.ssim_skimage(image, image) == 1
    assert metrics.ssim_skimage(unit, unit, 1.0) == 1
    assert metrics.shift_mae(image, image) == metrics.mae(image, image) == metrics.sam(unit, unit) == 0


def test_strips_give_the_mean_of_the_whole_map():
    a, b = u8(201, 30, 3), u8(201, 30, 3, index=1)
    whole = metrics.similarity_map(a.astype(float), b.astype(float), metrics.GAUSSIAN, 255.0).mean()
    assert metrics.ssim(a, b) == pytest.approx(whole, rel=1e-12)


def test_float_and_uint8_forms_agree():
    a, b = u8(30, 33, 3), u8(30, 33, 3, index=1)
    assert metrics.psnr_float(a / 255, b / 255, 1.0) == pytest.approx(metrics.psnr(a, b), rel=1e-12)
    assert metrics.ssim_skimage(a / 255, b / 255, 1.0) == pytest.approx(metrics.ssim_skimage(a, b), rel=1e-9)


def test_psnr_rises_by_the_range_that_is_claimed():
    rng = generator(4, "reflectance")
    a = rng.random((16, 16, 3)) * 0.3
    b = a + 0.01 * rng.standard_normal(a.shape)
    gain = metrics.psnr_float(a, b, 1.0) - metrics.psnr_float(a, b, 0.3)
    assert gain == pytest.approx(20 * np.log10(1 / 0.3), rel=1e-9)


def test_shift_mae_forgives_a_shift_of_three_pixels_but_not_of_four():
    image = u8(40, 40, 3)
    assert metrics.shift_mae(np.roll(image, (3, -3), (0, 1)), image) == 0
    assert metrics.shift_mae(np.roll(image, 4, 0), image) > 50
    assert metrics.shift_mae(image[..., 0], image[..., 0]) == 0


def test_spectral_angle_is_in_degrees_blind_to_brightness_and_skips_black_pixels():
    a = np.zeros((2, 2, 2))
    b = np.zeros((2, 2, 2))
    a[0, 0], b[0, 0] = (1, 0), (0, 5)
    a[0, 1], b[0, 1] = (1, 0), (2, 2)
    a[1, 0], b[1, 0] = (3, 1), (0, 0)
    assert metrics.sam(a, b) == pytest.approx((90 + 45) / 2, rel=1e-12)
    assert metrics.sam(a[:1].astype(np.uint16), b[:1].astype(np.uint16)) == pytest.approx(67.5, rel=1e-12)
    rng = generator(5, "spectra")
    spectra = rng.random((8, 9, 12))
    assert metrics.sam(spectra, 3 * spectra) == pytest.approx(0, abs=1e-6)


def test_many_bands_are_averaged_by_band():
    rng = generator(6, "bands")
    a, b = rng.random((2, 24, 26, 13))
    by_band = [metrics.ssim_skimage(a[..., band], b[..., band], 1.0) for band in range(13)]
    assert metrics.ssim_skimage(a, b, 1.0) == pytest.approx(np.mean(by_band), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.psnr(u8(20, 20, 3), u8(20, 21, 3)), "one shape"),
        (lambda: metrics.psnr(u8(20, 20, 3) / 255, u8(20, 20, 3) / 255), "must be a uint8 image"),
        (lambda: metrics.ssim(u8(20, 20, 3).astype(np.uint16), u8(20, 20, 3)), "must be a uint8 image"),
        (lambda: metrics.psnr(u8(3, 20, 20), u8(3, 20, 20)), "channels last"),
        (lambda: metrics.psnr(u8(20, 20, 3), u8(20, 20, 3), 0, "rgba"), '"rgb" or "y"'),
        (lambda: metrics.psnr(u8(20, 20, 3), u8(20, 20, 3), 10), "cannot be cropped"),
        (lambda: metrics.psnr(u8(20, 20, 3), u8(20, 20, 3), -1), "cannot be cropped"),
        (lambda: metrics.ssim(u8(10, 20, 3), u8(10, 20, 3)), "window of 11"),
        (lambda: metrics.shift_mae(u8(6, 20, 3), u8(6, 20, 3)), "cannot be cropped"),
        (lambda: metrics.psnr_float(np.full((4, 4), np.nan), np.zeros((4, 4)), 1.0), "NaN or infinite"),
        (lambda: metrics.psnr_float(np.zeros((4, 4)), np.zeros((4, 4)), 0.0), "peak"),
        (lambda: metrics.psnr_float(u8(4, 4), u8(4, 4), 255.0), "array of floats"),
        (lambda: metrics.ssim_skimage(np.zeros((1, 3, 20, 20)), np.zeros((1, 3, 20, 20)), 1.0), "one image"),
        (lambda: metrics.ssim_kornia(np.zeros((20, 20)), np.zeros((20, 20)), 1.0, size=4), "odd"),
        (lambda: metrics.mae(u8(4, 4), np.zeros((4, 4))), "array of floats"),
        (lambda: metrics.sam(np.zeros((4, 4, 3)), np.zeros((4, 4, 3))), "every pixel is zero"),
        (lambda: metrics.sam(np.ones((4, 4)), np.ones((4, 4))), r"\(H, W, C\)"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(call, message):
    with pytest.raises(SatsrError, match=message):
        call()


def test_proba_v_metrics_refuse_wrong_input():
    sr, hr, mask = scene()
    spoiled = sr.copy()
    spoiled[0, 0] = np.nan
    for arguments, message in [
        ((sr * 65535, hr * 65535, mask), "divide digital numbers"),
        ((sr, hr, mask.astype(np.uint8)), "mask must be bool"),
        ((sr, hr, mask[:-1]), "mask must be bool"),
        ((sr[:-1], hr, mask), "one shape"),
        ((spoiled, hr, mask), "NaN"),
        ((sr[:6], hr[:6], mask[:6]), "more than 6 pixels"),
    ]:
        with pytest.raises(SatsrError, match=message):
            metrics.cpsnr(*arguments)
    with pytest.raises(SatsrError, match=r"norm\.csv"):
        metrics.probav_score(sr, hr, mask, 0.0)


def test_registering_finds_the_shift_and_keeps_the_brightness():
    _, hr, mask = scene()
    sr = np.roll(hr, (2, -1), axis=(0, 1)) + 0.01
    found, wanted, clear = metrics.registered(sr, hr, mask)
    assert found.shape == wanted.shape == clear.shape == (26, 26)
    assert found - wanted == pytest.approx(0.01)
    assert (clear == mask[1:27, 4:30]).all()


@pytest.mark.parametrize("module", ["metrics.naturalness", "metrics", "degrade", "metrics.registered"])
@pytest.mark.slow
def test_each_module_can_be_imported_first(module):
    subprocess.run([sys.executable, "-c", f"import satsr.{module}"], check=True)
