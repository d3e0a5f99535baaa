"""Scenes come out whole, aligned and marked, whatever their size, type and gaps."""

import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.resize import imresize
from satsr.upscale.options import Options
from satsr.upscale.scenes.scene import upscale
from satsr.upscale.windows.plan import seams
from tests.tiny_graphs import cubic_graph, image_graph

RNG = np.random.default_rng(0)
SMALL = Options(window=64, overlap=16, margin=4, force=True)
NAMES = ("B04", "B03", "B02", "B08")


def quiet(line):
    """Takes no notice."""


def write(path, values, names=(), **more):
    """A GeoTIFF of (C, H, W) in UTM with 10 m pixels."""
    profile = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000000, 10, 10), **more}
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype, **profile
    ) as target:
        target.write(values)
        for index, name in enumerate(names, 1):
            target.set_band_description(index, name)
    return path


def smooth(height, width, bands=3, seed=0):
    """Reflectances with structure of a few pixels."""
    coarse = np.random.default_rng(seed).integers(300, 3000, (height // 4 + 1, width // 4 + 1, bands))
    return np.moveaxis(imresize(coarse.astype(float), 4)[:height, :width], -1, 0).clip(1, 10000).astype(np.uint16)


def read(path):
    with rasterio.open(path) as source:
        return source.read()


@pytest.mark.slow
def test_the_result_says_where_it_lies_and_what_made_it(tiny, tmp_path):
    model = tiny(image_graph, channels=4)
    source = write(tmp_path / "in.tif", smooth(300, 400, 4), NAMES, nodata=0)
    made = upscale(model, source, tmp_path / "out.tif", SMALL, quiet)
    assert made == [tmp_path / "out.tif", tmp_path / "out.qml"]
    assert sorted(p.name for p in tmp_path.glob("*out*")) == ["out.qml", "out.tif"]
    with rasterio.open(source) as before, rasterio.open(made[0]) as after:
        assert (after.crs, after.bounds, after.nodata) == (before.crs, before.bounds, 0)
        assert after.res == (5, 5) and after.shape == (600, 800) and after.dtypes == before.dtypes
        assert after.descriptions == NAMES and after.profile["blockxsize"] == 512
        structure = after.tags(ns="IMAGE_STRUCTURE")
        assert structure["LAYOUT"] == "COG" and structure["COMPRESSION"] == "ZSTD" and structure["PREDICTOR"] == "2"
        assert after.overviews(1) == [2]
        tags = after.tags()
        assert tags["SATSR_MODEL"] == "image_graph.onnx" and tags["SATSR_MODEL_SHA256"] == model.digest
        assert len(tags["SATSR_INPUT_SHA256"]) == 64 and tags["SATSR_SCALE"] == "2"


@pytest.mark.parametrize(("height", "width"), [(150, 210), (64, 200), (40, 50), (65, 129), (131, 30)])
def test_tiled_equals_untiled(tiny, tmp_path, height, width):
    model = tiny(image_graph)
    values = smooth(height, width)
    source = write(tmp_path / "in.tif", values)
    upscale(model, source, tmp_path / "out.tif", replace(SMALL, batch=3), quiet)
    whole = np.moveaxis(model(np.moveaxis(values, 0, -1)), -1, 0)
    difference = np.abs(read(tmp_path / "out.tif").astype(int) - whole)
    assert difference.max() <= 1 and difference.mean() < 1e-3  # 1: where float32 sums round the other way


def held(tiny, method, **more):
    """A model whose stretch ends at 3000, whose results are held to their input."""
    return tiny(image_graph, normalisation="s2_norm", constraint={"method": method}, **more)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["frequency", "backprojection"])
@pytest.mark.parametrize(("height", "width"), [(150, 210), (64, 200), (131, 30)])
def test_tiled_equals_untiled_with_a_constraint(tiny, tmp_path, method, height, width):
    model, values = held(tiny, method), 2 * smooth(height, width)
    source = write(tmp_path / "in.tif", values)
    upscale(model, source, tmp_path / "out.tif", SMALL, quiet)
    whole = np.moveaxis(model(np.moveaxis(values, 0, -1)), -1, 0)
    difference = np.abs(read(tmp_path / "out.tif").astype(int) - whole)
    assert difference.max() <= 1 and difference.mean() < 1e-3


def test_windows_overlap_further_by_the_reach_of_the_constraint(tiny):
    options = Options(window=128, overlap=32, margin=8)
    for method, overlap, margin in (("none", 32, 8), ("frequency", 40, 12), ("backprojection", 48, 16)):
        made = seams(held(tiny, method), 128, options)
        assert (made.overlap, made.eliminate) == (overlap, margin)


@pytest.mark.slow
def test_bright_sand_keeps_its_level_above_the_stretch(tiny, tmp_path):
    """The network gives 3000 at most; what the input has above it comes back, also above 10000."""
    values = smooth(150, 140) // 20 + 5000
    values[:, :40] += 6000
    source = write(tmp_path / "in.tif", values, NAMES[:3])
    lines = []
    for method in ("none", "frequency", "backprojection"):
        output = tmp_path / f"{method}.tif"
        upscale(held(tiny, "frequency"), source, output, replace(SMALL, constraint=method), lines.append)
        level = [read(output)[:, rows].mean() for rows in (slice(10, 60), slice(110, 290))]
        wanted = [values[:, rows].mean() for rows in (slice(5, 30), slice(55, 145))]
        if method == "none":
            assert max(level) < 3500
        else:
            np.testing.assert_allclose(level, wanted, rtol=1e-3)
        with rasterio.open(output) as after:
            tags = after.tags()
        assert tags["SATSR_CONSTRAINT"] == method
        found = float(tags["SATSR_CONSISTENCY_BIAS_B04"]), float(tags["SATSR_CONSISTENCY_RMSE"])
        # the sampled windows of so small a scene overlap in its middle, so that it counts more
        whole = imresize(np.moveaxis(read(output), 0, -1).astype(float), 1 / 2) - np.moveaxis(values, 0, -1)
        assert found[0] == pytest.approx(whole[..., 0].mean(), rel=0.15, abs=2)
        assert found[1] == pytest.approx(np.sqrt(np.square(whole).mean()), rel=0.25, abs=0.1)
    told = [line for line in lines if "made small again" in line]
    assert len(told) == 3 and told[1].endswith("constraint: frequency") and "in B04" in told[1]
    assert f"their spectra by {float(tags['SATSR_CONSISTENCY_SAM_DEG']):.2g} degrees" in told[2]


@pytest.mark.parametrize("method", ["frequency", "backprojection"])
def test_the_constraint_works_in_the_models_numbers_where_the_file_has_an_offset(tiny, tmp_path, method):
    values = smooth(60, 70) + 3000
    for name, level, offset in (("a", 0, None), ("b", 1000, -1000.0)):
        source = write(tmp_path / f"{name}in.tif", values + level)
        upscale(held(tiny, method), source, tmp_path / f"{name}.tif", replace(SMALL, offset=offset), quiet)
    assert np.abs(read(tmp_path / "b.tif").astype(int) - 1000 - read(tmp_path / "a.tif")).max() <= 1


@pytest.mark.slow
def test_gaps_stay_gaps_and_cast_no_shadow_with_a_constraint(tiny, tmp_path):
    values = np.full((3, 150, 140), 4000, np.uint16)
    whole, gaps = write(tmp_path / "whole.tif", values), values.copy()
    gaps[:, 30:90, 20:31] = 0
    upscale(held(tiny, "backprojection"), whole, tmp_path / "a.tif", SMALL, quiet)
    upscale(
        held(tiny, "backprojection"), write(tmp_path / "gaps.tif", gaps, nodata=0), tmp_path / "b.tif", SMALL, quiet
    )
    kept = (gaps > 0).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(read(tmp_path / "b.tif")[kept], read(tmp_path / "a.tif")[kept])
    assert (read(tmp_path / "b.tif")[~kept] == 0).all()


def test_no_pixel_is_lost_to_nodata_and_none_is_won(tiny, tmp_path):
    values = smooth(150, 140)
    values[:, 30:90, 20:31] = 0
    values[:, :, 100:] = 0
    values[1, 5, 5] = 0
    source = write(tmp_path / "in.tif", values, nodata=0)
    upscale(tiny(image_graph), source, tmp_path / "out.tif", SMALL, quiet)
    sr = read(tmp_path / "out.tif")
    np.testing.assert_array_equal(sr == 0, (values == 0).repeat(2, 1).repeat(2, 2))


@pytest.mark.slow
def test_gaps_cast_no_shadow_on_what_is_beside_them(tiny, tmp_path):
    values = np.full((3, 150, 140), 2000, np.uint16)
    whole, gaps = write(tmp_path / "whole.tif", values), values.copy()
    gaps[:, 30:90, 20:31] = 0
    gaps[:, 70:, 80:] = 0
    upscale(tiny(image_graph), whole, tmp_path / "a.tif", SMALL, quiet)
    upscale(tiny(image_graph), write(tmp_path / "gaps.tif", gaps, nodata=0), tmp_path / "b.tif", SMALL, quiet)
    kept = (gaps > 0).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(read(tmp_path / "b.tif")[kept], read(tmp_path / "a.tif")[kept])


def test_nan_never_spreads(tiny, tmp_path):
    values = smooth(100, 90).astype(np.float32)
    values[:, 40, 50] = np.nan
    values[0, 60, 20] = np.inf
    source = write(tmp_path / "in.tif", values)
    upscale(tiny(image_graph), source, tmp_path / "out.tif", SMALL, quiet)
    with rasterio.open(tmp_path / "out.tif") as after:
        assert np.isnan(after.nodata)
        np.testing.assert_array_equal(np.isnan(after.read()), ~np.isfinite(values).repeat(2, 1).repeat(2, 2))


def test_a_valid_pixel_never_takes_the_nodata_value(tiny, tmp_path):
    values = np.zeros((3, 40, 40), np.uint16)
    values[:, :20] = 65535
    source = write(tmp_path / "in.tif", values, nodata=65535)
    upscale(tiny(cubic_graph), source, tmp_path / "out.tif", SMALL, quiet)
    np.testing.assert_array_equal(read(tmp_path / "out.tif") == 65535, (values == 65535).repeat(4, 1).repeat(4, 2))


def test_an_alpha_band_becomes_nodata(tiny, tmp_path):
    values = RNG.integers(0, 255, (4, 50, 60), dtype=np.uint8)
    values[3] = 255
    values[3, :10] = 0
    source = write(tmp_path / "in.tif", values, photometric="RGB", alpha="YES")
    upscale(tiny(image_graph, normalisation="unit_u8"), source, tmp_path / "out.tif", SMALL, quiet)
    with rasterio.open(tmp_path / "out.tif") as after:
        assert after.count == 3 and after.nodata == 0
        assert after.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        assert (after.read()[:, :20] == 0).all() and (after.read()[:, 20:] > 0).all()


def test_bands_are_found_by_their_names(tiny, tmp_path):
    values = smooth(50, 60, 4)
    source = write(tmp_path / "in.tif", values, ["Blue", "b3", "Band 4", "B8A"])
    upscale(tiny(cubic_graph), source, tmp_path / "out.tif", SMALL, quiet)
    expected = tiny(cubic_graph)(np.moveaxis(values[[2, 1, 0]], 0, -1))
    assert np.abs(read(tmp_path / "out.tif") - np.moveaxis(expected, -1, 0).astype(int)).max() <= 1


@pytest.mark.slow
def test_other_bands_are_left_out_or_enlarged_by_the_cubic(tiny, tmp_path):
    values = smooth(120, 130, 4)
    source = write(tmp_path / "in.tif", values, NAMES)
    upscale(tiny(cubic_graph), source, tmp_path / "three.tif", SMALL, quiet)
    upscale(tiny(cubic_graph), source, tmp_path / "four.tif", replace(SMALL, extra=True), quiet)
    with rasterio.open(tmp_path / "four.tif") as four:
        assert four.descriptions == ("B04", "B03", "B02", "B08 (bicubic)")
        np.testing.assert_array_equal(four.read([1, 2, 3]), read(tmp_path / "three.tif"))
        expected = imresize(values[3].astype(float), 4).clip(0)
        assert np.abs(four.read(4) - expected).max() <= 1


def test_unnamed_bands_that_are_too_many_must_be_chosen(tiny, tmp_path):
    source = write(tmp_path / "in.tif", smooth(50, 60, 4))
    with pytest.raises(SatsrError, match="--bands 1,2,3"):
        upscale(tiny(cubic_graph), source, tmp_path / "out.tif", SMALL, quiet)
    upscale(tiny(cubic_graph), source, tmp_path / "out.tif", replace(SMALL, bands=("3", "2", "1")), quiet)
    with pytest.raises(SatsrError, match="names 'B11'"):
        upscale(tiny(cubic_graph), source, tmp_path / "no.tif", replace(SMALL, bands=("B11", "2", "1")), quiet)


def test_bands_whose_names_say_that_they_are_others_must_be_chosen(tiny, tmp_path):
    source = write(tmp_path / "in.tif", smooth(50, 60, 3), ("B12", "B8A", "B05"))
    with pytest.raises(SatsrError, match=r"B12, B8A, B05.*takes 3 \(B04, B03, B02\)"):
        upscale(tiny(cubic_graph), source, tmp_path / "out.tif", SMALL, quiet)
    upscale(tiny(cubic_graph), source, tmp_path / "out.tif", replace(SMALL, bands=("1", "2", "3")), quiet)


def test_an_offset_stays_in_the_numbers_but_not_in_the_network(tiny, tmp_path):
    values = smooth(60, 70)
    plain = write(tmp_path / "plain.tif", values)
    shifted = write(tmp_path / "shifted.tif", values + 1000)
    upscale(tiny(image_graph), plain, tmp_path / "a.tif", SMALL, quiet)
    upscale(tiny(image_graph), shifted, tmp_path / "b.tif", replace(SMALL, offset=-1000), quiet)
    assert np.abs(read(tmp_path / "b.tif").astype(int) - 1000 - read(tmp_path / "a.tif")).max() <= 1


def test_declared_reflectances_are_understood_and_kept(tiny, tmp_path):
    values = smooth(60, 70)
    declared = write(tmp_path / "declared.tif", values + 1000)
    with rasterio.open(declared, "r+") as target:
        target.scales, target.offsets = (1e-4,) * 3, (-0.1,) * 3
    upscale(tiny(image_graph), write(tmp_path / "plain.tif", values), tmp_path / "a.tif", SMALL, quiet)
    upscale(tiny(image_graph), declared, tmp_path / "b.tif", SMALL, quiet)
    assert np.abs(read(tmp_path / "b.tif").astype(int) - 1000 - read(tmp_path / "a.tif")).max() <= 1
    with rasterio.open(tmp_path / "b.tif") as after:
        assert after.scales == (1e-4,) * 3 and after.offsets == (-0.1,) * 3


class Stops:
    """A runner that is interrupted after some windows."""

    def __init__(self, runner, after):
        self.runner, self.left = runner, after
        self.inputs, self.device = runner.inputs, runner.device

    def run(self, inputs):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.runner.run(inputs)


@pytest.mark.parametrize(
    "spread", [pytest.param(False, marks=pytest.mark.slow), pytest.param(True, marks=pytest.mark.slow)]
)
def test_an_interrupted_scene_goes_on_and_ends_with_the_same_bits(tiny, tmp_path, spread):
    options = replace(SMALL, spread=spread)
    source = write(tmp_path / "in.tif", smooth(1000, 130))
    model = tiny(image_graph)
    upscale(model, source, tmp_path / "whole.tif", options, quiet)
    runner = model.runner
    model.runner = Stops(runner, 45 * (8 if spread else 1))
    with pytest.raises(KeyboardInterrupt):
        upscale(model, source, tmp_path / "out.tif", options, quiet)
    assert not (tmp_path / "out.tif").exists()
    model.runner = Stops(runner, 10000)
    lines = []
    upscale(model, source, tmp_path / "out.tif", options, lines.append)
    assert any("going on at row" in line for line in lines)
    assert model.runner.left > 10000 - 40 * (8 if spread else 1)
    for name in ("", "_spread") if spread else ("",):
        np.testing.assert_array_equal(read(tmp_path / f"out{name}.tif"), read(tmp_path / f"whole{name}.tif"))
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_height(tiny, tmp_path):
    model = tiny(image_graph)
    peaks = []
    for height in (200, 1000):
        source = write(tmp_path / f"{height}.tif", smooth(height, 300), tiled=True, blockxsize=256, blockysize=256)
        tracemalloc.start()
        upscale(model, source, tmp_path / f"out{height}.tif", SMALL, quiet)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.slow
def test_the_consistency_map_of_the_cubic_is_small_and_has_gaps_where_the_input_has(tiny, tmp_path):
    values = smooth(300, 90)
    values[:, 100:110, 40:50] = 0
    source = write(tmp_path / "in.tif", values, nodata=0)
    lines = []
    made = upscale(tiny(cubic_graph), source, tmp_path / "out.tif", replace(SMALL, consistency=True), lines.append)
    assert made[1].name == "out_consistency.tif" and any("made small again" in line for line in lines)
    with rasterio.open(made[1]) as found, rasterio.open(source) as before:
        assert found.shape == before.shape and found.transform == before.transform
        difference = found.read()
    assert np.isnan(difference[:, 100:110, 40:50]).all() and np.isfinite(difference[:, :90]).all()
    small = imresize(np.moveaxis(read(made[0])[:, :360].astype(float), 0, -1), 0.25)
    np.testing.assert_allclose(difference[:, :80], np.moveaxis(small, -1, 0)[:, :80] - values[:, :80], atol=0.01)


@pytest.mark.slow
def test_the_spread_is_zero_for_a_network_that_knows_no_direction(tiny, tmp_path):
    source = write(tmp_path / "in.tif", smooth(100, 90))
    for graph, least, most in ((cubic_graph, 0, 0.01), (image_graph, 1, 1000)):
        made = upscale(tiny(graph), source, tmp_path / f"{graph.__name__}.tif", replace(SMALL, spread=True), quiet)
        spread = read(made[1])
        assert spread.shape[0] == 1 and spread.dtype == np.float32 and least <= spread[0, 20:-20, 20:-20].mean() <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "s2/s2_20m_T18SVG_20160112_west.tif",
        "s2/barbellino_10m/S2A2A_20190723_022_Barbellino_BOA_10.tif",
        "s2/landsat8_pair/ms30m_B4B3B2B5.tif",
        "hr/landsat7_RGB.byte.tif",
        "hr/spacenet6_rotterdam/ms1_1m.tif",
    ],
)
def test_real_scenes_come_out_aligned(tiny, tmp_path, samples, name):
    source = samples(name)
    normalisation = "unit_u8" if "byte" in name else "normalise_10k"
    scale = 4 if "barbellino" in name else 2
    model = tiny(cubic_graph, scale=scale, normalisation=normalisation)
    options = Options(bands=("3", "2", "1"), window=256, force=True, consistency=True)
    made = upscale(model, source, tmp_path / "out.tif", options, quiet)
    with rasterio.open(source) as before, rasterio.open(made[0]) as after:
        assert after.crs == before.crs and after.nodata == before.nodata
        height, width = before.shape
        for row, column in ((0, 0), (0, width), (height, 0), (height, width)):
            there = np.array(before.xy(row, column, offset="ul"))
            off = np.abs(np.array(after.xy(scale * row, scale * column, offset="ul")) - there) / before.res
            assert off.max() < 1e-6
        low = before.read([3, 2, 1]).astype(float).clip(0, 10000)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    difference, slopes = read(made[1])[inner], np.gradient(low, axis=(1, 2))
    kept = np.isfinite(difference)
    for slope in slopes:  # the least-squares shift between the input and the result made small again, in LR px
        steep = slope[inner][kept]
        assert abs((difference[kept] * steep).sum() / (steep**2).sum()) < 0.02


