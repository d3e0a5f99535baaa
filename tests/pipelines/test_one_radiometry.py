"""Training, measuring and applying see the same numbers, and give the same pixels, for each paper."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from models.shared.weights import save_weights
from satsr import load
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.degrade import to_native
from satsr.evaluate.radiometry import variants
from satsr.paper import Paper
from satsr.scores import EXPORTED
from satsr.seeds import generator
from satsr.store.statistics import statistics
from satsr.store.store import Scene, Store, StoreWriter
from satsr.upscale.options import Options
from satsr.upscale.scenes.scene import upscale
from steps.configuration import config_of

ROOT = Path(__file__).resolve().parents[2]
LR = (32, 40)
SHORT = {"iterations": 2, "batch": 1, "crop_px": 1000, "validate_every": 1, "checkpoint_every": 1}
SMALL = {"n_blocks": 1, "n_channels": 8, "discriminator_blocks": 2, "discriminator_channels": 4, "discriminator_fc": 8}
# paper -> what its network takes of a scene (frames, native type, bands) and its reduced configuration
CASES: dict[str, tuple[int, Any, bool, dict[str, Any]]] = {
    "rasvsr": (5, np.uint8, True, {"network": {"num_blocks": 1}, "train": {**SHORT, "frames": 5}}),
    "msdtgp": (5, np.uint8, True, {"network": {"base_filter": 16, "n_resblock": 1, "n_extract": 1}, "train": SHORT}),
    "breizhsr": (
        8,
        np.uint16,
        True,
        {  # samples as they are: darker ones and those of fewer dates have tests of their own
            "network": {"channels": 8, "d_model": 16, "heads": 2},
            "train": {**SHORT, "dark_share": 0, "few_dates_share": 0},
        },
    ),
    "srgan": (
        3,
        np.uint16,
        True,
        {"profile": "sisr7", "network": {**SMALL, "start": "scratch"}, "train": {**SHORT, "content": "l1"}},
    ),
    "qanet": (9, np.uint16, False, {"network": {"n_modules": 1, "n_resblocks": 1, "n_feats": 8}, "train": SHORT}),
}


def bound(paper: str) -> Paper[Any]:
    changes = {"data": "data/catalog", **CASES[paper][3]}
    config = resolved(config_of(paper), paper, merged(paper, ROOT, changes))
    recipe: type[Paper[Any]] = import_module(f"pipelines.{paper}").PAPER
    return recipe(config)


def written(folder: Path, paper: Paper[Any]) -> Store:
    """One scene, to train on and to measure on."""
    count, dtype, colours, _ = CASES[paper.name]
    scale, top = paper.config.convert.scale, 255 if dtype == np.uint8 else 3000
    random = generator(0, paper.name)
    tail = (3,) if colours else ()

    def image(factor: int) -> np.ndarray:
        return random.integers(0, top + 1, (LR[0] * factor, LR[1] * factor, *tail)).astype(dtype)

    with StoreWriter(folder / "store", {"name": "test"}) as writer:
        low, fine = [image(1) for _ in range(count)], [image(scale) for _ in range(count)]
        for split in ("train", "val"):
            for index in range(count):
                writer.put(split, "a", "lr", index, low[index])
                if not colours:
                    writer.put(split, "a", "qm", index, np.full(LR, 255, np.uint8))
                if dtype == np.uint8 or index == 0:
                    writer.put(split, "a", "hr", index, fine[index])
            if not colours:
                writer.put(split, "a", "sm", 0, np.full((LR[0] * scale, LR[1] * scale), 255, np.uint8))
            writer.describe(split, "a", {"days": [5 * (index - count // 2) for index in range(count)]})
    return Store(folder / "store")


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Paper[Any], Store, Path]:
    paper = bound(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    return paper, written(folder, paper), folder


def native(scene: Scene) -> np.ndarray:
    return np.stack([scene.read("lr", index) for index in range(scene.count("lr"))])


def test_a_training_sample_holds_the_numbers_that_are_measured_with(case: tuple[Paper[Any], Store, Path]) -> None:
    paper, store, _ = case
    (scene,) = store.scenes("val")
    measured = paper.inputs(scene)["x"]
    samples = paper.samples(store)
    samples.still = 0  # single frames of RASVSR's first steps are turned one by one
    for index in range(3):
        sample = samples[index]["x"].numpy()
        alike = [np.array_equal(np.sort(sample, axis=None), np.sort(part, axis=None)) for part in measured]
        assert any(alike)  # the same numbers, mirrored or in another order of views
        assert sample.dtype == measured.dtype == np.float32


def test_the_numbers_are_those_of_the_radiometry_that_the_export_names(case: tuple[Paper[Any], Store, Path]) -> None:
    paper, store, _ = case
    (scene,) = store.scenes("val")
    frames, measured = native(scene), paper.inputs(scene)["x"]
    assert paper.describe()["normalisation"] == paper.radiometry.name
    allowed = np.unique(np.stack([paper.radiometry.forward(frame) for frame in frames]))
    assert np.isin(measured, allowed).all()


@pytest.mark.slow
def test_an_applied_model_gives_what_was_measured(case: tuple[Paper[Any], Store, Path]) -> None:
    paper, store, folder = case
    (scene,) = store.scenes("val")
    torch.manual_seed(0)
    network: Any = paper.network().eval()
    header = {**paper.describe(), **network.made_from, "statistics": statistics(store, paper.seen)}
    save_weights(network, folder / "ema.safetensors", {"satsr": json.dumps(header)})
    model = load(folder / "ema.safetensors", device="cpu")
    frames = native(scene)
    if model.kind == "image":
        frames = frames[int(np.argmin(np.abs(scene.meta["days"])))]
    days = {"days": scene.meta["days"]} if model.kind == "series" else {}
    found = model(frames, **days, constraint="none")
    output = paper.run(network, paper.inputs(scene))
    planes = np.moveaxis(output, -3, -1) if found.ndim == output.ndim else output[0]
    expected = to_native(paper.radiometry.inverse(planes), frames.dtype, ties="even")
    np.testing.assert_array_equal(found, expected)
    # by default with the constraint that the paper's exported role is measured with
    methods = {method: native for method, _, native in variants(paper, scene, EXPORTED, output)}
    default = model(frames, **days)
    np.testing.assert_array_equal(default, methods[EXPORTED].reshape(default.shape))
    assert np.array_equal(default, found) is (paper.constraint == "none")
    assert model.facts.constraint == paper.hold()


def test_the_description_says_which_values_were_trained_on(case: tuple[Paper[Any], Store, Path]) -> None:
    paper, store, _ = case
    found = statistics(store, paper.seen)
    frames = native(store.scenes("train")[0])
    bands = frames.reshape(-1, 3) if CASES[paper.name][2] else frames.reshape(-1, 1)
    assert len(found["p50"]) == bands.shape[1] == (len(paper.describe()["bands"]) or 1) == paper.describe()["channels"]
    for name, share in (("p2", 2), ("p50", 50), ("p98", 98)):
        np.testing.assert_allclose(found[name], np.percentile(bands, share, axis=0), atol=0.06 * bands.max())


def test_what_would_be_written_lies_in_the_units_of_the_reference_and_of_the_input(
    case: tuple[Paper[Any], Store, Path],
) -> None:
    paper, store, _ = case
    (scene,) = store.scenes("val")
    written = paper.written(scene, paper.baseline(scene).astype(np.float32))
    reference, given = paper.reference(scene), paper.given(scene)
    assert written.shape == reference.shape
    assert written.ndim == 4
    assert np.array_equal(written, np.rint(written))
    assert paper.shrink(written).shape == given.shape
    low, high = paper.radiometry.native
    assert all(low <= part.min() and part.max() <= high for part in (written, reference, given))
    # enlarged and made small again, noise keeps its pattern
    assert np.corrcoef(paper.shrink(written).ravel(), given.ravel())[0, 1] > 0.7


QUICK: dict[str, dict[str, Any]] = {
    "srgan": {"profile": "quick", "network": SMALL},
    "breizhsr": {"profile": "quick_rrdb", "network": {"num_blocks": 1, "nf": 8, "gc": 4}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("level", [80, 5500, 9300])
def test_water_sand_and_snow_keep_their_level_through_upscale(name: str, level: int, tmp_path: Path) -> None:
    paper: Paper[Any] = import_module(f"pipelines.{name}").PAPER(
        resolved(config_of(name), name, merged(name, ROOT, {"data": "data/catalog", **QUICK[name]}))
    )
    torch.manual_seed(0)
    network: Any = paper.network().eval()
    with torch.no_grad():
        for parameter in network.parameters():  # as after some training: the last layer is not zero any more
            parameter.add_(0.02 * torch.randn_like(parameter))
    header = {**paper.describe(), **network.made_from}
    save_weights(network, tmp_path / "ema.safetensors", {"satsr": json.dumps(header)})
    values = generator(0, "level", level).integers(int(0.95 * level), int(1.05 * level), (3, 40, 48)).astype(np.uint16)
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000000, 10, 10)}
    with rasterio.open(
        tmp_path / "in.tif", "w", driver="GTiff", count=3, height=40, width=48, dtype="uint16", **place
    ) as target:
        target.write(values)
        target.descriptions = ("B04", "B03", "B02")
    model = load(tmp_path / "ema.safetensors", device="cpu")
    made, _style = upscale(model, tmp_path / "in.tif", tmp_path / "out.tif", Options(force=True), lambda line: None)
    with rasterio.open(made) as source:
        found = source.read()
    assert found.shape == (3, 160, 192)
    blocks = found.reshape(3, 10, 16, 12, 16).mean((2, 4))
    np.testing.assert_allclose(blocks, values.reshape(3, 10, 4, 12, 4).mean((2, 4)), rtol=0.03, atol=8)
