from pathlib import Path

import numpy as np
import pytest

from pipelines.rasvsr import PAPER
from satsr.errors import SatsrError
from satsr.evaluate.measure import measure
from satsr.scores import BASELINE
from satsr.store.store import Store, StoreWriter
from steps.configuration import configuration

ROOT = Path(__file__).resolve().parents[2]


def store(path: Path, *splits: str) -> Store:
    """A clip a split, of one grey each."""
    with StoreWriter(path, {"name": "toy"}, {"scale": 4}) as writer:
        for number, split in enumerate(splits):
            for index in range(2):
                writer.put(split, split, "hr", index, np.full((64, 64, 3), 10 * number + index, np.uint8))
                writer.put(split, split, "lr", index, np.full((16, 16, 3), 10 * number + index, np.uint8))
    return Store(path)


def test_test_scenes_are_measured_and_nothing_else(tmp_path: Path) -> None:
    paper = PAPER(configuration("rasvsr", ROOT))
    evaluation = measure(paper, store(tmp_path / "store", "train", "val", "test"), {})
    assert {(row["scene"], row["method"]) for row in evaluation.frames} == {("test", BASELINE)}


def test_a_store_without_test_scenes_is_refused_with_what_to_add(tmp_path: Path) -> None:
    paper = PAPER(configuration("rasvsr", ROOT))
    with pytest.raises(SatsrError, match=r"no test scenes to measure on: add a test folder .*convert\.test_share"):
        measure(paper, store(tmp_path / "store", "train", "val"), {})