def test_an_existing_result_is_not_overwritten_unasked(tiny, tmp_path):
    source = write(tmp_path / "in.tif", smooth(40, 40))
    (tmp_path / "out.tif").write_text("precious")
    for options in (SMALL, replace(SMALL, overwrite=True)):
        with pytest.raises(SatsrError, match="satsr did not write it"):
            upscale(tiny(image_graph), source, tmp_path / "out.tif", options, quiet)
    assert (tmp_path / "out.tif").read_text() == "precious"
    (tmp_path / "out.tif").unlink()
    upscale(tiny(image_graph), source, tmp_path / "out.tif", SMALL, quiet)
    with pytest.raises(SatsrError, match="add --overwrite"):
        upscale(tiny(image_graph), source, tmp_path / "out.tif", SMALL, quiet)
    upscale(tiny(image_graph), source, tmp_path / "out.tif", replace(SMALL, overwrite=True), quiet)
    assert read(tmp_path / "out.tif").shape == (3, 80, 80)


def test_a_style_of_the_users_own_stays_and_ours_follows_the_result(tiny, tmp_path):
    model, output = tiny(image_graph, channels=4), tmp_path / "out.tif"
    source = write(tmp_path / "in.tif", smooth(64, 70, 4)[::-1].copy(), NAMES[::-1], nodata=0)
    (tmp_path / "out.qml").write_text("<qgis version='3.34'/>")
    for options in (SMALL, replace(SMALL, overwrite=True)):
        with pytest.raises(SatsrError, match=r"out\.qml exists, and satsr did not write it"):
            upscale(model, source, output, options, quiet)
    assert (tmp_path / "out.qml").read_text() == "<qgis version='3.34'/>" and not output.exists()
    (tmp_path / "out.qml").unlink()
    upscale(model, source, output, SMALL, quiet)
    first = (tmp_path / "out.qml").read_bytes()
    assert b'redBand="1"' in first and b'greenBand="2"' in first and b'blueBand="3"' in first
    upscale(model, source, output, replace(SMALL, overwrite=True), quiet)
    assert (tmp_path / "out.qml").read_bytes() == first
    upscale(model, write(source, 2 * smooth(64, 70, 4), NAMES), output, replace(SMALL, overwrite=True), quiet)
    assert (tmp_path / "out.qml").read_bytes() != first


