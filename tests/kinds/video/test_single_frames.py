"""The first items of a training on clips may be single frames of anywhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

from satsr.kinds.video.samples import ClipCrops
from satsr.radiometry import normalisation
from satsr.store.store import Store, StoreWriter

CLIPS, FRAMES, SIDE = 3, 5, 12


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Clips of which every frame has a grey level of its own."""
    with StoreWriter(tmp_path / "store", {"name": "levels"}) as writer:
        for clip in range(CLIPS):
            for frame in range(FRAMES):
                level = 10 * clip + frame
                writer.put("train", f"{clip}", "lr", frame, np.full((SIDE, SIDE, 3), level, np.uint8))
                writer.put("train", f"{clip}", "hr", frame, np.full((4 * SIDE, 4 * SIDE, 3), level, np.uint8))
    return Store(tmp_path / "store")


def levels(item: dict[str, torch.Tensor]) -> list[int]:
    assert item["x"].shape == (3, 3, 8, 8) and item["target"].shape == (3, 3, 32, 32)
    found = [(item[name] * 255).round()[:, 0, 0, 0].int().tolist() for name in ("x", "target")]
    assert found[0] == found[1]
    return found[0]


def test_single_frames_come_from_anywhere_and_clips_are_frames_in_a_row(store: Store) -> None:
    samples = ClipCrops(store, 3, 8, 4, 0, normalisation("unit_u8"))
    samples.still = 40
    single, clips = ([levels(samples[index]) for index in part] for part in (range(40), range(40, 60)))
    assert all(clip == list(range(clip[0], clip[0] + 3)) for clip in clips)
    assert {level for frames in single for level in frames} == {10 * c + f for c in range(CLIPS) for f in range(FRAMES)}
    assert sum(len({level // 10 for level in frames}) > 1 for frames in single) > 20
    assert levels(samples[7]) == single[7]
    samples.still = 0
    assert [levels(samples[index]) for index in range(40, 60)] == clips
