"""SRGAN's generators as ONNX graphs with free batch, height and width; the number of views is fixed."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch.export import Dim

import models

SMALL = {"scale": 2, "n_blocks": 1, "n_channels": 16}
FREE = Dim.DYNAMIC

pytestmark = pytest.mark.slow  # an export costs seconds; tests/export/test_onnx.py holds exporting itself


def graph(path, network, inputs, axes):
    """A session of ``network``, exported with these inputs and with ``axes`` of each of them free."""
    program = torch.onnx.export(
        network.eval().requires_grad_(False),
        inputs,
        dynamo=True,
        dynamic_shapes=tuple(dict.fromkeys(free, FREE) for free in axes),
        external_data=False,
        verbose=False,
    )
    program.save(path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def largest_difference(session, network, inputs):
    feed = {slot.name: value.numpy() for slot, value in zip(session.get_inputs(), inputs, strict=True)}
    (found,) = session.run(None, feed)
    with torch.no_grad():
        want = network(*inputs).numpy()
    assert found.shape == want.shape
    return np.abs(found - want).max()


def test_fusion_and_generator_export_for_a_fixed_number_of_views(tmp_path):
    network = models.build("srgan", n_views=3, **SMALL)
    session = graph(tmp_path / "m.onnx", network, (torch.rand(2, 3, 3, 16, 20),), [(0, 3, 4)])
    for shape in [(1, 3, 3, 9, 13), (3, 3, 3, 16, 8)]:
        assert largest_difference(session, network, (torch.rand(shape),)) < 1e-5
    with pytest.raises(Exception, match="invalid dimensions"):
        session.run(None, {session.get_inputs()[0].name: np.zeros((1, 4, 3, 9, 13), np.float32)})


def test_stochastic_generator_exports_with_its_noise_as_an_input(tmp_path):
    network = models.build("srgan_stochastic", in_channels=3, **SMALL)
    inputs = (torch.rand(2, 3, 16, 20), torch.randn(2, 128))
    session = graph(tmp_path / "s.onnx", network, inputs, [(0, 2, 3), (0,)])
    assert largest_difference(session, network, (torch.rand(1, 3, 9, 13), torch.randn(1, 128))) < 1e-5