def test_what_an_input_says_of_its_own_making_is_not_said_of_the_result(tiny, tmp_path):
    model, source = tiny(image_graph), write(tmp_path / "in.tif", smooth(40, 40))
    with rasterio.open(source, "r+") as given:
        given.update_tags(PLACE="Zürich", SATSR_CONSISTENCY_BIAS_B11="7")
    upscale(model, source, tmp_path / "once.tif", replace(SMALL, ensemble=True), quiet)
    with rasterio.open(tmp_path / "once.tif") as once:
        assert "ensemble" in once.tags()["SATSR_OPTIONS"] and "SATSR_CONSISTENCY_BIAS_B11" not in once.tags()
    upscale(model, tmp_path / "once.tif", tmp_path / "twice.tif", Options(force=True), quiet)
    with rasterio.open(tmp_path / "twice.tif") as twice:
        tags = twice.tags()
    assert "SATSR_OPTIONS" not in tags
    assert tags["PLACE"] == "Zürich" and tags["SATSR_INPUT"] == "once.tif"


def test_a_damaged_scene_gets_a_sentence_and_leaves_no_result(tiny, tmp_path):
    source = write(tmp_path / "in.tif", RNG.integers(0, 9999, (3, 200, 200), dtype=np.uint16), compress="deflate")
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    with pytest.raises(SatsrError, match="copy it again"):
        upscale(tiny(image_graph), source, tmp_path / "out.tif", SMALL, quiet)
    assert not (tmp_path / "out.tif").exists()


