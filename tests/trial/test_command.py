"""``satsr evaluate`` on pairs of one's own: the recipes' metrics, against bicubic, in a table and a report."""

import argparse
import io
import re
from contextlib import redirect_stderr

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.degrade import shrink
from satsr.errors import SatsrError
from satsr.files import read_json
from satsr.imagery.images import read_rgb, write_png
from satsr.metrics import psnr, ssim
from satsr.resize import imresize
from satsr.trial import command
from tests.tiny_graphs import cubic_graph, image_graph, recurrent_graph, series_graph

RNG = np.random.default_rng(0)


def evaluate(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(word) for word in words]))


def ground(height=96, width=112, bands=3, top=255.0):
    """A picture with detail at all scales."""
    layers = (
        imresize(RNG.random((height // step, width // step, bands)).astype(np.float32), step) for step in (1, 4, 8, 16)
    )
    mixed = sum(weight * layer for weight, layer in zip((0.04, 0.2, 0.3, 0.4), layers, strict=True))
    return np.clip(mixed, 0, 1).astype(np.float32) * top


def pictures(folder, count=4, scale=4):
    for index in range(count):
        fine = ground()
        write_png(folder / "hr" / f"{index}.png", np.rint(fine).astype(np.uint8))
        coarse = np.rint(np.clip(shrink(fine, scale), 0, 255))
        write_png(folder / "lr" / f"{index}.png", coarse.astype(np.uint8))
    return folder


def scenes(folder, hole=False, shift=0.0, side=96, size=2.5):
    fine = 500 + ground(side, side, top=3000)
    coarse = shrink(fine, 4)
    if hole:
        coarse[:3, :3] = fine[:12, :12] = 0
    folder.mkdir(exist_ok=True)
    for name, values, pixel, east in (("lr", coarse, 10, 0.0), ("hr", fine, size, shift)):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", count=3, height=len(values), width=len(values), nodata=0,
            dtype="uint16", crs="EPSG:32632", transform=from_origin(600000 + east, 5e6, pixel, pixel),
        ) as target:  # fmt: skip
            target.write(np.moveaxis(np.rint(values), -1, 0).astype(np.uint16))
    return folder


@pytest.mark.slow
def test_images_are_measured_as_the_recipes_do(tmp_path, capsys):
    source, graph = pictures(tmp_path), cubic_graph(tmp_path / "m.onnx", normalisation="unit_u8", sharpen=0.1)
    evaluate("--model", graph, "--lr", source / "lr", "--hr", source / "hr", "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")
    assert found["decides"] == ["psnr_rgb_u8", "ssim_rgb_u8"]
    levels, likeness = [], []
    for index in range(4):
        low, high = (read_rgb(source / role / f"{index}.png") for role in ("lr", "hr"))
        bicubic = np.clip(np.rint(imresize(low.astype(np.float32), 4)), 0, 255).astype(np.uint8)
        levels.append(psnr(bicubic, high))
        likeness.append(ssim(bicubic, high))
    assert found["methods"]["bicubic"]["psnr_rgb_u8"] == pytest.approx(np.mean(levels), abs=1e-9)
    assert found["methods"]["bicubic"]["ssim_rgb_u8"] == pytest.approx(np.mean(likeness), abs=1e-9)
    gain = found["gains"]["psnr_rgb_u8"]
    assert gain["low"] < gain["mean"] < gain["high"] and gain["count"] == 4 and gain["unit"] == "scenes"
    printed = capsys.readouterr().out
    claim = rf"PSNR is {abs(gain['mean']):.2f} dB \[.*\] (better|worse) than bicubic"
    assert re.search(claim, printed) and all(len(line) <= 80 for line in printed.splitlines()[:-1])
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *("before_after.png", "frames.csv", "metrics.json", "report.html", "satsr.json")
    }
    page = (tmp_path / "out" / "report.html").read_text()
    assert "m.onnx on pairs of your own" in page and page.count("data:image/") >= 12
    assert len((tmp_path / "out" / "frames.csv").read_text().splitlines()) == 1 + 4 * 2


@pytest.mark.slow
def test_the_cubic_as_a_model_gains_nothing_over_bicubic(tmp_path, capsys):
    source = scenes(tmp_path / "pair")
    graph = cubic_graph(tmp_path / "m.onnx")
    evaluate("--model", graph, "--lr", source / "lr.tif", "--hr", source / "hr.tif", "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")
    ours, theirs = (found["methods"][name] for name in ("ours", "bicubic"))
    assert found["decides"] == ["psnr_maxrange", "ssim_kornia5_maxrange"]
    assert ours["psnr_max1"] == pytest.approx(theirs["psnr_max1"], abs=0.05) and ours["psnr_max1"] > 20
    assert {"ergas", "opensr_synthesis", "consistency_rmse"} <= set(ours)
    assert "no interval" in capsys.readouterr().out


@pytest.mark.slow
def test_a_clip_is_measured_frame_by_frame_with_its_flicker(tmp_path, capsys):
    source, graph = pictures(tmp_path, count=9), recurrent_graph(tmp_path / "m.onnx", scale=4)
    evaluate("--model", graph, "--lr", source / "lr", "--hr", source / "hr", "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")
    assert found["gains"]["psnr_rgb_u8"]["unit"] == "frames in blocks of 3" and "warping_error" in found["gains"]
    assert "worse than bicubic" in capsys.readouterr().out  # frames of different places are mixed
    assert len((tmp_path / "out" / "frames.csv").read_text().splitlines()) == 1 + 9 * 2


@pytest.mark.slow
def test_several_clips_are_folders_of_one_name(tmp_path):
    for name in ("harbour.v1", "town"):
        pictures(tmp_path / name, count=2)
        for role in ("lr", "hr"):
            (tmp_path / role).mkdir(exist_ok=True)
            (tmp_path / name / role).rename(tmp_path / role / name)
    graph = recurrent_graph(tmp_path / "m.onnx", scale=4)
    evaluate("--model", graph, "--lr", tmp_path / "lr", "--hr", tmp_path / "hr", "--out", tmp_path / "out")
    assert read_json(tmp_path / "out" / "metrics.json")["gains"]["psnr_rgb_u8"]["count"] == 2
    lines = (tmp_path / "out" / "frames.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == {"harbour.v1", "town"}


@pytest.mark.slow
def test_missing_pixels_are_not_measured(tmp_path):
    graph = cubic_graph(tmp_path / "m.onnx")
    source = scenes(tmp_path / "pair", hole=True)
    evaluate("--model", graph, "--lr", source / "lr.tif", "--hr", source / "hr.tif", "--out", tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")["methods"]
    # Beside a gap the network sees filled pixels, so the square begins behind it, and little is left of that.
    assert found["ours"]["psnr_max1"] == pytest.approx(found["bicubic"]["psnr_max1"], abs=0.5)
    assert "lr has missing pixels" in (tmp_path / "out" / "report.html").read_text()


def test_what_does_not_fit_gets_a_sentence_before_the_network_runs(tmp_path):
    source, graph = pictures(tmp_path), cubic_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    twice, lr, hr = image_graph(tmp_path / "x2.onnx", normalisation="unit_u8"), source / "lr", source / "hr"
    four = image_graph(tmp_path / "four.onnx", channels=4, scale=4, normalisation="unit_u8")
    series, apart = series_graph(tmp_path / "s.onnx"), scenes(tmp_path / "apart", shift=500.0)
    finer = scenes(tmp_path / "finer", size=2.0)  # of one origin
    reflectance = cubic_graph(tmp_path / "r.onnx")
    write_png(tmp_path / "deep.png", np.full((96, 112, 3), 900, np.uint16))
    write_png(tmp_path / "more" / "0.png", read_rgb(hr / "0.png"))
    write_png(tmp_path / "more" / "9.png", read_rgb(hr / "1.png"))
    (tmp_path / "empty").mkdir()
    for model, ours, theirs, words in (
        (graph, lr / "none.png", hr, r"none\.png does not exist: --lr"),
        (graph, lr, lr, "are both"),
        (graph, lr, tmp_path / "more", r"(?s)1\.png has no partner.*9\.png has no partner"),
        (graph, lr / "0.png", hr, "do not hold the same"),
        (graph, lr, tmp_path / "empty", "neither images"),
        (twice, lr, hr, r"112 x 96 px, but the model makes 56 x 48 px of the 28 x 24 px.*\(x2\)"),
        (four, lr, hr, "3 channels, but the model takes 4"),
        (graph, lr / "0.png", tmp_path / "deep.png", "the same unit"),
        (series, lr, hr, "lr holds no dated images"),
        (reflectance, apart / "lr.tif", apart / "hr.tif", "do not lie in the same place"),
        (reflectance, finer / "lr.tif", finer / "hr.tif", r"pixels have not 4 times each other's size"),
        (reflectance, lr, hr, "8-bit values"),
    ):
        with pytest.raises(SatsrError, match=words):
            evaluate("--model", model, "--lr", ours, "--hr", theirs, "--out", tmp_path / "out")
    clip = recurrent_graph(tmp_path / "v.onnx", scale=4)
    (lr / "3.png").unlink()
    with pytest.raises(SatsrError, match=r"has 3 frames, .* 4"):
        evaluate("--model", clip, "--lr", lr, "--hr", hr, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pairs_that_take_more_memory_than_is_free_are_refused_by_their_headers(tmp_path):
    for name, side, pixel in (("lr", 30000, 10), ("hr", 120000, 2.5)):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", count=3, height=side, width=side, dtype="uint16", tiled=True,
            SPARSE_OK=True, BIGTIFF="YES", crs="EPSG:32632", transform=from_origin(600000, 5e6, pixel, pixel),
            blockxsize=4096, blockysize=4096,
        ):  # fmt: skip
            pass  # some kilobytes
    words = ("--lr", tmp_path / "lr.tif", "--hr", tmp_path / "hr.tif", "--out", tmp_path / "out")
    with pytest.raises(SatsrError, match=r"hr\.tif takes about 6480\.0 GB of memory to compare, but .* GB are free"):
        evaluate("--model", cubic_graph(tmp_path / "m.onnx"), *words)


@pytest.mark.slow
def test_a_report_replaces_only_a_report(tmp_path):
    source, graph = pictures(tmp_path, count=2), cubic_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    words = ("--model", graph, "--lr", source / "lr", "--hr", source / "hr", "--out", tmp_path / "out")
    evaluate(*words)
    with pytest.raises(SatsrError, match="add --overwrite"):
        evaluate(*words)
    evaluate(*words, "--overwrite")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(SatsrError, match=r"mine\.txt"):
        evaluate(*words, "--overwrite")
    with pytest.raises(SatsrError, match="lies in"):
        evaluate(*words[:-1], source / "lr" / "report")
    with pytest.raises(SatsrError, match=r"mine\.txt is a file, so nothing can lie in it"):
        evaluate(*words[:-1], tmp_path / "out" / "mine.txt" / "report")


class Meanwhile(io.StringIO):
    """The terminal, on which a line says that measuring has begun: then somebody writes into the report's folder."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def write(self, text):
        if "1 of 1" in text:
            self.file.parent.mkdir()
            self.file.write_text("mine")
        return super().write(text)


@pytest.mark.slow
def test_a_folder_that_came_while_it_was_measured_is_kept_and_the_table_is_not_lost(tmp_path, capsys):
    source, graph = scenes(tmp_path / "pair", side=64), cubic_graph(tmp_path / "m.onnx")
    words = ("--model", graph, "--lr", source / "lr.tif", "--hr", source / "hr.tif", "--out", tmp_path / "out")
    meanwhile = Meanwhile(tmp_path / "out" / "mine.txt")
    with redirect_stderr(meanwhile), pytest.raises(SatsrError, match=r"holds what satsr did not write \(mine\.txt\)"):
        evaluate(*words, "--overwrite")
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert "psnr_maxrange" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"pair", "m.onnx", "out"}
