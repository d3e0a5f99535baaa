"""Samples of clips stay bytes until they are on the device, and become the numbers of the radiometry there."""

import numpy as np
import pytest
import torch

from satsr.kinds.video.samples import ClipCrops, WindowCrops
from satsr.radiometry import normalisation
from satsr.store.store import Store, StoreWriter
from satsr.train.native import Halves, planes

UNIT = normalisation("unit_u8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("store") / "store"
    with StoreWriter(path, {}) as writer:
        for index in range(4):
            writer.put("train", "a", "hr", index, random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
            writer.put("train", "a", "lr", index, random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return Store(path)


@pytest.mark.parametrize("kind", [ClipCrops, WindowCrops])
def test_a_batch_of_native_items_has_the_values_of_the_items(store: Store, kind: type[ClipCrops | WindowCrops]) -> None:
    samples = kind(store, 3, 8, 4, 0, UNIT)
    halves = Halves(samples)
    batch = torch.utils.data.default_collate([halves[index] for index in range(5)])
    assert {value.dtype for value in batch.values()} == {torch.uint8}
    values = samples.values(batch)
    for index in range(5):
        for name, value in samples[index].items():
            assert value.dtype == torch.float32 and torch.equal(values[name][index], value)
    assert samples[0]["x"].shape == (3, 3, 8, 8) and samples[0]["target"].shape[-3:] == (3, 32, 32)


@pytest.mark.parametrize("name", ["unit_u8", "signed_u8", "s2_norm", "breizh_s2", "breizh_s2_open"])
def test_planes_are_the_bits_of_the_radiometry(name: str) -> None:
    radiometry = normalisation(name)
    high = int(radiometry.native[1])
    frames = np.arange(3 * (high + 1), dtype=np.uint16).reshape(1, 1, -1, 3) % (high + 1)
    made = planes(torch.from_numpy(frames.astype(np.uint8 if high == 255 else np.int32)), radiometry).numpy()
    np.testing.assert_array_equal(made[0], radiometry.forward(frames[0]).transpose(2, 0, 1))
