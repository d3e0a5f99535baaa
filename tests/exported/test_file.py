"""An ONNX file is read only if it is whole and of one piece, wherever in it a tensor hides."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from satsr.errors import SatsrError
from satsr.exported.file import whole
from tests.tiny_graphs import image_graph, recurrent_graph


def outside() -> TensorProto:
    tensor = TensorProto(name="w", dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret")
    return tensor


def model(*nodes: onnx.NodeProto, **graph: list[object]) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [], **graph))


def sparse() -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=outside(), dims=[1])


def training() -> onnx.ModelProto:
    made = model()
    made.training_info.add().algorithm.initializer.append(outside())
    return made


def function() -> onnx.ModelProto:
    made = model()
    node = helper.make_node("Constant", [], ["y"], value=outside())
    made.functions.append(helper.make_function("d", "f", [], ["y"], [node], [helper.make_opsetid("", 18)]))
    return made


def inner() -> onnx.ModelProto:
    body = helper.make_graph([], "b", [], [], initializer=[outside()])
    return model(helper.make_node("Loop", ["n", ""], ["y"], body=body))


HIDING = {
    "initializer": lambda: model(initializer=[outside()]),
    "attribute": lambda: model(helper.make_node("Constant", [], ["y"], value=outside())),
    "tensors": lambda: model(helper.make_node("Odd", [], ["y"], values=[outside()])),
    "inner graph": inner,
    "sparse initializer": lambda: model(sparse_initializer=[sparse()]),
    "sparse attribute": lambda: model(helper.make_node("Constant", [], ["y"], sparse_value=sparse())),
    "function": function,
    "training": training,
}


@pytest.mark.parametrize("place", HIDING)
def test_a_tensor_in_another_file_is_found(place: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(HIDING[place]().SerializeToString())
    with pytest.raises(SatsrError, match="keeps its weights in other files"):
        whole(tmp_path / "m.onnx")


@pytest.mark.parametrize("graph", [image_graph, recurrent_graph])
def test_a_file_of_one_piece_is_taken_as_it_is(graph, tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx")
    assert whole(path) == path.read_bytes()


def test_a_file_that_ends_too_early_is_no_onnx_file(tmp_path: Path) -> None:
    path = image_graph(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SatsrError, match="not an ONNX file"):
        whole(path)


def test_a_file_of_two_gigabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "m.onnx").open("wb") as handle:
        handle.truncate(1 << 31)  # a hole, which takes no room
    with pytest.raises(SatsrError, match=r"has 2\.1 GB: an ONNX file of one piece has less than 2 GB"):
        whole(tmp_path / "m.onnx")


def test_graphs_in_graphs_without_end_are_refused(tmp_path: Path) -> None:
    message = b""
    for place in range(3 * 50):  # a graph in an attribute in a node in a graph ...
        length = bytes([len(message) & 127 | 128, len(message) >> 7])
        message = bytes([(6, 5, 1)[place % 3] << 3 | 2]) + length + message
    (tmp_path / "m.onnx").write_bytes(bytes([7 << 3 | 2, len(message) & 127 | 128, len(message) >> 7]) + message)
    with pytest.raises(SatsrError, match="lie in each other"):
        whole(tmp_path / "m.onnx")
