"""``satsr upscale`` from the words on the command line to the files, for every kind of model."""

import argparse
import subprocess
import sys

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import satsr
from satsr import tracking
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.register import registry
from satsr.upscale import command
from tests.tiny_graphs import image_graph, imageset_graph, recurrent_graph, series_graph

RNG = np.random.default_rng(0)


def upscale(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def scene(path, level=0):
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=150, width=160, dtype="uint16",
        crs="EPSG:32632", transform=from_origin(600000, 5000000, 10, 10), nodata=0,
    ) as target:  # fmt: skip
        target.write(RNG.integers(300 + level, 2500 + level, (3, 150, 160), dtype=np.uint16))
    return path


@pytest.fixture
def graph(tmp_path):
    return lambda make, **more: make(tmp_path / f"{make.__name__}.onnx", **more)


@pytest.mark.slow
def test_a_scene_with_maps_and_preview(tmp_path, graph, capsys):
    source, output = scene(tmp_path / "in.tif"), tmp_path / "out.tif"
    model = graph(image_graph)
    upscale(source, output, "--model", model, "--window", 128, "--uncertainty", "consistency,spread", "--preview")
    names = {file.name for file in tmp_path.iterdir()}
    assert {"out_consistency.tif", "out_spread.tif", "out_preview.png", "out_preview.html"} < names
    lines = capsys.readouterr().err
    assert "GB of memory" in lines and "made small again" in lines and f"written: {output}" in lines
    page = (tmp_path / "out_preview.html").read_text()
    assert "image_graph.onnx" in page and "http" not in page.replace("http-equiv", "")
    assert cv2.imread(str(tmp_path / "out_preview.png")).shape[1] > 3 * 300


