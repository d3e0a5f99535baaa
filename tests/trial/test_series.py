"""``satsr evaluate`` on dated series: the recipe's metrics against its own baseline, the date nearest to the target."""

import csv
import re
import shutil

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr import load
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.degrade import shrink
from satsr.errors import SatsrError
from satsr.evaluate.measure import measure
from satsr.files import read_json
from satsr.project import root
from satsr.store.store import Store, StoreWriter
from satsr.upscale.options import Options
from satsr.upscale.scenes.series import upscale_series
from tests.tiny_graphs import series_graph
from tests.trial.test_command import evaluate, ground

DAYS = ("2018-04-20", "2018-05-10", "2018-06-30")
TARGET = "2018-05-14"


def raster(path, values, pixel=10.0, east=0.0, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype,
        crs="EPSG:32630", transform=from_origin(500000 + east, 5300000, pixel, pixel), **more,
    ) as target:  # fmt: skip
        target.write(np.moveaxis(values, -1, 0))


def place(folder, dtype=np.uint16, fine="hr", low="lr", day=TARGET):
    """A series of three dates whose brightness tells them apart, and its fine image; what the files hold."""
    truth = 300 + ground(96, 112, top=600.0)
    dates = [np.rint(shrink(truth * level, 4)).astype(np.uint16) for level in (0.8, 1.0, 1.2)]
    for name, values in zip(DAYS, dates, strict=True):
        raster(folder / low / f"S2_{name}.tif", values, nodata=0)
    target = np.rint(truth / 4 if dtype == np.uint8 else truth).astype(dtype)
    raster(folder / fine / f"spot_{day}.tif", target, 2.5)
    return dates, target


def recipe(folder, scenes):
    """What the recipe of series measures of the baseline, and the recipe with a store of these scenes."""
    from pipelines.breizhsr import PAPER
    from pipelines.configs.breizhsr import CONFIG

    with StoreWriter(folder, {"name": "own"}) as writer:
        for name, (dates, target) in scenes.items():
            for index, image in enumerate(dates):
                writer.put("test", name, "lr", index, image)
            writer.put("test", name, "hr", 0, target)
            writer.describe("test", name, {"days": [-24, -4, 47]})
    paper, store = PAPER(resolved(CONFIG, "breizhsr", merged("breizhsr", root(), {}))), Store(folder)
    return paper, store, measure(paper, store, {}).scenes()