def hollow(path, side, block):
    """A GeoTIFF without a single block written: some kilobytes that claim ``side`` x ``side`` px."""
    blocks = {"blockxsize": block, "blockysize": block, "tiled": True} if block else {"blockysize": side}
    shape = {"height": side, "width": side, "count": 3, "dtype": "uint16"}
    options = {"SPARSE_OK": True, "compress": "deflate", "interleave": "band", "BIGTIFF": "YES", **blocks}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32631", **shape, **options):
        pass
    return path


def test_a_small_file_that_claims_a_huge_scene_is_a_sentence(tiny, tmp_path):
    source = hollow(tmp_path / "in.tif", 60_000, 4096)
    assert source.stat().st_size < 100_000
    with pytest.raises(SatsrError, match=r"claims 3600 million pixels, but its file holds \d+ times fewer bytes"):
        upscale(tiny(image_graph), source, tmp_path / "out.tif", replace(SMALL, force=False), quiet)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tif"] == ["in.tif"]


def test_a_scene_in_one_block_of_gigabytes_is_a_sentence(tiny, tmp_path):
    source = hollow(tmp_path / "in.tif", 30_000, 0)
    with pytest.raises(SatsrError, match=r"stores 30000 x 30000 px in one block of 1.8 GB.*TILED=YES"):
        upscale(tiny(image_graph), source, tmp_path / "out.tif", SMALL, quiet)


