"""Dates of one place become one image: the right ones are chosen, clouds are filled from the others."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.upscale.options import Options
from satsr.upscale.scenes.series import upscale_series
from tests.tiny_graphs import series_graph

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
    upscale_series(tiny(series_graph), sorted(season.iterdir()), tmp_path / "named.tif", OPTIONS, quiet)
    np.testing.assert_array_equal(read(tmp_path / "named.tif"), sr)


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