def rows(folder):
    """What a report's table says of each place: method -> metric."""
    found = {}
    with (folder / "frames.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            numbers = {name: float(text) for name, text in row.items() if name not in ("scene", "method") and text}
            found.setdefault(row["scene"], {})[row["method"]] = numbers
    return found


@pytest.mark.slow
def test_a_series_is_measured_as_its_recipe_does(tmp_path, capsys):
    places = {"field-1": place(tmp_path / "own" / "field-1"), "field-2": place(tmp_path / "own" / "field-2", np.uint8)}
    paper, store, expected = recipe(tmp_path / "store", places)
    graph = series_graph(tmp_path / "m.onnx", scale=4, views=2, normalisation=paper.radiometry.name)
    evaluate("--model", graph, "--lr", tmp_path / "own", "--out", tmp_path / "out", "--force")
    made = rows(tmp_path / "out")
    for scene in store.scenes("test"):
        theirs = expected[scene.id]["bicubic"]
        assert {name: made[scene.id]["bicubic"][name] for name in theirs} == pytest.approx(theirs, rel=1e-4, abs=1e-3)
        lr, options = tmp_path / "own" / scene.id, Options(date=TARGET, force=True)
        (file, *_) = upscale_series(load(graph), lr, tmp_path / f"{scene.id}.tif", options)
        with rasterio.open(file) as source:
            output = paper.radiometry.forward(np.moveaxis(source.read(), 0, -1)).transpose(2, 0, 1)
        (ours,) = paper.score(scene, output)
        assert {name: made[scene.id]["ema"][name] for name in ours} == pytest.approx(ours, rel=1e-4, abs=1e-3)
    assert made["field-1"]["bicubic"]["psnr_u8"] > 25
    found = read_json(tmp_path / "out" / "metrics.json")
    assert found["decides"] == ["psnr_u8", "ssim_skimage_u8"] and found["gains"]["psnr_reflectance"]["count"] == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert "field-1: the fine image is of 2018-05-14, bicubic enlarges 2018-05-10" in page
    assert page.count("has 8 bits") == 1 and "field-2: the fine image has 8 bits" in page
    assert page.count("data:image/") >= 8
    printed = capsys.readouterr()
    assert re.search(r"psnr_u8 +\d\d\.\d\d", printed.out) and "2 of 2: field-2" in printed.err


@pytest.mark.slow
def test_neither_clouds_nor_gaps_nor_other_days_are_measured(tmp_path):
    place(tmp_path / "clear", low="", fine="fine")
    for name in ("near", "hidden"):
        shutil.copytree(tmp_path / "clear", tmp_path / name)
    graph = series_graph(tmp_path / "m.onnx", scale=4, views=2, normalisation="breizh_s2")
    hidden, cloud = tmp_path / "hidden", np.zeros((24, 28, 1), np.uint8)
    cloud[:2] = 1
    raster(hidden / f"S2_{DAYS[1]}_cloud.tif", cloud)
    raster(hidden / "fine" / f"spot_{TARGET}_clouds.tif", np.flip(cloud).repeat(4, 0).repeat(4, 1), 2.5)
    for file, rows in ((hidden / f"S2_{DAYS[1]}.tif", 2), (hidden / "fine" / f"spot_{TARGET}.tif", 8)):
        with rasterio.open(file, "r+") as target:
            values = target.read()
            values[:, :rows] = values[:, -rows:] = 9000  # clouds
            target.write(values)
    made = {}
    for name, more in (("clear", ()), ("hidden", ()), ("near", ("--date", DAYS[0]))):
        words = ("--lr", tmp_path / name, "--hr", tmp_path / name / "fine", "--out", tmp_path / f"{name}-out", *more)
        evaluate("--model", graph, *words)
        made[name] = read_json(tmp_path / f"{name}-out" / "metrics.json")["methods"]["bicubic"]
    assert made["hidden"]["psnr_u8"] == pytest.approx(made["clear"]["psnr_u8"], abs=1.5)
    page = (tmp_path / "hidden-out" / "report.html").read_text()
    assert "hidden has missing pixels: its largest square without any is measured (80 px a side)" in page
    assert made["near"]["psnr_u8"] < made["clear"]["psnr_u8"] - 5  # of April, which is darker
    assert "bicubic enlarges 2018-04-20" in (tmp_path / "near-out" / "report.html").read_text()


def test_what_does_not_fit_gets_a_sentence_before_the_network_runs(tmp_path):
    graph = series_graph(tmp_path / "m.onnx", scale=4, views=2)
    place(tmp_path / "a", low="", fine="../fine/a", day=TARGET)
    fine = tmp_path / "fine" / "a" / f"spot_{TARGET}.tif"
    with rasterio.open(fine) as source:
        values = np.moveaxis(source.read(), 0, -1)
    raster(tmp_path / "summer" / "summer.tif", values, 2.5)
    raster(tmp_path / "cut" / f"{TARGET}.tif", values[:-4], 2.5)
    raster(tmp_path / "four" / f"{TARGET}.tif", values[..., [0, 1, 2, 0]], 2.5)
    raster(tmp_path / "far" / f"{TARGET}.tif", values, 2.5, east=500.0)
    shutil.copytree(tmp_path / "a", tmp_path / "off" / "a")
    raster(tmp_path / "off" / "a" / "2018-05-16.tif", values[:24, :28], east=5.0)
    raster(tmp_path / "off" / "b" / "undated.tif", values[:24, :28])
    for lr, hr, words in (
        ("a", "summer", r"summer\.tif has no date in its name, .* or add --date"),
        ("a", "cut", r"112 x 92 px, but the model makes 112 x 96 px of the 28 x 24 px of .*a \(x4\)"),
        ("a", "four", r"the fine image .*2018-05-14\.tif does not fit: the file has 4 bands"),
        ("a", "far", "do not lie in the same place"),
        ("off/a", "fine/a", "warp the dates to one grid"),
        ("off/b", "fine/a", "has no date in its name"),
    ):
        with pytest.raises(SatsrError, match=words):
            evaluate("--model", graph, "--lr", tmp_path / lr, "--hr", tmp_path / hr, "--out", tmp_path / "out")
    with pytest.raises(SatsrError, match="write it as 2018-07-01"):
        evaluate("--model", graph, "--lr", tmp_path / "a", "--hr", fine, "--date", "May", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_of_several_series_the_one_that_is_refused_is_named(tmp_path):
    for name in ("a", "b"):
        place(tmp_path / "own" / name)
    for day in DAYS:
        raster(tmp_path / "own" / "b" / "lr" / f"S2_{day}.tif", np.full((24, 28, 3), 500, np.uint16))
    graph = series_graph(tmp_path / "m.onnx", scale=4, views=2)
    with pytest.raises(SatsrError, match=r"^b: this input does not look like (?s:.*)500 everywhere"):
        evaluate("--model", graph, "--lr", tmp_path / "own", "--out", tmp_path / "out")
