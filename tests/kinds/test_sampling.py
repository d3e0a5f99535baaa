"""Crops equal the same views of whole frames, in every orientation, type and number of bands."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from satsr.kinds.sampling import Crop
from satsr.store.store import Store, StoreWriter


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("bands", [(), (1,), (3,), (6,)])
def test_a_crop_is_the_flipped_window_of_the_frames(tmp_path: Path, dtype: type, bands: tuple[int, ...]) -> None:
    frames = np.random.default_rng(0).integers(0, 250, (3, 40, 48, *bands)).astype(dtype)
    with StoreWriter(tmp_path / "store", {}) as writer:
        for index, frame in enumerate(frames):
            writer.put("train", "a", "hr", index, frame)
    (scene,) = Store(tmp_path / "store").scenes("train")
    for hflip, vflip, transpose in product((False, True), repeat=3):
        wanted = frames[[2, 0], 6:26, 4:24]
        wanted = wanted[:, :, ::-1] if hflip else wanted
        wanted = wanted[:, ::-1] if vflip else wanted
        wanted = wanted.swapaxes(1, 2) if transpose else wanted
        found = Crop(3, 2, 10, 10, hflip, vflip, transpose).read(scene, "hr", [2, 0], 2)
        assert found.dtype == dtype and found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted)
