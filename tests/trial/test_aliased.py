"""Whether ``satsr evaluate`` notices a coarse side that was made without antialiasing."""

import cv2
import numpy as np
import pytest

from satsr.files import read_json
from satsr.imagery.images import write_png
from satsr.kinds.image.kernels import weighted
from satsr.trial.aliased import aliased
from satsr.trial.images import Images
from tests.tiny_graphs import cubic_graph
from tests.trial.test_command import evaluate, ground


def pair(small, noise=0.0, scale=4):
    """A pair whose coarse side ``small`` makes of the fine side."""
    fine = np.float32(ground())
    coarse = np.float32(small(fine)) + np.float32(noise) * np.random.default_rng(1).standard_normal((24, 28, 3))
    coarse = np.float32(np.rint(coarse))
    return Images("a", coarse[None], fine[None], fine[None], fine[None])


@pytest.mark.parametrize("method", ["CUBIC", "LINEAR", "NEAREST"])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_what_opencv_makes_small_without_antialiasing_is_noticed(method, noise):
    chosen = getattr(cv2, f"INTER_{method}")
    assert aliased(pair(lambda fine: cv2.resize(fine, (28, 24), interpolation=chosen), noise))


@pytest.mark.parametrize("kernel", ["cubic", "bilinear", "area", "lanczos", "mtf0.1", "mtf0.3", "mtf0.75"])
@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_an_antialiased_coarse_side_is_not(kernel, noise):
    assert not aliased(pair(lambda fine: weighted(fine, 4, kernel), noise))


def test_nor_is_another_sensor_flat_ground_or_a_tiny_pair():
    other = np.float32(ground()[::4, ::4])
    assert not aliased(pair(lambda fine: other))
    flat = np.full((1, 96, 112, 3), 80, np.float32)
    assert not aliased(Images("a", flat[:, ::4, ::4], flat, flat, flat))
    tiny = np.float32(ground(32, 32))
    assert not aliased(Images("a", tiny[None, ::4, ::4], tiny[None], tiny[None], tiny[None]))


@pytest.mark.slow
def test_satsr_evaluate_warns_once_and_the_report_says_it(tmp_path, capsys):
    for index in range(5):
        fine = np.rint(ground()).astype(np.uint8)
        write_png(tmp_path / "hr" / f"{index}.png", fine)
        write_png(tmp_path / "lr" / f"{index}.png", cv2.resize(fine, (28, 24), interpolation=cv2.INTER_CUBIC))
    graph = cubic_graph(tmp_path / "m.onnx", normalisation="unit_u8", sharpen=0.1)
    evaluate("--model", graph, "--lr", tmp_path / "lr", "--hr", tmp_path / "hr", "--out", tmp_path / "out")
    printed = " ".join("".join(capsys.readouterr()).split())
    assert printed.count("without antialiasing") == 1
    assert "the coarse side of 0, 1, 2 and 2 more was made small without antialiasing" in printed
    assert "made small without antialiasing" in (tmp_path / "out" / "report.html").read_text()
    assert read_json(tmp_path / "out" / "metrics.json")["decides"]
