"""Resizing equals the references, and shrinking uint8 is exact."""

import numpy as np
import pytest

from satsr.degrade import downscale_frame
from satsr.errors import SatsrError
from satsr.resize import BORDERS, axis_weights, imresize
from satsr.seeds import generator

IMAGES = ("random", "structured", "odd")
SCALES = {"x0.25": 0.25, "x4": 4, "x0.5": 0.5, "x2": 2, "x1over3": 1 / 3, "x0.8": 0.8}


def image(*shape, dtype=np.float64):
    return (generator(1, "image").random(shape) * 255).astype(dtype)


def exact_quarter(frame, border):
    """The x0.25 cubic of one band in integers: weights over 4096 in each direction, rounded half up, clipped once."""
    k = np.abs(2 * np.arange(16) - 15)  # distance in eighths of the stretched kernel's unit
    taps = np.where(k <= 8, 3 * k**3 - 40 * k**2 + 1024, -(k**3) + 40 * k**2 - 512 * k + 2048)
    assert taps.sum() == 4096

    def shrink(rows):
        padded = np.pad(rows, [(6, 6), (0, 0)], mode={"mirror": "symmetric", "replicate": "edge"}[border])
        return sum(tap * padded[start : start + rows.shape[0] : 4] for start, tap in enumerate(taps))

    summed = shrink(shrink(frame.astype(np.int64)).T).T
    return ((summed + 2**23) >> 24).clip(0, 255)


@pytest.mark.parametrize(
    ("name", "scale"), [(name, s) for name in IMAGES for s in SCALES if s != "x0.8" or name == "random"]
)
def test_imresize_matches_the_golden_values(golden, name, scale):
    file = golden("rasvsr/imresize.npz")
    source = file[f"{name}/in"]
    result = imresize(source, SCALES[scale])
    assert result.dtype == np.float32
    for found in (result, imresize(source.astype(np.float64), SCALES[scale])):
        file.matches(found, f"{name}/{scale}", rtol=1e-6, atol=4e-7)


def test_imresize_matches_the_golden_values_in_float64(golden):
    file = golden("breizhsr/data_metrics.npz")
    result = imresize(file["A"].transpose(1, 2, 0).astype(np.float64), 0.25)
    file.matches(result, "A_matlab_down4", atol=1e-15)


@pytest.mark.parametrize("border", ["mirror", "replicate"])
def test_shrinking_uint8_by_four_is_exact(border):
    frame = image(64, 96, 3, dtype=np.uint8)
    frame[:16] = np.where(frame[:16] > 127, 255, 0)  # overshoot, so that the one clip counts
    result = downscale_frame(frame, 4, border)
    assert result.dtype == np.uint8
    for band in range(3):
        np.testing.assert_array_equal(result[..., band], exact_quarter(frame[..., band], border))


def test_shrinking_a_part_differs_from_the_part_of_the_whole_in_two_pixels_only():
    frame = image(96, 128, 3, dtype=np.uint8)
    whole, part = downscale_frame(frame, 4)[4:20, 4:28], downscale_frame(frame[16:80, 16:112], 4)
    np.testing.assert_array_equal(whole[2:-2, 2:-2], part[2:-2, 2:-2])
    assert (whole != part).any()


@pytest.mark.parametrize("bands", [None, 1, 2, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_any_number_of_bands_and_type_is_resized_band_by_band(bands, dtype):
    source = image(*((20, 28) if bands is None else (20, 28, bands)), dtype=dtype)
    result = imresize(source, 0.5)
    assert result.shape == (10, 14, *source.shape[2:])
    assert result.dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert result.flags.c_contiguous
    if bands:
        np.testing.assert_array_equal(result[..., -1], imresize(source[..., -1], 0.5))


@pytest.mark.parametrize("scale", [0.25, 1 / 3, 0.7, 1, 2, 3, 4])
@pytest.mark.parametrize("border", BORDERS)
def test_a_constant_stays_constant_and_size_is_rounded_up(scale, border):
    result = imresize(np.full((9, 30), 7.0), scale, border)
    np.testing.assert_allclose(result, 7, rtol=1e-14)
    assert result.shape == (int(np.ceil(round(9 * scale, 9))), int(np.ceil(round(30 * scale, 9))))


def test_scale_one_is_the_identity_and_tiny_images_work():
    source = image(12, 9)
    np.testing.assert_array_equal(imresize(source, 1), source)
    for border in BORDERS:
        assert imresize(np.ones((1, 2)), 0.25, border).shape == (1, 1)
        np.testing.assert_allclose(imresize(np.ones((1, 2)), 4, border), np.ones((4, 8)), rtol=1e-14)


def test_a_ramp_is_enlarged_to_a_ramp_inside():
    enlarged = imresize(np.tile(np.arange(16.0), (8, 1)), 4)[16]
    np.testing.assert_allclose(np.diff(enlarged[8:-8]), 0.25, rtol=1e-12)


def test_imresize_does_not_change_its_input_and_takes_views():
    source = image(16, 16, 3)
    kept = source.copy()
    np.testing.assert_array_equal(imresize(source[..., ::-1], 0.5), imresize(source, 0.5)[..., ::-1])
    np.testing.assert_array_equal(source, kept)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imresize(image(8, 8), 0.0), "positive number"),
        (lambda: imresize(image(8, 8), float("nan")), "positive number"),
        (lambda: imresize(image(8, 8), 0.5, "wrap"), "mirror, replicate"),
        (lambda: imresize(image(2, 3, 8, 8), 0.5), r"\(H, W, C\)"),
        (lambda: imresize(np.zeros((8, 8), bool), 0.5), "of numbers"),
        (lambda: imresize(np.zeros((0, 8)), 0.5), "of numbers"),
        (lambda: imresize([[1.0]], 0.5), "found list"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(call, message):
    with pytest.raises(SatsrError, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@pytest.mark.parametrize("scale", [0.125, 0.25, 0.5, 2, 4])
@pytest.mark.parametrize("shape", [(52, 40, 3), (17, 33)])
@pytest.mark.parametrize("border", ["mirror", "replicate"])
def test_dense_products_of_integers_have_the_bits_of_the_sparse_sums(
    dtype: type, scale: float, shape: tuple[int, ...], border: str
) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    image[:4] = limits.max
    down, across = (axis_weights(size, float(scale), border, "float64") for size in shape[:2])
    bands = image.reshape(*shape[:2], -1).astype(np.float64)
    wanted = np.stack([(across @ (down @ bands[..., band]).T).T for band in range(bands.shape[2])], axis=2)
    found = imresize(image, scale, border)
    assert found.dtype == np.float64
    assert found.tobytes() == np.ascontiguousarray(wanted.reshape(found.shape)).tobytes()
