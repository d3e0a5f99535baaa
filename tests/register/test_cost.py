"""Costs are those of the network at the stated size, whatever it was exported with."""

from pathlib import Path

import pytest
import torch
from torch import nn

from satsr.errors import SatsrError
from satsr.register.cost import cost, measured_apart, sizes
from tests.tiny_graphs import image_graph, recurrent_graph

IMAGE = {"x": {0: "batch", 2: "height", 3: "width"}}
CLIP = {"x": {0: "batch", 1: "time", 3: "height", 4: "width"}}


class Clip(nn.Module):
    """Every frame through one convolution of 3 x 3, without weights elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.pixel_shuffle(self.conv(x.flatten(0, 1)), 2).unflatten(0, x.shape[:2])


class Flat(nn.Module):
    """Gives back what it gets."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_free_axes_get_the_size_that_all_models_share_and_others_stay() -> None:
    shapes = {"x": (2, 3, 3, 16, 20), "up": (2, 3, 64, 80), "days": (2, 7)}
    large = {0: "batch", 2: "sr_height", 3: "sr_width"}
    made = sizes(shapes, CLIP | {"up": large, "days": {0: "batch"}}, 4)
    assert made == {"x": (1, 5, 3, 64, 64), "up": (1, 3, 256, 256), "days": (1, 7)}


@pytest.mark.slow
def test_work_and_time_are_counted_for_one_image_of_a_clip(tmp_path: Path) -> None:
    graph = recurrent_graph(tmp_path / "clip.onnx")
    found = cost(Clip().eval(), graph, {"x": torch.zeros(2, 3, 3, 64, 72)}, CLIP, 2)
    assert (found.inputs, found.images) == ("x 1x5x3x64x64", 5)
    assert found.parameters == 12 * 3 * 9 + 12
    assert found.gmac == pytest.approx(64 * 64 * 12 * 3 * 9 / 1e9)
    assert found.milliseconds > 0 and "CPU cores" in found.machine
    assert found.peak_mb is None or found.peak_mb > 1


@pytest.mark.slow
def test_memory_grows_with_what_the_graph_holds(tmp_path: Path) -> None:
    graph = image_graph(tmp_path / "image.onnx", channels=8)
    small, large = (measured_apart(graph, {"x": (1, 8, side, side)})[1] for side in (32, 512))
    assert small is None or large - small > 512 * 512 * 8 * 4 * 4 / 1e6  # the output alone, float32, x2


def test_a_graph_that_cannot_run_gets_a_sentence(tmp_path: Path) -> None:
    graph = image_graph(tmp_path / "image.onnx", channels=4)
    with pytest.raises(SatsrError, match=r"the cost of .*image\.onnx could not be measured"):
        cost(Flat(), graph, {"x": torch.zeros(2, 3, 16, 16)}, IMAGE, 2)
