"""What the tests of applying models share."""

import pytest

from satsr.apply import load


@pytest.fixture
def tiny(tmp_path):
    """``tiny(image_graph, channels=4)`` is that model, loaded from its file."""

    def make(graph, **settings):
        return load(graph(tmp_path / f"{graph.__name__}.onnx", **settings), device="cpu")

    return make
