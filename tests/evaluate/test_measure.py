"""Measuring: the same frames for all methods, equal weights once, and troubles named."""

import json
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.shared.weights import save_weights
from pipelines.msdtgp import PAPER
from pipelines.rasvsr import PAPER as RASVSR
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.errors import SatsrError
from satsr.evaluate.measure import Evaluation, equals, measure
from satsr.files import write_json
from satsr.paper import Paper
from satsr.project import Places
from satsr.scores import BASELINE
from satsr.seeds import generator
from satsr.store.store import Store, StoreWriter
from satsr.train.start import lineage_of
from satsr.train.weights import trained
from steps.configuration import config_of, configuration

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"base_filter": 8, "feat": 8, "n_resblock": 1, "n_extract": 1}


@pytest.fixture(scope="module")
def paper() -> Paper[Any]:
    changes = {"data": "data/catalog", "network": SMALL, "evaluate": {"niqe": False}}
    return PAPER(resolved(config_of("msdtgp"), "msdtgp", merged("msdtgp", ROOT, changes)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two clips of noise, and one so flat that the baseline is perfect."""
    folder = tmp_path_factory.mktemp("store") / "store"
    splits = ("train", "val", "test")
    with StoreWriter(folder, {"name": "test"}) as writer:
        for split in splits:
            for scene in ("a", "b", "flat"):
                for index in range(2):
                    random = generator(0, scene, index)
                    fine = np.full((64, 64, 3), 90) if scene == "flat" else random.integers(0, 256, (64, 64, 3))
                    writer.put(split, scene, "hr", index, fine.astype(np.uint8))
                    writer.put(split, scene, "lr", index, fine[::4, ::4].astype(np.uint8))
                writer.describe(split, scene, {})
    return Store(folder)


class Counting(nn.Module):
    """Runs a network and counts how often."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.runs = network, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        result: torch.Tensor = self.network(x)
        return result


def pair(paper: Paper[Any], equal: bool) -> dict[str, Any]:
    network = paper.network().eval()
    networks = {role: Counting(network) for role in ("network", "ema")}
    if not equal:
        networks["ema"] = Counting(paper.network().eval())
    return networks


def test_equal_weights_are_run_once_and_their_rows_stand_for_both(paper: Paper[Any], store: Store) -> None:
    networks = pair(paper, equal=True)
    assert equals(networks) == {"ema": "network"}
    found = measure(paper, store, networks)
    assert (networks["network"].runs, networks["ema"].runs) == (6, 0)
    assert found.methods()["ema"] == found.methods()["network"]
    assert set(found.samples[0].pictures) >= {"network", "ema"}


def test_other_weights_are_measured_by_themselves(paper: Paper[Any], store: Store) -> None:
    networks = pair(paper, equal=False)
    assert equals(networks) == {}
    found = measure(paper, store, networks)
    assert networks["network"].runs == networks["ema"].runs == 6
    assert found.methods()["ema"] != found.methods()["network"]


def test_an_infinite_scene_is_named_and_left_out_for_all_methods(paper: Paper[Any], store: Store) -> None:
    found = measure(paper, store, pair(paper, equal=True))
    scenes, methods = found.scenes(), found.methods()
    assert scenes["flat"]["bicubic"]["psnr_rgb_u8"] == inf
    for method in ("bicubic", "ema"):
        two = [scenes[scene][method]["psnr_rgb_u8"] for scene in ("a", "b")]
        assert methods[method]["psnr_rgb_u8"] == pytest.approx(np.mean(two)) and isfinite(np.mean(two))
    (sentence,) = [line for line in found.left_out() if line.startswith("psnr_rgb_u8")]
    assert "flat (2)" in sentence and "over 2 of 3 scenes" in sentence and " a (" not in sentence
    assert not any(line.startswith("ssim") for line in found.left_out())


def test_frames_without_niqe_are_left_out_for_all_methods() -> None:
    values = {"bicubic": [5.0, float("nan"), 7.0], "ema": [4.0, 3.0, float("nan")]}
    rows = [
        {"scene": "a", "frame": frame, "method": method, "niqe_y_u8": value}
        for method, column in values.items()
        for frame, value in enumerate(column)
    ]
    found = Evaluation(frames=rows)
    assert found.methods() == {"bicubic": {"niqe_y_u8": 5.0}, "ema": {"niqe_y_u8": 4.0}}
    assert "a (2)" in found.left_out()[0]


def test_a_network_that_diverged_is_refused_with_the_scene(paper: Paper[Any], store: Store) -> None:
    network = paper.network().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(
        SatsrError, match="on the scene a, the network's output is not finite: the training has diverged"
    ):
        measure(paper, store, {"ema": network})


def left(folder: Path, network: nn.Module) -> Places:
    """What a training leaves of a network."""
    places = Places(folder, "msdtgp")
    save_weights(network, places.training / "ema.safetensors", {"satsr": json.dumps({})})
    write_json(places.training / "train.json", {"lineage": lineage_of(places.training)})
    return places


def test_a_trained_network_goes_to_the_device_that_is_asked_for(paper: Paper[Any], tmp_path: Path) -> None:
    places = left(tmp_path, paper.network())
    assert {p.device.type for p in trained(paper, places, "ema").parameters()} == {"cpu"}
    on_meta = trained(paper, places, "ema", torch.device("meta"))
    assert {p.device.type for p in [*on_meta.parameters(), *on_meta.buffers()]} == {"meta"}


def test_after_an_unfinished_training_there_is_a_sentence(paper: Paper[Any], tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="no training of msdtgp has finished here"):
        trained(paper, Places(tmp_path, "msdtgp"), "ema")


def test_weights_of_another_configuration_are_a_sentence(paper: Paper[Any], tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="changed after the training"):
        trained(paper, left(tmp_path, nn.Linear(2, 2)), "ema")


def test_weights_that_were_damaged_since_are_a_sentence(paper: Paper[Any], tmp_path: Path) -> None:
    places = left(tmp_path, paper.network())
    path = places.training / "ema.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SatsrError, match=r"are not those that the training wrote .*dvc repro --force"):
        trained(paper, places, "ema")


def clips(path: Path, *splits: str) -> Store:
    """A clip a split, of one grey each."""
    with StoreWriter(path, {"name": "toy"}, {"scale": 4}) as writer:
        for number, split in enumerate(splits):
            for index in range(2):
                writer.put(split, split, "hr", index, np.full((64, 64, 3), 10 * number + index, np.uint8))
                writer.put(split, split, "lr", index, np.full((16, 16, 3), 10 * number + index, np.uint8))
    return Store(path)


def test_test_scenes_are_measured_and_nothing_else(tmp_path: Path) -> None:
    paper = RASVSR(configuration("rasvsr", ROOT))
    evaluation = measure(paper, clips(tmp_path / "store", "train", "val", "test"), {})
    assert {(row["scene"], row["method"]) for row in evaluation.frames} == {("test", BASELINE)}


def test_a_store_without_test_scenes_is_refused_with_what_to_add(tmp_path: Path) -> None:
    paper = RASVSR(configuration("rasvsr", ROOT))
    with pytest.raises(SatsrError, match=r"no test scenes to measure on: add a test folder .*convert\.test_share"):
        measure(paper, clips(tmp_path / "store", "train", "val"), {})
