"""Stores of different papers are known to hold the same references, however their inputs were made."""

from pathlib import Path

import numpy as np

from satsr.store.fingerprint import degradation, inputs_sha256, references_sha256
from satsr.store.store import Store, StoreWriter

HR = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)


def store(path: Path, border: str, hr: np.ndarray = HR, scene: str = "a", train: int = 1) -> Store:
    with StoreWriter(path, {"name": "toy"}, {"scale": 4}) as writer:
        for split, count in (("train", train), ("val", len(hr))):
            for index in range(count):
                writer.put(split, scene, "hr", index, hr[index])
                writer.put(split, scene, "lr", index, hr[index, ::4, ::4] // (1 if border == "mirror" else 2))
            writer.describe(split, scene, {"lr": f"cubic, {border} border"})
    return Store(path)


def test_equal_references_have_one_hash_whatever_the_inputs_and_the_training_frames(tmp_path: Path) -> None:
    one, other = store(tmp_path / "one", "mirror"), store(tmp_path / "other", "replicate", train=3)
    assert references_sha256(one) == references_sha256(other)
    assert inputs_sha256(one) != inputs_sha256(other)
    assert degradation(one) == "x4, cubic, mirror border" and degradation(other) == "x4, cubic, replicate border"


def test_other_frames_or_other_scenes_have_another_hash(tmp_path: Path) -> None:
    changed = HR.copy()
    changed[3, 0, 0, 0] ^= 1
    stores = [
        store(tmp_path / "same", "mirror"),
        store(tmp_path / "changed", "mirror", changed),
        store(tmp_path / "fewer", "mirror", HR[:3]),
        store(tmp_path / "renamed", "mirror", scene="b"),
    ]
    assert len({references_sha256(one) for one in stores}) == 4
