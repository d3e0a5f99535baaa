"""Dates and views of one place become one image: the right ones are chosen, clouds are filled from the others."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.files import read_json
from satsr.imagery.images import read_image, write_png
from satsr.kinds.imageset.paper import SELECTION_SEED
from satsr.kinds.imageset.views import select_by_coverage
from satsr.upscale.options import Options
from satsr.upscale.sets import upscale_imagesets, upscale_series
from tests.tiny_graphs import imageset_graph, series_graph

OPTIONS = Options(window=64, overlap=16, margin=4, date="2018-06-15")
DAYS = ("20180501", "2018-06-05", "20180615", "20180620", "2018_07_20")


def quiet(line):
    """Takes no notice."""


def raster(path, values, pixel=10, origin=600000, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype,
        crs="EPSG:32632", transform=from_origin(origin, 5000000, pixel, pixel), **more,
    ) as target:  # fmt: skip
        target.write(values)


def read(path):
    with rasterio.open(path) as source:
        return source.read()


@pytest.fixture
def season(tmp_path):
    """A folder with five dates, whose level tells them apart, and the folder itself."""
    for index, day in enumerate(DAYS):
        raster(tmp_path / "in" / f"S2_{day}_BOA.tif", np.full((3, 70, 80), 500 + 100 * index, np.uint16), nodata=0)
    return tmp_path / "in"


def test_the_dates_nearest_to_the_wanted_one_are_merged(tiny, tmp_path, season):
    lines = []
    made = upscale_series(tiny(series_graph), season, tmp_path / "out.tif", OPTIONS, lines.append)
    assert "2018-05-01" not in lines[0] and "2018-06-20" in lines[0]
    with rasterio.open(made[0]) as after:
        # The tiny network weighs dates by exp(-days): the wanted one at 1, its neighbours at exp(-5) and exp(-10).
        weights = np.exp(-np.array([10.0, 0, 5, 35]))
        expected = (weights @ np.array([600, 700, 800, 900])) / weights.sum()
        assert np.abs(after.read() - expected).max() <= 1
        assert after.res == (5, 5) and after.crs.to_epsg() == 32632 and after.tags()["SATSR_INPUT"].endswith("3 more")


def test_clouds_and_gaps_are_filled_from_the_other_dates(tiny, tmp_path, season):
    cloud = np.zeros((1, 35, 40), np.uint8)
    cloud[:, :10, :10] = 1
    raster(season / "S2_20180615_BOA_cloud.tif", cloud, 20)
    with rasterio.open(season / "S2_20180620_BOA.tif", "r+") as target:
        target.write(np.zeros((3, 70, 10), np.uint16), window=((0, 70), (70, 80)))
    upscale_series(tiny(series_graph), season, tmp_path / "out.tif", OPTIONS, quiet)
    sr = read(tmp_path / "out.tif")
    assert (sr > 0).all()
    # Under the cloud the wanted date counts as the median of the other three: 600, 800, 900.
    assert np.abs(sr[:, :38, :38].astype(int) - 800).max() <= 1 and np.abs(sr[:, 60:, 60:].astype(int) - 700).max() <= 3


@pytest.mark.parametrize("method", ["frequency", "backprojection"])
def test_a_series_is_held_to_the_date_nearest_to_the_wanted_one(tiny, tmp_path, season, method):
    lines = []
    options = replace(OPTIONS, date="2018-06-17", constraint=method)
    upscale_series(tiny(series_graph), season, tmp_path / "out.tif", options, lines.append)
    # The tiny network mixes it with the next date, three days off, of the level 800: that of 15 June is 700.
    assert (read(tmp_path / "out.tif") == 700).all()
    (line,) = [line for line in lines if "made small again" in line]
    assert "0 in 1" in line and "0 (RMSE)" in line


def test_a_pixel_that_no_date_has_stays_missing(tiny, tmp_path, season):
    for file in season.iterdir():
        with rasterio.open(file, "r+") as target:
            target.write(np.zeros((3, 20, 30), np.uint16), window=((0, 20), (0, 30)))
    upscale_series(tiny(series_graph), season, tmp_path / "out.tif", OPTIONS, quiet)
    sr = read(tmp_path / "out.tif")
    assert (sr[:, :40, :60] == 0).all() and (sr[:, 40:] > 0).all() and (sr[:, :, 60:] > 0).all()


def test_dates_that_are_mostly_clouds_are_passed_over(tiny, tmp_path, season):
    raster(season / "cloud" / "20180615.tif", np.ones((1, 70, 80), np.uint8))
    lines = []
    upscale_series(tiny(series_graph), season, tmp_path / "out.tif", OPTIONS, lines.append)
    assert "for 2018-06-15: 2018-05-01" in lines[0] and "2018-06-15" not in lines[0].split(":")[1]


def test_too_few_dates_are_repeated(tiny, tmp_path, season):
    for day in DAYS[1:]:
        (season / f"S2_{day}_BOA.tif").unlink()
    upscale_series(tiny(series_graph), season, tmp_path / "out.tif", replace(OPTIONS, force=True), quiet)
    assert (read(tmp_path / "out.tif") == 500).all()


def test_dates_off_the_grid_or_without_a_date_get_a_sentence(tiny, tmp_path, season):
    model = tiny(series_graph)
    raster(season / "S2_20180618.tif", np.full((3, 70, 80), 500, np.uint16), origin=600010)
    with pytest.raises(SatsrError, match="warp the dates to one grid"):
        upscale_series(model, season, tmp_path / "out.tif", OPTIONS, quiet)
    (season / "S2_20180618.tif").rename(season / "summer.tif")
    with pytest.raises(SatsrError, match="no date in its name"):
        upscale_series(model, season, tmp_path / "out.tif", OPTIONS, quiet)
    (season / "summer.tif").unlink()
    with pytest.raises(SatsrError, match="write it as 2018-07-01"):
        upscale_series(model, season, tmp_path / "out.tif", replace(OPTIONS, date="June"), quiet)
    with pytest.raises(SatsrError, match="no dated rasters"):
        upscale_series(model, tmp_path / "nothing", tmp_path / "out.tif", OPTIONS, quiet)


def imageset(folder, views, level=1000):
    """Views of which the second half is clouded in the upper half."""
    for index in range(views):
        write_png(folder / f"LR{index:03d}.png", np.full((32, 32), level + 100 * index, np.uint16))
        clear = np.full((32, 32), 255, np.uint8)
        clear[:16] = 0 if index >= views // 2 else 255
        write_png(folder / f"QM{index:03d}.png", clear)


def test_the_clearest_views_of_an_image_set_count(tiny, tmp_path):
    imageset(tmp_path / "imgset0007", 12)
    upscale_imagesets(tiny(imageset_graph), tmp_path / "imgset0007", tmp_path / "out.png", Options(), quiet)
    sr = read_image(tmp_path / "out.png")
    # The nine clearest: views 0 to 5, which are whole, and 6 to 8, which are clear in the lower half.
    assert sr.dtype == np.uint16 and sr.shape == (96, 96)
    assert (sr[:48] == 1250).all() and (sr[48:] == 1400).all()


def test_views_are_chosen_by_coverage_where_the_finer_grid_is_known(tiny, tmp_path):
    folder = tmp_path / "imgset0007"
    imageset(folder, 12)
    write_png(folder / "SM.png", np.full((96, 96), 255, np.uint8))
    upscale_imagesets(tiny(imageset_graph), folder, tmp_path / "out.png", Options(), quiet)
    masks = np.stack([read_image(file) for file in sorted(folder.glob("QM*.png"))])
    chosen = select_by_coverage(
        masks, read_image(folder / "SM.png"), seed=SELECTION_SEED, index=zlib.crc32(b"imgset0007")
    )
    levels = 1000 + 100 * chosen
    sr = read_image(tmp_path / "out.png")
    assert np.abs(sr[48:] - levels.mean()).max() <= 1 and np.abs(sr[:48] - levels[chosen < 6].mean()).max() <= 1


def test_an_image_set_says_how_far_it_is_from_the_mean_of_its_clearest_views(tiny, tmp_path):
    imageset(tmp_path / "imgset0007", 12)
    lines = []
    upscale_imagesets(tiny(imageset_graph), tmp_path / "imgset0007", tmp_path / "out", Options(), lines.append)
    # Above 1250 and below 1400, where the six views that are clear everywhere have a mean of 1250.
    assert "+75 in 1 (bias)" in lines[-1] and "on 1 sampled image set; constraint: none" in lines[-1]
    tags = read_json(tmp_path / "out" / "satsr.json")
    assert tags["SATSR_CONSISTENCY_BIAS_1"] == "75" and tags["SATSR_CONSTRAINT"] == "none"


def test_many_image_sets_become_a_folder(tiny, tmp_path):
    for index, band in enumerate(("NIR", "RED", "RED")):
        imageset(tmp_path / "in" / band / f"imgset{index:04d}", 9 - index, 1000 * (index + 1))
    upscale_imagesets(tiny(imageset_graph), tmp_path / "in", tmp_path / "out", Options(), quiet)
    names = sorted(file.name for file in (tmp_path / "out").glob("*.png"))
    assert names == ["NIR_imgset0000.png", "RED_imgset0001.png", "RED_imgset0002.png"]


def test_an_image_set_that_is_not_whole_gets_a_sentence(tiny, tmp_path):
    model = tiny(imageset_graph)
    imageset(tmp_path / "in", 9)
    (tmp_path / "in" / "QM003.png").unlink()
    with pytest.raises(SatsrError, match=r"QM003\.png"):
        upscale_imagesets(model, tmp_path / "in", tmp_path / "out.png", Options(), quiet)
    with pytest.raises(SatsrError, match="0 image sets"):
        upscale_imagesets(model, tmp_path / "nothing", tmp_path / "out", Options(), quiet)
