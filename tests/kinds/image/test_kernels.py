"""Kernels are what their names say, and each training crop has one of them that depends on seed and index alone."""

from collections import Counter

import numpy as np
import pytest
import torch

from satsr.errors import SatsrError
from satsr.kinds.image.kernels import NAMED, weighted
from satsr.kinds.image.samples import KERNEL, PairCrops, Pairing, cut, shrunk
from satsr.kinds.sampling import Crop, Sampling, planes
from satsr.radiometry import normalisation
from satsr.resize import KERNELS, imresize
from satsr.seeds import generator
from satsr.store.store import Store, StoreWriter

SEVERAL = ("bilinear", "bilinear", "area", "mtf0.3")
PAIRING = Pairing("interpolated", normalisation("s2_norm_open"))


def image(height: int = 64, width: int = 48) -> np.ndarray:
    return generator(0, "kernels").uniform(100, 5000, (height, width, 3))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two scenes of reflectance, 16 x 20 LR px."""
    path = tmp_path_factory.mktemp("kernels") / "store"
    with StoreWriter(path, {"name": "noise"}) as writer:
        for number in range(2):
            fine = generator(number, "scene").integers(100, 5000, (64, 80, 3)).astype(np.uint16)
            writer.put("train", f"{number}", "hr", 0, fine)
            writer.put("train", f"{number}", "lr", 0, fine[::4, ::4])
    return Store(path)


@pytest.mark.parametrize("name", [*NAMED, "mtf0.15", "mtf0.9"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_kernel_leaves_a_flat_image_flat_up_to_its_edges(name: str, scale: int) -> None:
    small = weighted(np.full((12 * scale, 9 * scale, 2), 700.0, np.float32), scale, name)
    assert small.shape == (12, 9, 2) and small.dtype == np.float32
    np.testing.assert_allclose(small, 700, rtol=1e-6)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_of_a_resize_give_what_the_resize_gives(name: str) -> None:
    np.testing.assert_allclose(weighted(image(), 4, name), imresize(image(), 1 / 4, "cut", name), rtol=1e-12)


def test_the_kernel_that_is_measured_with_is_torchs() -> None:
    np.testing.assert_array_equal(shrunk(image(), 4), shrunk(image(), 4, KERNEL))
    np.testing.assert_allclose(weighted(image(), 4, KERNEL), shrunk(image(), 4), rtol=1e-5)


@pytest.mark.parametrize("response", [0.15, 0.3, 0.65, 0.9])
def test_a_response_is_what_is_left_of_the_finest_waves_of_the_coarse_grid(response: float) -> None:
    scale, coarse = 16, 40
    place = (np.arange(scale * coarse) + 0.5) / scale - 0.5
    waves = np.tile(np.cos(np.pi * place)[:, None, None], (1, scale, 1))
    small = weighted(waves, scale, f"mtf{response}")[6:-6, 0, 0]
    np.testing.assert_allclose(np.abs(small), response, rtol=0.01)


def test_an_offset_of_a_coarse_pixel_is_its_neighbour() -> None:
    plain, shifted = (weighted(image(), 4, "lanczos", offset) for offset in ((0.0, 0.0), (1.0, -1.0)))
    np.testing.assert_allclose(shifted[3:-4, 4:-3], plain[4:-3, 3:-4], rtol=1e-9)


@pytest.mark.parametrize("name", ["gauss", "mtf0", "mtf0.0", "mtf1.5", "mtf", ""])
def test_an_unknown_kernel_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(SatsrError, match="its response at the Nyquist frequency"):
        weighted(image(), 4, name)


def test_the_kernel_of_a_sample_depends_on_seed_and_index_alone(store: Store) -> None:
    first, second = (PairCrops(store, PAIRING, Sampling(crop_px=8, seed=1), SEVERAL) for _ in range(2))
    later = {index: second[index] for index in (7, 3, 0)}
    for index, item in later.items():
        assert torch.equal(first[index]["x"], item["x"]) and torch.equal(first[index]["target"], item["target"])
    other = PairCrops(store, PAIRING, Sampling(crop_px=8, seed=2), SEVERAL)
    assert [first.kernel(index) for index in range(40)] != [other.kernel(index) for index in range(40)]


def test_kernels_are_drawn_as_often_as_they_stand_in_the_list(store: Store) -> None:
    samples = PairCrops(store, PAIRING, Sampling(crop_px=8), SEVERAL)
    drawn = Counter(samples.kernel(index) for index in range(4000))
    assert {name: round(count / 1000) for name, count in drawn.items()} == {"bilinear": 2, "area": 1, "mtf0.3": 1}


def test_a_sample_is_the_target_made_small_by_its_kernel(store: Store) -> None:
    samples = PairCrops(store, PAIRING, Sampling(crop_px=8, augment=False), SEVERAL)
    for index in range(12):
        scene = samples.scenes[samples.order[index]]
        fine = scene.read("hr", 0).astype(np.float32)
        kernel = samples.kernel(index)
        small = shrunk(fine, 4) if kernel == KERNEL else weighted(fine, 4, kernel)
        crop = Crop.draw(generator(0, "sample", index), (16, 20), (8, 8), turns=False)
        seen = cut(planes(PAIRING.normalisation.forward(small)), crop, 1, False)
        np.testing.assert_array_equal(samples[index]["x"], seen)
        target = cut(planes(PAIRING.normalisation.forward(fine)), crop, 4, False)
        np.testing.assert_allclose(samples[index]["target"], target, rtol=1e-6)


def test_other_kernels_change_nothing_but_what_the_network_sees(store: Store) -> None:
    paper = PairCrops(store, PAIRING, Sampling(crop_px=8))
    varied = PairCrops(store, PAIRING, Sampling(crop_px=8), SEVERAL)
    seen = set()
    for index in range(16):
        assert torch.equal(paper[index]["target"], varied[index]["target"])
        same = torch.equal(paper[index]["x"], varied[index]["x"])
        assert same == (varied.kernel(index) == KERNEL)
        seen.add(same)
    assert seen == {True, False}


def test_whole_scenes_are_made_small_by_the_papers_kernel(store: Store) -> None:
    (scene, _) = store.scenes("train")
    np.testing.assert_array_equal(PAIRING.whole(scene)[0], PAIRING.images(scene, KERNEL))
    assert not np.array_equal(PAIRING.images(scene, "area"), PAIRING.images(scene, KERNEL))
