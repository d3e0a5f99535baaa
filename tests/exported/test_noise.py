"""Diffusion networks: noise belongs to places and a seed, so windows agree, runs repeat, and samples spread."""

from dataclasses import replace

import numpy as np
import pytest

from satsr.exported.noise import noise
from satsr.upscale.scenes.scene import upscale
from tests.tiny_graphs import diffusion_graph
from tests.upscale.scenes.test_scene import SMALL, quiet, read, smooth, write

HIGHS = (2058, 1583, 1118)


def test_parts_of_the_noise_agree_wherever_they_overlap():
    whole = noise(0, 0, 3, (0, 0), (200, 150))
    np.testing.assert_array_equal(noise(0, 0, 3, (70, 33), (60, 100)), whole[:, 70:130, 33:133])
    assert abs(whole.mean()) < 0.02 and abs(whole.std() - 1) < 0.02


def test_seeds_and_samples_are_independent():
    planes = [noise(seed, sample, 1, (0, 0), (128, 128)).ravel() for seed, sample in ((0, 0), (0, 1), (1, 0))]
    correlations = np.corrcoef(planes)
    assert np.abs(correlations[~np.eye(3, dtype=bool)]).max() < 0.05


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "in.tif", smooth(150, 140) // 3)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3])
def test_tiles_of_a_diffusion_network_equal_the_whole(parts, tiny, tmp_path, scene):
    model = tiny(diffusion_graph, parts=parts)
    upscale(model, scene, tmp_path / "out.tif", SMALL, quiet)
    whole = np.moveaxis(model(np.moveaxis(read(scene), 0, -1)), -1, 0)
    assert np.abs(read(tmp_path / "out.tif").astype(int) - whole).max() <= 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_scene_and_another_seed_another(tiny, tmp_path, scene):
    model = tiny(diffusion_graph)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        upscale(model, scene, tmp_path / f"{name}.tif", replace(SMALL, seed=seed), quiet)
    first, same, other = (read(tmp_path / f"{name}.tif") for name in "abc")
    np.testing.assert_array_equal(first, same)
    assert (first != other).mean() > 0.5


@pytest.mark.slow
def test_the_spread_of_a_diffusion_network_is_that_of_its_samples_and_leaves_the_result_alone(tiny, tmp_path, scene):
    model = tiny(diffusion_graph)
    upscale(model, scene, tmp_path / "plain.tif", SMALL, quiet)
    made = upscale(model, scene, tmp_path / "out.tif", replace(SMALL, spread=True), quiet)
    np.testing.assert_array_equal(read(made[0]), read(tmp_path / "plain.tif"))
    # A hundredth of the noise in -1..1 is this much in native values; eight samples underestimate it a little.
    expected = 0.01 * np.mean(HIGHS) / 2
    assert 0.85 * expected < read(made[1])[0, 20:-20, 20:-20].mean() < expected
    averaged = upscale(model, scene, tmp_path / "mean.tif", replace(SMALL, ensemble=True), quiet)[0]
    assert np.abs(read(averaged).astype(int) - read(made[0])).mean() > expected / 4