def test_the_network_is_measured_before_the_start(tiny):
    assert memory.available() > 1 << 20
    assert 3 * 4 * 3 * 4 <= memory.per_pixel(tiny(image_graph)) < 1e6


FULL_DISK = """
import resource, sys
from pathlib import Path
from satsr import load
from satsr.upscale.scenes.scene import upscale
from satsr.upscale.options import Options
from satsr.errors import SatsrError
model = load(sys.argv[1], device="cpu")
for limit in map(int, sys.argv[4:]):
    if sys.argv[3] == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    out = Path(f"{limit}.tif")
    try:
        upscale(model, Path(sys.argv[2]), out, Options(window=64, overlap=16))
    except SatsrError as error:
        print(limit, error, out.exists())
"""
LIMITS = (20_000, 800_000, 2_500_000)


@pytest.mark.slow
def test_a_disk_that_fills_up_gets_a_sentence_and_no_broken_result(tiny, tmp_path):
    """Wherever it fills up; a later process goes on and ends with the same bits."""
    values = np.random.default_rng(0).integers(1, 3000, (3, 400, 300), dtype=np.uint16)
    source, model = write(tmp_path / "in.tif", values, nodata=0), tiny(image_graph)
    upscale(model, source, tmp_path / "whole.tif", replace(SMALL, margin=8), quiet)
    told = {}
    for way in ("limited", "enough"):
        words = [tmp_path / "image_graph.onnx", source, way, *LIMITS]
        command = [sys.executable, "-c", FULL_DISK, *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        told[way] = done.stdout
    lines = told["limited"].splitlines()
    for limit, line in zip(LIMITS, lines, strict=True):
        assert line.startswith(str(limit)) and "the disk is probably full" in line and line.endswith("False")
    assert not told["enough"]
    for limit in LIMITS:
        np.testing.assert_array_equal(read(tmp_path / f"{limit}.tif"), read(tmp_path / "whole.tif"))
