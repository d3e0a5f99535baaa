"""The short validation informs, and ends no training."""

from collections.abc import Mapping
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipelines.qanet import PAPER
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.paper import Paper
from satsr.seeds import generator
from satsr.store.store import Store, StoreWriter
from satsr.train.loop import fit
from satsr.train.validation import validator
from steps.configuration import config_of

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"n_modules": 1, "n_resblocks": 0, "n_feats": 4, "reduction": 2}
SHORT = {"iterations": 4, "batch": 1, "crop_px": 8, "validate_every": 2, "checkpoint_every": 2, "ema": 0.0}


@pytest.fixture
def paper() -> Paper[Any]:
    changes = {"data": "data/catalog", "network": SMALL, "train": SHORT}
    return PAPER(resolved(config_of("qanet"), "qanet", merged("qanet", ROOT, changes)))


def written(folder: Path, clear: int = 255, top: int = 3000, sets: str = "a") -> Store:
    random = generator(0, "sets")
    with StoreWriter(folder, {"name": "test"}) as writer:
        for split, name in (("train", "a"), *(("val", name) for name in sets)):
            for index in range(9):
                writer.put(split, name, "lr", index, random.integers(0, 3000, (12, 12)).astype(np.uint16))
                writer.put(split, name, "qm", index, np.full((12, 12), 255, np.uint8))
            writer.put(split, name, "hr", 0, random.integers(0, top, (36, 36)).astype(np.uint16))
            writer.put(split, name, "sm", 0, np.full((36, 36), clear if split == "val" else 255, np.uint8))
            writer.describe(split, name, {})
    return Store(folder)


def far_off(paper: Paper[Any], brightness: float = 50.0) -> nn.Module:
    """A network whose image is that much too bright, as QA-Net's is after two steps of its full recipe."""
    network: Any = paper.network()
    nn.init.constant_(network.last.bias, brightness)
    return network


def test_an_output_of_any_brightness_is_validated_and_the_training_ends_well(paper: Paper[Any], tmp_path: Path) -> None:
    store, network = written(tmp_path / "store"), far_off(paper)
    fitted = fit(
        paper.objective(network), paper.samples(store), paper.config.train, tmp_path / "run", validator(paper, store)
    )
    values = [row["val_psnr"] for row in fitted.curves if "val_psnr" in row]
    assert len(values) == 2 and all(isfinite(value) for value in values)
    assert (tmp_path / "run" / "step-00000004.ckpt").is_file()


def test_a_scene_without_a_score_is_not_a_number_on_the_curve_and_a_resume_goes_on(
    paper: Paper[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = written(tmp_path / "store", clear=0)
    for iterations in (2, 4):
        settings = paper.config.train.model_copy(update={"iterations": iterations})
        objective = paper.objective(paper.network())
        fitted = fit(objective, paper.samples(store), settings, tmp_path / "run", validator(paper, store))
    assert fitted.resumed_at == 2
    assert [isnan(row["val_psnr"]) for row in fitted.curves if "val_psnr" in row] == [True, True]
    assert "cpsnr has no value, and counts as not a number: the mask has no clear pixel" in capsys.readouterr().err


def test_an_output_that_is_not_finite_is_not_a_number_on_the_curve_with_its_reason(
    paper: Paper[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validate = validator(paper, written(tmp_path / "store"))
    found = validate({"network": far_off(paper, float("nan")).eval()})
    assert list(found) == ["psnr", "ssim"] and all(isnan(value) for value in found.values())
    assert "the validation on a gives no numbers (the network's output is not finite" in capsys.readouterr().err


def test_the_curve_is_the_mean_over_the_validation_scenes(paper: Paper[Any], tmp_path: Path) -> None:
    store, network = written(tmp_path / "store", sets="abc"), far_off(paper, 0.1).eval()
    first, *others = (paper.score(scene, paper.run(network, paper.inputs(scene)))[0] for scene in store.scenes("val"))
    every = [first["cpsnr"], *(row["cpsnr"] for row in others)]
    assert len(set(every)) == 3
    assert validator(paper, store)({"network": network})["psnr"] == pytest.approx(np.mean(every))
    two = paper.config.model_copy(update={"train": paper.config.train.model_copy(update={"validate_scenes": 2})})
    assert validator(PAPER(two), store)({"network": network})["psnr"] == pytest.approx(np.mean(every[:2]))


@pytest.mark.parametrize("name", ["rasvsr", "msdtgp", "qanet", "breizhsr", "srgan"])
def test_every_papers_curve_has_the_column_that_is_plotted(name: str) -> None:
    from satsr.config.resolve import read_yaml
    from steps.job import recipe

    profile = {"srgan": {"network": {"start": "scratch"}}}.get(name, {})
    config = resolved(config_of(name), name, merged(name, ROOT, {"data": "data/catalog", **profile}))
    paper = recipe(name)(config)
    plots = read_yaml(ROOT / "dvc.yaml")["stages"]["train"]["do"]["plots"]
    (validation,) = [plot for entry in plots for file, plot in entry.items() if file.endswith("validation.csv")]

    class Silent(Store):
        def __init__(self) -> None:
            pass

        def scenes(self, split: str) -> list[Any]:
            return []

    networks: Mapping[str, nn.Module] = {"network": torch.nn.Identity()}
    assert validation["y"] in {f"val_ema_{curve}" for curve in validator(paper, Silent())(networks)}
