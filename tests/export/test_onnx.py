import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.onnx._internal.exporter import _fx_passes

import models
from models.rasvsr.recurrence import over_time
from models.rasvsr.warp import flow_warp
from models.shared.deform import modulated_deform_conv
from satsr.errors import SatsrError
from satsr.export.onnx import export, parity
from satsr.exported.runners import OnnxRunner

pytestmark = pytest.mark.slow  # torch's exporter

FACTS = {"kind": "video", "scale": 4, "value_range": [0, 1], "paper": "rasvsr"}
CLIP = {"x": {0: "batch", 1: "time", 3: "height", 4: "width"}}


class Tiny(nn.Module):
    """Every operator that needs care in a graph: a recurrence, warping and a deformable convolution."""

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scale = scale
        self.guide = nn.Conv2d(4, 27, 3, padding=1)
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        def step(earlier: Tensor, frame: list[Tensor], age: int | Tensor) -> tuple[Tensor, Tensor]:
            guide = self.guide(torch.cat([flow_warp(earlier, 3 * frame[0]), frame[0]], dim=1))
            aligned = modulated_deform_conv(earlier, guide[:, :18], guide[:, 18:].sigmoid(), self.conv.weight)
            output = torch.tanh(aligned * (age > 0) + frame[0])
            return output * 1.0, output

        return over_time(step, torch.zeros_like(x[:, 0]), [x], [self.guide, self.conv]).repeat_interleave(
            self.scale, -1
        )


def _clip(*shape: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).random(shape, dtype=np.float32)}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "model.onnx"
    export(Tiny(), {"x": torch.rand(2, 3, 2, 9, 11)}, CLIP, path, FACTS)
    return path


@pytest.fixture(scope="module")
def rasvsr(tmp_path_factory):
    torch.manual_seed(0)
    network = models.build("rasvsr", mid_channels=16, num_blocks=2)
    with torch.no_grad():  # weights that keep signals alive: flows of 2 px, frames that depend on each other
        for name, parameter in network.named_parameters():
            scale = 0.05 if name.endswith("bias") else (1.1 if "spynet" in name else 0.8) / parameter[0].numel() ** 0.5
            parameter.copy_(torch.randn_like(parameter) * scale)
    path = tmp_path_factory.mktemp("rasvsr") / "model.onnx"
    with _taken_apart() as programs:
        export(network, {"x": torch.rand(2, 3, 3, 32, 40)}, CLIP, path, FACTS)
    assert not programs
    return network, path


@contextmanager
def _taken_apart() -> Iterator[list[object]]:
    """The programs that torch's exporter traces a second time."""
    found, apart = [], _fx_passes.decompose_with_registry

    def noted(program, registry):
        found.append(program)
        return apart(program, registry)

    _fx_passes.decompose_with_registry = noted
    try:
        yield found
    finally:
        _fx_passes.decompose_with_registry = apart


RASVSR_SHAPES = [(1, 1, 3, 48, 40), (2, 2, 3, 40, 36), (1, 7, 3, 33, 47), (3, 3, 3, 8, 66), (1, 15, 3, 32, 32)]


@pytest.mark.parametrize("shape", [*RASVSR_SHAPES, (1, 40, 3, 16, 20)])
def test_one_rasvsr_graph_serves_every_batch_length_and_size(rasvsr, shape):
    found = parity(*rasvsr, [_clip(*shape)])
    assert found["max_abs"] <= 1e-5
    assert found["psnr_db"] > 100
    assert found["cases"][0]["shapes"] == {"x": list(shape)}


def test_the_rasvsr_graph_uses_onnx_operators_for_its_recurrence_and_sampling(rasvsr):
    kinds = {node.op_type for graph in _all_graphs(onnx.load(rasvsr[1]).graph) for node in graph.node}
    assert {"Scan", "DeformConv", "GridSample"} <= kinds


def _all_graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_graphs(attribute.g)


@pytest.mark.parametrize("shape", [(1, 1, 2, 5, 7), (3, 4, 2, 9, 6)])
def test_the_graph_equals_the_network(tiny, shape):
    assert parity(Tiny(), tiny, [_clip(*shape)])["max_abs"] < 1e-6


class Mixed(nn.Module):
    """Operators on numbers of different types, which a graph has to make one."""

    def forward(self, x: Tensor) -> Tensor:
        frames = torch.arange(x.shape[1])
        weights = (frames + 1) / 2 * (frames > 0)
        return (2 * x * weights.view(-1, 1, 1, 1) + frames.sum()) / x.shape[3] - 1


def test_a_graph_of_mixed_types_equals_the_network(tmp_path):
    export(Mixed(), {"x": torch.rand(2, 3, 2, 5, 6)}, CLIP, tmp_path / "mixed.onnx", FACTS)
    assert parity(Mixed(), tmp_path / "mixed.onnx", [_clip(1, 4, 2, 7, 5)])["max_abs"] < 1e-6


