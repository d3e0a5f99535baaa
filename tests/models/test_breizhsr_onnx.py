"""BreizhSR's networks as ONNX graphs: free batch, dates (with an L-TAE), height and width."""

import numpy as np
import pytest
import torch

import models
from models.breizhsr.graphs import Sampler
from satsr.export import onnx

pytestmark = pytest.mark.slow  # an export costs seconds; tests/export/test_onnx.py holds exporting itself

RRDB = {"num_blocks": 1, "nf": 8, "gc": 4}
LTAE = {"channels": 8, "res_layers": 1, "d_model": 16, "heads": 2}
IMAGE = {0: "batch", 2: "height", 3: "width"}
SERIES = {0: "batch", 1: "dates", 3: "height", 4: "width"}
VIEWS = {0: "batch", 1: "dates"}
LARGE = {0: "batch", 2: "up_height", 3: "up_width"}


def case(generator, names, batch, dates, height, width):
    """Inputs by name for a tile of this size; the last fifth of the dates is padding."""
    alphas = np.ones((batch, dates), np.float32)
    alphas[:, dates - dates // 5 :] = 0
    every = {
        "x": generator.random((batch, dates, 3, height, width), np.float32) * 2 - 1,
        "days": generator.integers(-90, 90, (batch, dates)).astype(np.float32),
        "alphas": alphas,
        "up": generator.random((batch, 3, 4 * height, 4 * width), np.float32) * 2 - 1,
        "noise": generator.standard_normal((batch, 3, 4 * height, 4 * width), np.float32),
        "x_t": generator.standard_normal((batch, 3, 4 * height, 4 * width), np.float32),
        "t": generator.integers(0, 50, batch),
        "cond": generator.standard_normal((batch, 3, height, width), np.float32),
    }
    return {name: every[name] for name in names}


def deviation(network, axes, path, sizes, single=False):
    """The largest deviation of the exported graph from ``network`` over tiles of these sizes."""
    generator = np.random.default_rng(0)
    cases = [case(generator, axes, *size) for size in [(2, *sizes[0][1:2], 6, 10), *sizes]]
    if single:
        cases = [{**inputs, "x": inputs["x"][:, 0]} for inputs in cases]
    example = {name: torch.from_numpy(value) for name, value in cases[0].items()}
    onnx.export(network, example, axes, path, {})
    return onnx.parity(network, path, cases[1:])["max_abs"]


def test_rrdb_exports_for_any_batch_height_and_width(tmp_path):
    network = models.build("rrdb", **RRDB)
    sizes = [(1, 1, 5, 7), (3, 1, 16, 9)]
    assert deviation(network, {"x": IMAGE}, tmp_path / "m.onnx", sizes, single=True) < 1e-5


@pytest.mark.parametrize(("anchor", "inputs"), [("closest", ["x", "days"]), ("median", ["x", "days", "alphas"])])
def test_ltae_network_exports_for_any_number_of_dates(anchor, inputs, tmp_path):
    network = models.build("highresnet_ltae", anchor=anchor, **LTAE)
    axes = {name: SERIES if name == "x" else VIEWS for name in inputs}
    assert deviation(network, axes, tmp_path / "m.onnx", [(1, 8, 5, 7), (3, 5, 9, 4), (1, 1, 3, 3)]) < 1e-5


def test_recursive_fusion_exports_for_the_number_of_views_of_the_example(tmp_path):
    network = models.build("highresnet", channels=8, res_layers=1)
    axes = {"x": {0: "batch", 3: "height", 4: "width"}, "alphas": {0: "batch"}}
    assert deviation(network, axes, tmp_path / "m.onnx", [(1, 5, 5, 7), (3, 5, 9, 4)]) < 1e-5


def test_denoiser_exports_for_sides_that_need_padding(tmp_path):
    network = models.build("srdiff", backbone="none", channels=8, multipliers=(1, 1, 1, 1))
    axes = {"x_t": LARGE, "t": {0: "batch"}, "cond": IMAGE}
    sizes = [(1, 1, 8, 4), (3, 1, 5, 7), (1, 1, 3, 3)]
    assert deviation(network.denoise_fn, axes, tmp_path / "m.onnx", sizes) < 1e-5


def test_sampling_in_few_steps_exports_as_one_graph(tmp_path):
    options = {"channels": 8, "multipliers": (1,), "backbone_options": LTAE}
    network = models.build("srdiff", backbone="highresnet_ltae", timesteps=50, **options)
    axes = {"x": SERIES, "up": LARGE, "noise": LARGE, "days": VIEWS}
    assert deviation(Sampler(network, 2), axes, tmp_path / "m.onnx", [(1, 8, 5, 7), (3, 5, 9, 4)]) < 1e-4
    with pytest.raises(ValueError, match="steps must be 1 to 49"):
        Sampler(network, 50)
