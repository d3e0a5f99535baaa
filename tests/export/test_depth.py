"""How far outside of its training data a model still helps is measured on the exported file, with the truth known."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.msdtgp import PAPER as MSDTGP
from satsr.export import onnx
from satsr.export.cases import Case, Measured
from satsr.export.depth import depth, limit
from satsr.export.pushes import AMOUNTS, PUSHES, Push
from satsr.exported.model import load
from satsr.exported.runners import OnnxRunner
from satsr.resize import imresize
from satsr.store.store import Store, StoreWriter
from steps.configuration import configuration
from tests.depths import pairs, recipe, terrain
from tests.tiny_graphs import cubic_graph, window_graph

ROOT = Path(__file__).resolve().parents[2]


def measured(far, gain):
    """Blocks whose bicubic error is 1 and whose gain is a function of the distance, in dB."""
    far = np.asarray(far, float)
    return Measured({"brighter": far}, 10 ** (-gain(far) / 10), np.ones(len(far)))


def test_the_limit_lies_where_the_gain_crosses_zero():
    far = np.concatenate([np.zeros(50), np.linspace(0.01, 4, 400)])
    found = limit("brighter", [measured([0], lambda d: 2 - d)], [measured(far, lambda d: 2 - d)])
    assert found["limit"] == pytest.approx(2, abs=0.05) and found["reach"] > 3.5
    assert found["gains"][0] == [0, 2, 51] and sum(blocks for _, _, blocks in found["gains"]) == 451


@pytest.mark.parametrize(
    "gain", [lambda d: 1 + 0 * d, lambda d: 1 + d, lambda d: -1 - d, lambda d: np.where(abs(d - 2) < 0.3, -0.5, 2.0)]
)
def test_there_is_no_limit_where_it_never_loses_loses_already_inside_or_comes_back(gain):
    far = np.concatenate([np.zeros(50), np.linspace(0.01, 4, 400)])
    assert limit("brighter", [], [measured(far, gain)])["limit"] is None


def test_a_limit_is_not_nearer_than_where_scenes_as_they_are_lie():
    plain, pushed = np.linspace(0, 0.8, 20), np.concatenate([np.zeros(50), np.linspace(0.01, 4, 400)])
    found = limit("brighter", [measured(plain, lambda d: 0.3 - d)], [measured(pushed, lambda d: 0.3 - d)])
    assert found["limit"] == pytest.approx(0.8, abs=0.01)


def test_too_few_blocks_outside_give_no_limit():
    assert limit("brighter", [], [measured([0, 0, 1, 2, 3], lambda d: 1 - d)])["limit"] is None
    assert limit("brighter", [], [])["gains"] == []


@pytest.mark.parametrize("push", PUSHES, ids=lambda push: f"{push.way} {push.amount:.2f}")
def test_what_is_done_to_image_and_truth_commutes_with_making_small(push):
    truth = terrain(0)[None]
    small = np.stack([imresize(plane, 0.25) for plane in truth[0]])[None]
    first = np.stack([imresize(plane, 0.25) for plane in push.both(truth, 4)[0]])
    away = np.abs(first - push.both(small, 1)[0])[:, 8:-8, 8:-8]
    assert away.max() < 0.02 * small.std() * max(push.amount, 1)


def test_noise_and_blur_are_of_the_image_alone_and_always_the_same():
    image = terrain(0)[None]
    for way in AMOUNTS:
        push = Push(way, AMOUNTS[way][-1])
        alone = not np.array_equal(push.only(image, 3), image)
        assert alone is (way in ("noisier", "softer")) and (push.both(image, 1) is image) is alone
    noise = Push("noisier", 0.1)
    np.testing.assert_array_equal(noise.only(image, 3), noise.only(image, 3))
    assert np.std(noise.only(image, 3) - image) == pytest.approx(0.1 * image.mean(), rel=0.1)
    assert not np.array_equal(noise.only(image, 4), noise.only(image, 3))


@pytest.mark.parametrize("count", [2, 7])
def test_a_frame_with_neighbours_is_measured_against_its_own_truth(tmp_path: Path, count: int) -> None:
    with StoreWriter(tmp_path / "store", {"name": "clip"}) as writer:
        for index in range(count):
            writer.put("val", "a", "hr", index, np.full((128, 128, 3), 20 * index, np.uint8))
            writer.put("val", "a", "lr", index, np.full((32, 32, 3), 20 * index, np.uint8))
        writer.describe("val", "a", {})
    (scene,) = Store(tmp_path / "store").scenes("val")
    msdtgp = MSDTGP(configuration("msdtgp", ROOT))
    case = Case.of(msdtgp, load(window_graph(tmp_path / "model.onnx", scale=4)), scene)
    assert case.truth.shape == (1, 3, 128, 128) and case.images.shape == (5, 3, 32, 32)
    assert case.truth.mean() == case.images[2].mean() == 20 * (count // 2)


@pytest.fixture(scope="module")
def sharpening(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store, dict]:
    """A model that sharpens, and saturates at a reflectance of 0.3; what was measured on it."""
    folder = tmp_path_factory.mktemp("depth")
    path = cubic_graph(folder / "model.onnx", normalisation="s2_norm", sharpen=0.06)
    store = pairs(folder / "store")
    return path, store, depth(recipe(), store, path, 2)


@pytest.mark.slow
def test_a_model_that_sharpens_loses_to_noise_and_one_that_saturates_to_brightness(sharpening):
    _, _, known = sharpening
    assert known["inside_db"] > 0.1 and known["scenes"] == ["v0", "v1"]
    limits = {way: found["limit"] for way, found in known["limits"].items()}
    assert limits["noisier"] is not None and limits["brighter"] is not None
    assert limits["darker"] is limits["busier"] is None  # it is linear: less, or more of everything, is the same to it
    assert all(gain > 0 for _, gain, _ in known["limits"]["darker"]["gains"][:3])


@pytest.mark.slow
def test_the_same_store_gives_the_same_bytes_and_few_of_them(sharpening):
    path, store, known = sharpening
    again = json.dumps(depth(recipe(), store, path, 2), sort_keys=True)
    assert again == json.dumps(known, sort_keys=True) and len(again) < 6000


def test_without_scenes_to_measure_on_the_description_alone_remains(sharpening):
    path, store, known = sharpening
    found = depth(recipe(), store, path, 0)
    assert found["trained"] == known["trained"] and found["inside_db"] is None and found["scenes"] == []
    assert all(entry["limit"] is None for entry in found["limits"].values())


def test_an_exported_file_takes_another_description_and_keeps_its_graph(sharpening, tmp_path):
    path, _, known = sharpening
    x = {"x": np.random.default_rng(0).random((1, 3, 16, 16), np.float32)}
    before = OnnxRunner(path, device="cpu")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    onnx.describe(copy, {**before.description, "depth": known})
    after = OnnxRunner(copy, device="cpu")
    assert after.description == {**before.description, "depth": known}
    np.testing.assert_array_equal(after.run(x), before.run(x))
