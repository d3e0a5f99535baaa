"""Degradations equal the references, and rounding happens once."""

import cv2
import lmdb
import numpy as np
import pytest

from satsr.degrade import add_noise, blur, downscale_frame, opencv_cubic, probav_baseline, shrink, to_native
from satsr.errors import SatsrError
from satsr.resize import KERNELS, imresize
from satsr.seeds import generator


def image(*shape, dtype=np.float64):
    return (generator(1, "image").random(shape) * 255).astype(dtype)


def test_shrunk_frames_equal_the_first_frames_of_the_golden_clips(golden):
    file = golden("rasvsr/demo_svsr.npz")
    for gt, lr in zip(file["gt"], file["lr"], strict=True):
        np.testing.assert_array_equal(downscale_frame(gt, 4), lr)


def test_shrunk_frames_equal_the_golden_clips(golden):
    clips = [golden.full("rasvsr/demo_svsr") / f"{name}.lmdb" for name in ("GT", "LR4xBicubic")]
    stores = [lmdb.open(str(path), readonly=True, lock=False) for path in clips]
    with stores[0].begin() as high, stores[1].begin() as low:
        for key, value in high.cursor():
            gt, lr = (cv2.imdecode(np.frombuffer(data, np.uint8), -1) for data in (value, low.get(key)))
            np.testing.assert_array_equal(downscale_frame(gt, 4), lr)
    for store in stores:
        store.close()


def test_rounding_is_half_up_and_clips_once():
    values = np.array([-3.0, 0.49, 0.5, 1.5, 2.5, 254.5, 300.0])
    np.testing.assert_array_equal(to_native(values, np.uint8), [0, 0, 1, 2, 3, 255, 255])
    assert to_native(values, np.uint16)[-1] == 300
    assert to_native(values, np.float32).dtype == np.float32
    np.testing.assert_array_equal(to_native(np.array([300], np.uint16), np.uint8), [255])
    np.testing.assert_array_equal(to_native(np.array([200], np.uint8), np.uint16), [200])


def test_halves_go_to_the_even_neighbour_where_a_protocol_says_so():
    values = np.array([-3.0, 0.5, 1.5, 2.5, 254.5, 300.0])
    np.testing.assert_array_equal(to_native(values, np.uint8, ties="even"), [0, 0, 2, 2, 254, 255])
    assert to_native(np.array([3e9], np.float32), np.int32, ties="even")[0] == 2**31 - 1
    with pytest.raises(SatsrError, match="NaN cannot become uint8"):
        to_native(np.array([np.nan]), np.uint8, ties="even")


def test_rounding_equals_the_golden_image(golden):
    file = golden("rasvsr/metrics.npz")
    rgb = to_native(file["tensor2img/in"].transpose(1, 2, 0) * 255, np.uint8)
    file.matches(rgb[..., ::-1], "tensor2img/out")


def test_frames_keep_their_type():
    for dtype in (np.uint8, np.uint16, np.int16, np.float32, np.float64):
        assert downscale_frame(image(18, 21, 2, dtype=dtype), 3).dtype == dtype


def test_blur_keeps_the_mean_and_widens_an_impulse_by_its_sigma():
    impulse = np.zeros((61, 61))
    impulse[30, 30] = 1
    spread = blur(impulse, 2.0)
    assert spread.sum() == pytest.approx(1, rel=1e-12)
    offsets = np.arange(61) - 30
    assert np.sqrt((spread.sum(axis=0) * offsets**2).sum()) == pytest.approx(2.0, rel=0.02)
    assert blur(image(9, 9, 5), 1.2).shape == (9, 9, 5)
    source = image(9, 9, dtype=np.uint8)
    assert blur(source, 0.0) is source


def test_noise_has_its_sigma_and_comes_from_the_generator_alone():
    frame = np.full((256, 256), 100, np.uint8)
    first, second = (downscale_frame(frame, 2, noise_sigma=5.0, rng=generator(1, "noise", 7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.std() == pytest.approx(5, rel=0.03)
    rng = generator(1, "unused")
    assert add_noise(frame, 0.0, rng) is frame
    assert rng.random() == generator(1, "unused").random()


def test_blurred_frames_are_blurred_before_they_shrink():
    frame = image(64, 64, 3, dtype=np.uint8)
    small = to_native(imresize(blur(frame, 1.6), 0.25), np.uint8)
    np.testing.assert_array_equal(downscale_frame(frame, 4, blur_sigma=1.6), small)


def test_the_proba_v_baseline_matches_the_golden_values(golden):
    file = golden("qanet/bicubic_baseline.npz")
    result = probav_baseline(file["lr_u16"], file["qm"])
    file.matches(result, "baseline_old_warp", atol=1e-9 / 65535)
    np.testing.assert_array_equal(probav_baseline(file["lr_u16"], file["qm"].astype(np.uint8) * 255), result)


def test_the_opencv_cubic_matches_the_golden_values(golden):
    file = golden("breizhsr/data_metrics.npz")
    source = np.ascontiguousarray(file["s2"].transpose(1, 2, 0))
    file.matches(opencv_cubic(source, 4).transpose(2, 0, 1), "s2_up_cv2cubic", atol=1e-7)
    assert opencv_cubic(source[..., :1], 4).shape == (80, 80, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: downscale_frame(image(8, 8), 0.25), "how many times smaller"),
        (lambda: downscale_frame(image(8, 8), 4, noise_sigma=1.0), "generator"),
        (lambda: downscale_frame(image(8, 8), 4, blur_sigma=-1.0), "standard deviation"),
        (lambda: to_native(np.array([np.nan]), np.uint8), "NaN"),
        (lambda: probav_baseline(image(2, 8, 8), np.ones((2, 8, 8), bool)), "integer views"),
        (lambda: probav_baseline(image(2, 8, 8, dtype=np.uint16), np.ones((2, 8, 9), bool)), "one shape"),
        (lambda: opencv_cubic(image(8, 8, dtype=np.uint8), 4), "convert uint8"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(call, message):
    with pytest.raises(SatsrError, match=message):
        call()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_kernel_makes_small_what_the_libraries_make_of_it(scale):
    import torch

    source = image(12 * scale, 7 * scale, 3)
    found = {kernel: shrink(source, scale, kernel) for kernel in KERNELS}
    planes = torch.from_numpy(source).permute(2, 0, 1)[None]
    options = {"scale_factor": 1 / scale, "mode": "bilinear", "antialias": True, "align_corners": False}
    bilinear = torch.nn.functional.interpolate(planes, **options)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found["bilinear"], bilinear, atol=1e-9)
    np.testing.assert_allclose(found["area"], source.reshape(12, scale, 7, scale, 3).mean(axis=(1, 3)), atol=1e-9)
    np.testing.assert_array_equal(found["cubic"], imresize(source, 1 / scale))
    with pytest.raises(SatsrError, match='kernel of a resize must be one of cubic, bilinear, area, found "box"'):
        shrink(source, scale, "box")