@pytest.mark.slow
def test_a_folder_of_frames_a_series_and_an_image_set(tmp_path, graph):
    for index in range(3):
        write_png(tmp_path / "frames" / f"{index}.png", RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        scene(tmp_path / "dates" / f"2018-05-0{index + 1}.tif")
        write_png(tmp_path / "imgset" / f"LR00{index}.png", RNG.integers(0, 9999, (32, 32), dtype=np.uint16))
        write_png(tmp_path / "imgset" / f"QM00{index}.png", np.full((32, 32), 255, np.uint8))
    upscale(tmp_path / "frames", tmp_path / "a", "--model", graph(recurrent_graph), "--burn-in", 2, "--preview")
    upscale(tmp_path / "dates", tmp_path / "b.tif", "--model", graph(series_graph), "--date", "2018-05-02", "--preview")
    upscale(tmp_path / "imgset", tmp_path / "c.png", "--model", graph(imageset_graph), "--preview")
    for name in ("a", "b.tif", "c.png", "a_preview.html", "b_preview.html", "c_preview.html"):
        assert (tmp_path / name).exists(), name


def test_one_picture_and_a_folder_of_pictures_go_through_an_image_model(tmp_path, graph):
    for index in range(2):
        write_png(tmp_path / "in" / f"{index}.png", RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    model = graph(image_graph, normalisation="unit_u8")
    upscale(tmp_path / "in" / "0.png", tmp_path / "out.png", "--model", model)
    upscale(tmp_path / "in", tmp_path / "out", "--model", model)
    one, many = (cv2.imread(str(tmp_path / name)) for name in ("out.png", "out/0.png"))
    np.testing.assert_array_equal(one, many)


@pytest.mark.slow
def test_the_constraint_is_the_models_own_unless_it_is_chosen(tmp_path, graph, capsys):
    source = scene(tmp_path / "in.tif", level=3000)
    model = graph(image_graph, normalisation="s2_norm", constraint={"method": "frequency"})
    means = {}
    for words in ((), ("--constraint", "none"), ("--constraint", "backprojection")):
        output = tmp_path / f"{len(means)}.tif"
        upscale(source, output, "--model", model, "--force", *words)
        with rasterio.open(output) as after, rasterio.open(source) as before:
            assert after.tags()["SATSR_CONSTRAINT"] == (words[1] if words else "frequency")
            means[words] = after.read().mean() / before.read().mean()
        assert f"constraint: {words[1] if words else 'frequency'}" in capsys.readouterr().err
    assert list(means.values()) == pytest.approx([1, 3000 / 4400, 1], abs=0.05)
    with pytest.raises(SystemExit):
        upscale(source, tmp_path / "out.tif", "--model", model, "--constraint", "hard")


def test_mistakes_get_a_sentence(tmp_path, graph):
    source, model = scene(tmp_path / "in.tif"), graph(image_graph)
    (tmp_path / "empty").mkdir()
    (tmp_path / "S2A.SAFE").mkdir()
    clips, sets = graph(recurrent_graph), graph(imageset_graph)
    write_png(tmp_path / "imgset" / "LR000.png", RNG.integers(0, 9999, (32, 32), dtype=np.uint16))
    write_png(tmp_path / "imgset" / "QM000.png", np.full((32, 32), 255, np.uint8))
    for words, sentence in (
        ((tmp_path / "none.tif", "out.tif", "--model", model), "does not exist"),
        ((source, "out.tif", "--model", "none.onnx"), "no model file"),
        ((source, tmp_path / "out.tif", "--model", model, "--uncertainty", "dice"), "not dice"),
        ((source, tmp_path / "out.tif", "--model", model, "--window", 40), "more than half a window"),
        ((source, tmp_path / "out.tif", "--model", model, "--device", "cuda"), "--device cpu"),
        ((source, tmp_path / "o", "--model", clips, "--uncertainty", "spread"), "not made of frames"),
        ((tmp_path / "imgset", tmp_path / "o", "--model", sets, "--constraint", "frequency"), "nobody has registered"),
        ((tmp_path / "empty", tmp_path / "out.tif", "--model", model), "no Sentinel-2 product"),
        ((tmp_path / "S2A.SAFE", tmp_path / "out.tif", "--model", clips), "takes a video of frames"),
    ):
        with pytest.raises(SatsrError, match=sentence):
            upscale(*words)


def test_an_8_bit_picture_of_a_product_needs_force(tmp_path, graph, capsys):
    with rasterio.open(tmp_path / "in.tif", "w", driver="GTiff", count=3, height=40, width=40, dtype="uint8") as target:
        target.write(RNG.integers(0, 256, (3, 40, 40), dtype=np.uint8))
    words = (tmp_path / "in.tif", tmp_path / "out.tif", "--model", graph(image_graph))
    with pytest.raises(SatsrError, match=r"8-bit values.*--force"):
        upscale(*words)
    upscale(*words, "--force")
    assert "warning: it holds 8-bit" in capsys.readouterr().err


@pytest.fixture
def registered(tmp_path, graph, monkeypatch, mlflow_store):
    """A project whose registry has two versions of ``tiny``; the first is its champion."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("{}\n")
    monkeypatch.setenv("SATSR_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow_store(tmp_path)
    for scale in (2, 4):
        with tracking.run(tmp_path, "tiny", name=f"x{scale}") as run:
            registry.add_version(run, "tiny", graph(image_graph, scale=scale), {"scale": scale}, "card")
    registry.set_alias(tracking.client(tmp_path), "tiny", registry.CHAMPION, 1)


@pytest.mark.slow
def test_models_come_from_the_registry_by_alias_version_and_name(registered, tmp_path):
    for reference, name, scale in (("tiny@champion", "tiny/1", 2), ("tiny/2", "tiny/2", 4), ("tiny", "tiny/1", 2)):
        model = satsr.load(reference, device="cpu")
        assert (model.name, model.scale) == (name, scale)
    source = scene(tmp_path / "in.tif")
    upscale(source, tmp_path / "out.tif", "--model", "tiny@champion")
    with rasterio.open(tmp_path / "out.tif") as after:
        assert after.tags()["SATSR_MODEL"] == "tiny/1"
    for reference, sentence in (
        ("tiny@best", r"aliases champion: use one, such as tiny/2"),
        ("tiny/7", r"versions are 1, 2"),
        ("other@champion", r"it has tiny"),
    ):
        with pytest.raises(SatsrError, match=sentence):
            satsr.load(reference)
    with pytest.raises(SatsrError, match="without weights for torch"):
        satsr.load("tiny/1", backend="torch")


@pytest.mark.slow
def test_a_scene_is_enlarged_without_loading_torch(tmp_path, graph):
    code = (
        "import argparse, sys; from satsr.upscale import command; parser = argparse.ArgumentParser();"
        "command.add_arguments(parser); command.run(parser.parse_args(sys.argv[1:])); assert 'torch' not in sys.modules"
    )
    words = [scene(tmp_path / "in.tif"), tmp_path / "out.tif", "--model", graph(image_graph), "--preview"]
    subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True)
