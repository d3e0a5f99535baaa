import os
from pathlib import Path

import numpy as np
import pytest

from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.files import read_json, write_json, write_text
from satsr.store.store import Store, StoreWriter
from satsr.train.weights import IDENTITY, begin, differences, identity_of, key_of
from steps.configuration import config_of
from tests.stages import ROOT


def left(scratch: Path, name: str, lr: float, step: int, age: float) -> None:
    """An interrupted training."""
    write_json(scratch / name / IDENTITY, {"train": {"iterations": 9, "lr": lr}})
    checkpoint = scratch / name / f"step-{step:08d}.ckpt"
    checkpoint.touch()
    os.utime(checkpoint, (1e9 - age, 1e9 - age))


def test_of_trainings_that_were_left_the_newest_is_told_and_damaged_ones_end_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    left(tmp_path, "a", 0.1, 3, age=5.0)
    left(tmp_path, "b", 0.2, 4, age=2.0)
    left(tmp_path, "c", 0.3, 9, age=1.0)  # it has ended
    for name, text in (("d", "{"), ("e", "[1]"), ("f", '{"train": {"iterations": null}}')):
        left(tmp_path, name, 0.4, 1, age=0.0)
        write_text(tmp_path / name / IDENTITY, text)
    identity = {"train": {"iterations": 9, "lr": 0.5}}
    begin(tmp_path, identity)
    said = capsys.readouterr().err
    assert said.count("begins anew") == 1 and "b/step-00000004.ckpt stays" in said
    assert "train.lr = 0.2 instead of 0.5" in said
    assert read_json(tmp_path / key_of(identity)[:16] / IDENTITY) == identity
    begin(tmp_path, identity)
    assert capsys.readouterr().err == ""


def test_a_training_of_other_data_is_another_and_says_so(tmp_path: Path) -> None:
    config = resolved(config_of("msdtgp"), "msdtgp", merged("msdtgp", ROOT, {}))
    found = []
    for level in (1, 2):
        with StoreWriter(tmp_path / str(level), {"name": "test"}) as writer:
            writer.put("train", "a", "hr", 0, np.full((8, 8, 3), level, np.uint8))
        found.append(identity_of(config, Store(tmp_path / str(level)), "0" * 64, {}))
    assert key_of(found[0]) != key_of(found[1]) and differences(*found) == ["other data"]
