import json

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

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

        return over_time(step, torch.zeros_like(x[:, 0]), [x]).repeat_interleave(self.scale, -1)


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
    export(network, {"x": torch.rand(2, 3, 3, 32, 40)}, CLIP, path, FACTS)
    return network, path


RASVSR_SHAPES = [(1, 1, 3, 64, 64), (2, 2, 3, 40, 36), (1, 7, 3, 33, 47), (3, 3, 3, 8, 66), (1, 15, 3, 32, 32)]


@pytest.mark.parametrize("shape", [*RASVSR_SHAPES, (1, 40, 3, 64, 64)])
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
