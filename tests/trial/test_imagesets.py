"""``satsr evaluate`` on image sets: Proba-V's metrics against the mean of the clearest views, under the status map."""

import shutil
import struct

import numpy as np
import pytest

from satsr import load
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.degrade import shrink
from satsr.errors import SatsrError
from satsr.evaluate.measure import measure
from satsr.files import read_json
from satsr.imagery.images import PNG_MAGIC, read_image, write_png
from satsr.project import root
from satsr.store.store import Store, StoreWriter
from satsr.upscale.options import Options
from satsr.upscale.sets.imagesets import upscale_imagesets
from tests.tiny_graphs import imageset_graph
from tests.trial.test_command import RNG, evaluate, ground
from tests.trial.test_series import rows


def image_set(folder, views=10):
    """Noisy views, a third of which have a cloud, and the finer image, of which a corner is unclear."""
    truth = 2000 + ground(96, 96, bands=1, top=6000.0)[..., 0]
    coarse, status = shrink(truth, 3, "area"), np.full((96, 96), 255, np.uint8)
    status[:20, :30] = 0
    for index in range(views):
        quality = np.full((32, 32), 255, np.uint8)
        quality[:10] = 0 if index % 3 == 0 else 255
        view = np.where(quality == 0, 15000, coarse) + RNG.normal(0, 20, (32, 32))
        write_png(folder / f"LR{index:03d}.png", np.rint(view).astype(np.uint16))
        write_png(folder / f"QM{index:03d}.png", quality)
    write_png(folder / "HR.png", np.where(status == 0, 16000, np.rint(truth)).astype(np.uint16))
    write_png(folder / "SM.png", status)
    return folder


def recipe(folder, sets):
    """The recipe of image sets with a store of these folders, and what it measures of the baseline."""
    from pipelines.configs.qanet import CONFIG
    from pipelines.qanet import PAPER

    with StoreWriter(folder, {"name": "own"}) as writer:
        for place in sets:
            for role, pattern in (("lr", "LR*"), ("qm", "QM*"), ("hr", "HR*"), ("sm", "SM*")):
                for index, file in enumerate(sorted(place.glob(pattern))):
                    writer.put("test", place.name, role, index, read_image(file))
            writer.describe("test", place.name, {"band": place.parent.name})
    paper, store = PAPER(resolved(CONFIG, "qanet", merged("qanet", root(), {}))), Store(folder)
    return paper, store, measure(paper, store, {}).scenes()


@pytest.mark.slow
def test_image_sets_are_measured_as_their_recipe_does(tmp_path, capsys):
    sets = {name: image_set(tmp_path / "own" / name) for name in ("NIR/imgset0002", "RED/imgset0001")}
    paper, store, expected = recipe(tmp_path / "store", sets.values())
    graph = imageset_graph(tmp_path / "m.onnx")
    evaluate("--model", graph, "--lr", tmp_path / "own", "--out", tmp_path / "out")
    made = rows(tmp_path / "out")
    for name, place in sets.items():
        theirs = {key: value for key, value in expected[place.name]["bicubic"].items() if key != "cpsnr_float"}
        found = {key: made[name]["bicubic"][key] for key in theirs}
        assert found == pytest.approx(theirs, rel=1e-5) and theirs["cpsnr"] > 25 and theirs["probav_score"] == 1
        upscale_imagesets(load(graph), place, tmp_path / "one.png", Options(overwrite=True))
        output = paper.radiometry.forward(read_image(tmp_path / "one.png"))[None]
        (scene,) = (scene for scene in store.scenes("test") if scene.id == place.name)
        (ours,) = paper.score(scene, output)
        assert ours.pop("cpsnr_float") == pytest.approx(ours["cpsnr"])
        assert {key: made[name]["ema"][key] for key in ours} == pytest.approx(ours, rel=1e-5)
    found = read_json(tmp_path / "out" / "metrics.json")
    assert found["decides"] == ["cpsnr", "cssim"]
    assert found["gains"]["cpsnr"]["count"] == 2 and found["gains"]["cpsnr_nir"]["count"] == 1
    assert {"ergas", "frc_period_lr_px", "consistency_rmse"} <= set(found["methods"]["ours"])
    assert "cPSNR" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/") >= 8


@pytest.mark.slow
def test_the_finer_images_may_lie_apart(tmp_path):
    for name in ("a", "b"):
        image_set(tmp_path / "lr" / name)
        (tmp_path / "hr" / name).mkdir(parents=True)
        for file in ("HR.png", "SM.png"):
            (tmp_path / "lr" / name / file).rename(tmp_path / "hr" / name / file)
    evaluate(
        *("--model", imageset_graph(tmp_path / "m.onnx"), "--out", tmp_path / "out"),
        *("--lr", tmp_path / "lr", "--hr", tmp_path / "hr"),
    )
    found = read_json(tmp_path / "out" / "metrics.json")
    assert found["gains"]["cpsnr"]["count"] == 2 and not found["left_out"]


def test_image_sets_that_take_more_memory_than_is_free_are_refused_by_their_headers(tmp_path):
    (place := tmp_path / "imgset0001").mkdir()
    for name, side in (("LR000", 100_000), ("QM000", 100_000), ("HR", 300_000), ("SM", 300_000)):
        chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
        (place / f"{name}.png").write_bytes(PNG_MAGIC + struct.pack(">I", 13) + chunk)
    with pytest.raises(SatsrError, match=r"takes about \d+\.0 GB of memory to compare, but .* GB are free"):
        evaluate("--model", imageset_graph(tmp_path / "m.onnx"), "--lr", place, "--out", tmp_path / "out")


def test_what_does_not_fit_gets_a_sentence_before_the_network_runs(tmp_path):
    graph, twice = imageset_graph(tmp_path / "m.onnx"), imageset_graph(tmp_path / "x2.onnx", scale=2)
    whole = image_set(tmp_path / "whole" / "imgset0001", views=3)

    def changed(name, file, content=None):
        place = tmp_path / name / "imgset0002"
        shutil.copytree(whole, place)
        shutil.copytree(whole, tmp_path / name / "imgset0001")
        (place / file).unlink()
        if content is not None:
            write_png(place / file, content)
        return tmp_path / name

    small, eight = np.full((93, 96), 9, np.uint16), np.full((96, 96), 9, np.uint8)
    for model, lr, words in (
        (graph, changed("no-qm", "QM001.png"), r"QM001\.png"),
        (graph, changed("cut", "SM.png", small), r"96 x 93 px, but the model makes 96 x 96 px of the views.*\(x3\)"),
        (graph, changed("dark", "SM.png", 0 * eight), "SM.png calls next to nothing clear"),
        (graph, changed("deep", "HR.png", eight), "the same unit"),
        (graph, changed("rgb", "HR.png", np.zeros((96, 96, 3), np.uint16)), "must be gray"),
        (twice, tmp_path / "whole", r"the challenge's, x3, and x2\.onnx is x2"),
    ):
        with pytest.raises(SatsrError, match=words):
            evaluate("--model", model, "--lr", lr, "--out", tmp_path / "out")
    words = ("--model", graph, "--lr", tmp_path / "whole", "--out", tmp_path / "out")
    with pytest.raises(SatsrError, match="leave --constraint out"):
        evaluate(*words, "--constraint", "frequency")
    assert not (tmp_path / "out").exists()
