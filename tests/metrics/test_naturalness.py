"""NIQE follows its definition, ranks distortions, and says where its model comes from."""

import cv2
import numpy as np
import pytest
from scipy.special import gamma

from satsr.degrade import blur, downscale_frame, to_native
from satsr.errors import SatsrError
from satsr.metrics import naturalness as module
from satsr.metrics import niqe, niqe_available
from satsr.metrics.inputs import luma
from satsr.resize import imresize
from satsr.seeds import generator


@pytest.fixture
def params(golden, monkeypatch):
    monkeypatch.setenv(module.PARAMS_VARIABLE, str(golden.full("rasvsr/niqe_pris_params.npz")))


@pytest.fixture(scope="module")
def frame(samples):
    path = samples("video/ipiu_left_100x256x256") / "00000000.png"
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def naive_fit(block):
    """Moment matching by full search, one block, as the paper states it."""
    shapes = np.arange(0.2, 10.001, 0.001)
    ratios = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    left, right = np.sqrt(np.mean(block[block < 0] ** 2)), np.sqrt(np.mean(block[block > 0] ** 2))
    g = left / right
    target = np.mean(np.abs(block)) ** 2 / np.mean(block**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    shape = shapes[np.argmin((ratios - target) ** 2)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


def test_niqe_matches_the_golden_values(golden, params):
    file = np.load(golden.full("rasvsr/niqe.npz"))
    image = file["img"]
    rgb = image[..., ::-1] if image.ndim == 3 else image
    assert niqe(rgb) == pytest.approx(float(file["niqe_cb0"]), rel=1e-4)
    assert niqe(rgb, 4) == pytest.approx(float(file["niqe_cb4"]), rel=1e-4)


def test_block_features_equal_a_full_search_block_by_block():
    image = generator(1, "niqe").standard_normal((96, 144)).astype(np.float32) ** 3
    features = module._block_features(image, 48)
    assert features.shape == (6, 18)
    for index in range(6):
        top, left = 48 * (index // 3), 48 * (index % 3)
        block = image[top : top + 48, left : left + 48]
        shape, low, high = naive_fit(block)
        expected = [shape, (low + high) / 2]
        for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
            shape, low, high = naive_fit(block * np.roll(block, shift, axis=(0, 1)))
            expected += [shape, (high - low) * gamma(2 / shape) / gamma(1 / shape), low, high]
        np.testing.assert_allclose(features[index], expected, rtol=1e-5)


def test_normalised_luma_has_exact_zeros_where_the_image_is_flat(golden):
    window = np.load(golden.full("rasvsr/niqe_pris_params.npz"))["gaussian_window"]
    luma = np.full((40, 40), 255, np.float32)
    luma[:20] = generator(2, "flat").integers(16, 236, (20, 40))
    assert not module._normalised(luma, window)[24:].any()


def test_blur_and_enlargement_raise_niqe(params, frame):
    sharp = niqe(frame)
    assert 2 < sharp < niqe(to_native(blur(frame, 1.6), np.uint8))
    assert sharp < niqe(to_native(imresize(downscale_frame(frame, 4), 4), np.uint8))


def test_gray_is_taken_as_luma_and_the_border_is_cropped_first(params, frame):
    gray = np.round(luma(frame)).astype(np.uint8)
    assert niqe(gray) == niqe(frame)
    assert niqe(frame, 4) == niqe(frame[4:-4, 4:-4])


def test_small_flat_and_float_images_are_refused(params, frame):
    with pytest.raises(SatsrError, match="at least two blocks"):
        niqe(frame[:100, :100])
    with pytest.raises(SatsrError, match="texture"):
        niqe(np.full((192, 192, 3), 40, np.uint8))
    with pytest.raises(SatsrError, match="uint8"):
        niqe(frame / 255)


def test_a_missing_model_is_told_with_its_variable(monkeypatch, tmp_path):
    monkeypatch.delenv(module.PARAMS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not niqe_available()
    with pytest.raises(SatsrError, match=module.PARAMS_VARIABLE):
        niqe(generator(3, "image").integers(0, 256, (192, 192, 3), dtype=np.uint8))


def test_the_cached_model_is_used_only_with_the_right_checksum(monkeypatch, tmp_path, golden, frame):
    monkeypatch.delenv(module.PARAMS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = tmp_path / "satsr" / "niqe_pris_params.npz"
    cached.parent.mkdir()
    cached.write_bytes(golden.full("rasvsr/niqe_pris_params.npz").read_bytes())
    assert niqe_available()
    assert niqe(frame) > 0
    cached.write_bytes(cached.read_bytes()[:-1])
    with pytest.raises(SatsrError, match="sha256"):
        niqe(frame)


@pytest.mark.parametrize("arrays", [{}, {"mu_pris_param": np.zeros((1, 36))}])
def test_a_file_without_the_three_arrays_is_refused(monkeypatch, tmp_path, arrays):
    path = tmp_path / "model.npz"
    np.savez(path, **arrays)
    monkeypatch.setenv(module.PARAMS_VARIABLE, str(path))
    with pytest.raises(SatsrError, match="no pristine model"):
        module.pristine_model()
    path.write_text("not an archive")
    with pytest.raises(SatsrError, match="no pristine model"):
        module.pristine_model()
