"""A model refuses arrays in another range than its own instead of giving noise, and takes them with their gain."""

import numpy as np
import pytest

from satsr.errors import SatsrError
from tests.tiny_graphs import image_graph, imageset_graph, recurrent_graph

RNG = np.random.default_rng(0)
UNIT = RNG.random((20, 24, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("graph", "values", "gain"),
    [
        ("unit_u8", UNIT, "gain=255"),
        ("signed_u8", UNIT.astype(np.float64), "gain=255"),
        ("unit_u8", UNIT * 1.3, "gain=255"),
        ("s2_norm", UNIT * 0.4, "gain=10000"),
        ("normalise_10k", UNIT * 3, "gain=10000"),
        ("unit_u8", 2 * UNIT - 1, r"\(x \+ 1\) \* 127\.5"),
        ("s2_norm", 2 * UNIT - 1, r"\(x \+ 1\) \* 5000"),
        (
            "s2_norm",
            0.603 * UNIT - 0.003,
            r"add gain=10000 for numbers in 0\.\.1, a few .* \(x \+ 1\) \* 5000 of .*gain=1 ",
        ),
        ("s2_norm", -0.4 * UNIT, r"gain=10000.*\(x \+ 1\) \* 5000"),
        ("unit_u8", 2 * UNIT - 1, r"in -1\.\.1, or add gain=1 if"),
        ("s2_norm", (255 * UNIT).astype(np.uint8), "the original product"),
        ("unit_u8", (9000 * UNIT).astype(np.uint16), "gain=0.0283"),
        ("unit_u8", 9000 * UNIT, "gain=0.0283"),
    ],
)
def test_values_in_another_range_get_a_sentence_with_the_fix(tiny, graph, values, gain):
    model = tiny(image_graph, normalisation=graph)
    with pytest.raises(SatsrError, match=rf"takes numbers in 0\.\.(255|10000).*found .* between .*{gain}"):
        model(values)


def test_other_kinds_look_too(tiny):
    with pytest.raises(SatsrError, match="gain=255"):
        tiny(recurrent_graph)(np.stack([UNIT] * 3))
    with pytest.raises(SatsrError, match="gain=65535"):
        tiny(imageset_graph)(RNG.random((9, 20, 20)))


def test_a_tensor_in_0_to_1_comes_back_in_0_to_1(tiny):
    torch = pytest.importorskip("torch")
    model = tiny(image_graph, normalisation="unit_u8")
    tensor = torch.from_numpy(UNIT).permute(2, 0, 1)[None]
    with pytest.raises(SatsrError, match="gain=255"):
        model(tensor)
    made = model(tensor, gain=255)
    assert made.dtype == torch.float32 and made.max() <= 1
    native = model(255 * UNIT)
    np.testing.assert_allclose(made[0].permute(1, 2, 0).numpy() * 255, native, atol=1e-3)


def test_numbers_that_may_be_right_pass(tiny):
    model, sand = tiny(image_graph), 14000 * UNIT
    dark = np.zeros((20, 24, 3), np.float32)
    for values in (10000 * UNIT, sand, dark, (3 * UNIT).astype(np.uint16)):
        assert model(values).shape == (40, 48, 3)
    frames = tiny(image_graph, normalisation="unit_u8")
    for values in (255 * UNIT, 256.5 * UNIT, dark, np.eye(20, 24, dtype=np.uint8)[..., None].repeat(3, 2)):
        assert frames(values).shape == (40, 48, 3)


def test_with_a_gain_of_one_nobody_looks(tiny):
    model = tiny(image_graph, normalisation="unit_u8")
    np.testing.assert_allclose(model(UNIT, gain=1), model(100 * UNIT) / 100, atol=1e-4)
    for gain in (0, -1, float("nan"), float("inf")):
        with pytest.raises(SatsrError, match="no gain"):
            model(UNIT, gain=gain)