def test_the_file_describes_itself_and_its_axes(tiny):
    runner = OnnxRunner(tiny, device="cpu")
    assert runner.description == FACTS
    graph = onnx.load(tiny)
    assert [entry.key for entry in graph.metadata_props] == ["satsr"]
    assert json.loads(graph.metadata_props[0].value) == FACTS
    sides = [side.dim_param or side.dim_value for side in graph.graph.input[0].type.tensor_type.shape.dim]
    assert sides == ["batch", "time", 2, "height", "width"]
    assert [value.name for value in graph.graph.output] == ["sr"]


def test_the_bytes_are_the_same_again_and_name_no_folder(tiny, tmp_path):
    again = tmp_path / "again.onnx"
    export(Tiny(), {"x": torch.rand(2, 3, 2, 9, 11)}, CLIP, again, dict(reversed(FACTS.items())))
    assert again.read_bytes() == tiny.read_bytes()
    assert not any(text in again.read_bytes() for text in (b".py", b"torch", str(tmp_path).encode(), b"site-packages"))


def test_exporting_is_silent_and_leaves_the_network_as_it_is(tmp_path, capfd, recwarn):
    network = Tiny()
    export(network, {"x": torch.rand(2, 3, 2, 9, 11)}, CLIP, tmp_path / "model.onnx", FACTS)
    assert capfd.readouterr() == ("", "")
    assert not list(recwarn)
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    network(torch.rand(1, 2, 2, 5, 5)).sum().backward()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx"]


class InPlace(nn.Module):
    """Writes into values: one of its own, one that is used again, and a part of one."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.way = nn.Conv2d(2, 2, 3, padding=1), way

    def forward(self, x: Tensor) -> Tensor:
        values = self.conv(x)
        if self.way == "its own":
            return nn.functional.relu(values, inplace=True).add_(x, alpha=2)
        changed = (values if self.way == "used again" else values[:, :1]).relu_()
        return values + changed


@pytest.mark.parametrize("way", ["its own", "used again", "a part"])
def test_what_a_network_writes_in_place_is_in_its_graph(way, tmp_path):
    with _taken_apart() as programs:
        export(InPlace(way), {"x": torch.rand(2, 2, 9, 11)}, {"x": {0: "batch"}}, tmp_path / "model.onnx", FACTS)
    assert bool(programs) is (way == "a part")
    assert parity(InPlace(way), tmp_path / "model.onnx", [_clip(3, 2, 9, 11)])["max_abs"] < 1e-6


class Apart(nn.Module):
    """Operators of which torch's exporter has no translation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.up = nn.BatchNorm2d(5), nn.ConvTranspose2d(5, 6, 4, 2, 1, 1, dilation=2)
        self.norm.running_mean.uniform_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = torch.tensor_split(self.up(self.norm(x)), (1, 3), dim=1)
        joined = torch.cat([third, second.square(), first], dim=1).to(memory_format=torch.channels_last)
        return (1 - joined).movedim(1, 0).movedim(0, -1) * (x.mean() > 0).to(torch.float32)


def test_operators_without_a_translation_of_torchs_have_one_here(tmp_path):
    network = Apart().eval()
    with _taken_apart() as programs:
        export(network, {"x": torch.rand(2, 5, 6, 7)}, {"x": {0: "batch", 2: "height"}}, tmp_path / "m.onnx", FACTS)
    assert not programs
    assert parity(network, tmp_path / "m.onnx", [_clip(3, 5, 8, 7)])["max_abs"] < 1e-5


def test_a_network_that_deviates_is_measured(tiny):
    network = Tiny()
    with torch.no_grad():
        network.conv.weight += 0.1
    found = parity(network, tiny, [_clip(1, 1, 2, 5, 7), _clip(1, 3, 2, 5, 7)])
    assert [row["max_abs"] > 1e-3 for row in found["cases"]] == [False, True]
    assert found["max_abs"] == found["cases"][1]["max_abs"] and found["psnr_db"] == found["cases"][1]["psnr_db"] < 80


def test_a_graph_of_another_shape_is_refused(tiny):
    with pytest.raises(SatsrError, match=r"\(1, 2, 2, 5, 7\) .*where the network gives \(1, 2, 2, 5, 14\)"):
        parity(Tiny(scale=2), tiny, [_clip(1, 2, 2, 5, 7)])


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x


def test_a_network_that_cannot_be_exported_leaves_no_file(tmp_path):
    with pytest.raises(SatsrError, match="Branching cannot be exported to ONNX"):
        export(Branching(), {"x": torch.rand(2, 3)}, {"x": {0: "batch"}}, tmp_path / "model.onnx", FACTS)
    assert not list(tmp_path.iterdir())


def test_an_axis_that_would_not_be_free_is_refused(tmp_path):
    with pytest.raises(SatsrError, match="cannot be exported"):
        export(Tiny(), {"x": torch.rand(2, 3, 2, 9, 11)}, {"x": {2: "channels"}}, tmp_path / "model.onnx", FACTS)
