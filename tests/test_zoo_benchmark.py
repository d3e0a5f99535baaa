"""What ``make zoo`` admits and writes, and that it measures the exported file itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import unseen
from benchmarks.zoo import objections, write
from satsr import zoo
from satsr.errors import SatsrError
from satsr.exported.model import load
from satsr.files import read_json, sha256
from satsr.scores import Interval
from satsr.zoo.tables import BEGIN, END, markdown
from tests.tiny_graphs import image_graph, imageset_graph

PASSED = [{"name": "parity", "passed": True, "sentence": "ONNX deviates 1e-6"}]


def entry(**changes: object) -> zoo.Entry:
    return replace(zoo.entries()[0], **changes)  # type: ignore[arg-type]


def on(low: float, imagery: str = zoo.REAL) -> zoo.Measured:
    return zoo.Measured(imagery, "scenes", [zoo.Gain("psnr_rgb_u8", 30.0, 0.5, low, 1.0, 20, "scenes")])


def test_a_model_is_admitted_if_every_interval_is_above_nought_and_all_gates_were_passed() -> None:
    assert objections(entry(unseen=[on(0.1), on(0.01, zoo.DRAWN)]), PASSED) == []
    (against,) = objections(entry(unseen=[on(0.1), on(0.0, zoo.DRAWN)]), PASSED)
    assert "+0.50 [0.00, 1.00] dB" in against
    assert len(objections(entry(unseen=[on(-0.1), on(float("nan"))]), PASSED)) == 2
    assert "no imagery" in objections(entry(unseen=[]), PASSED)[0]
    assert objections(entry(unseen=[on(0.1)]), [{**PASSED[0], "passed": False}]) == ["ONNX deviates 1e-6"]


def test_a_gain_without_an_interval_gets_no_place_in_the_table() -> None:
    with pytest.raises(SatsrError, match="no interval"):
        unseen.gain_of("psnr", 30.0, Interval(1.0, None, None, 1, "scenes", "none"))


def test_files_table_and_page_are_written_together_and_old_files_go(tmp_path: Path) -> None:
    graph, page, models = image_graph(tmp_path / "m.onnx"), tmp_path / "zoo.md", tmp_path / "models"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    models.mkdir()
    (models / "old.onnx").touch()
    made = entry(file="new.onnx", size=graph.stat().st_size, sha256=sha256(graph))
    write([(graph, made)], models, page)
    assert {path.name for path in models.iterdir()} == {"new.onnx", zoo.TABLE}
    assert [zoo.entry(values) for values in read_json(models / zoo.TABLE)["models"]] == [made]
    assert markdown([made]) in page.read_text() and page.read_text().endswith("after\n")
    before = (models / zoo.TABLE).read_bytes()
    with pytest.raises(SatsrError, match="more than 20 MB"):
        write([(graph, entry(size=zoo.LARGEST + 1))], models, page)
    assert (models / zoo.TABLE).read_bytes() == before


@pytest.mark.parametrize(("graph", "shape"), [(image_graph, (2, 3, 20, 24)), (imageset_graph, (1, 9, 20, 24))])
def test_in_a_networks_place_the_exported_file_computes(graph, shape, tmp_path: Path) -> None:
    model = load(graph(tmp_path / "m.onnx"), device="cpu")
    x = np.random.default_rng(0).random(shape, np.float32)
    more = {name: np.ones(shape, np.float32) for name in model.runner.inputs if name != "x"}
    found = unseen.Exported(model)(**{name: torch.from_numpy(value) for name, value in {"x": x, **more}.items()})
    np.testing.assert_array_equal(found.numpy(), model.runner.run({"x": x, **more}))
