"""An input that is like the training data passes without a word; others are warned of or refused."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr import load, zoo
from satsr.degrade import to_native
from satsr.depth.training import WAYS
from satsr.errors import SatsrError
from satsr.export import onnx
from satsr.export.depth import depth
from satsr.exported.facts import parse
from satsr.exported.runners import OnnxRunner
from satsr.imagery.images import read_rgb, write_png
from satsr.resize import imresize
from satsr.upscale.appraisal.depth import SILENT, Depth, examine, known
from satsr.upscale.clips import video
from satsr.upscale.options import Options
from satsr.upscale.scenes.scene import upscale
from tests.depths import pairs, recipe, terrain
from tests.tiny_graphs import cubic_graph, describe, image_graph

BANDS = ("B04", "B03", "B02")
OPTIONS = Options(window=64, overlap=16, margin=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Exported with what was measured; it sharpens, and saturates at a reflectance of 0.3."""
    folder = tmp_path_factory.mktemp("depth")
    path = cubic_graph(folder / "model.onnx", normalisation="s2_norm", sharpen=0.06, bands=BANDS)
    about = OnnxRunner(path, device="cpu").description
    onnx.describe(path, {**about, "depth": depth(recipe(), pairs(folder / "store"), path, 2)})
    return load(path, device="cpu")


def small(seed, side=96):
    """(3, side, side) as the model was trained on, from another place."""
    fine = terrain(seed, 4 * side)
    return np.stack([imresize(plane, 0.25) for plane in fine])


def write(path, values, names=BANDS, nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=values.shape[1], width=values.shape[2], dtype="uint16",
        crs="EPSG:32632", transform=from_origin(600000, 5000000, 10, 10), nodata=nodata,
    ) as target:  # fmt: skip
        target.write(np.rint(values.clip(0, 65535)).astype(np.uint16))
        for index, name in enumerate(names, 1):
            target.set_band_description(index, name)
    return path


def said(model, source, folder, **options):
    """Warnings and notes."""
    lines = []
    upscale(model, source, folder / "out.tif", replace(OPTIONS, overwrite=True, **options), lines.append)
    return [line for line in lines if line.startswith(("warning", "note"))]


def test_a_scene_like_the_training_data_passes_without_a_word(model, tmp_path):
    assert said(model, write(tmp_path / "in.tif", small(50)), tmp_path) == []


def test_a_bright_scene_is_refused_in_one_sentence_that_names_band_and_level(model, tmp_path):
    source = write(tmp_path / "in.tif", 2.2 * small(50))
    with pytest.raises(SatsrError) as error:
        said(model, source, tmp_path)
    text = str(error.value)
    level = known(model.facts, model.bands).trained["brightness"]["p99"][0]
    assert f"brighter than 99 % of the training data in all bands (B04 above {level:.0f}" in text
    assert "measured to lose to bicubic there" in text and text.endswith("Add --force to go on.")
    assert "\n" not in text and text.count("99 % of") == 1
    assert not (tmp_path / "out.tif").exists()
    (warning,) = said(model, source, tmp_path, force=True)
    assert warning.startswith("warning: ") and "brighter" in warning and (tmp_path / "out.tif").exists()


def test_a_noisy_scene_is_refused_where_sharpening_was_measured_to_lose(model, tmp_path):
    values = small(50)
    values += 0.15 * values.mean() * np.random.default_rng(0).standard_normal(values.shape)
    with pytest.raises(SatsrError, match=r"noisier than 99 % .* lose to bicubic"):
        said(model, write(tmp_path / "in.tif", values), tmp_path)


def test_one_strange_block_among_many_is_no_reason(model):
    knows, values = known(model.facts, model.bands), small(50)
    values[:, :16, :16] *= 3
    assert examine(knows, [values]).refused == [] and examine(knows, [values[:, :16, :16]]).refused != []


@pytest.mark.parametrize(("loss", "refused"), [(-1.5, False), (-14.0, True)])
def test_a_sixth_of_the_blocks_beyond_a_limit_is_refused_only_where_the_loss_there_outweighs_the_rest(
    model, loss, refused
):
    knows, values = known(model.facts, model.bands), small(50)
    values[:, :32, :48] *= 3
    bins = {"limit": 0.2, "reach": 2.0, "gains": [[0.0, 1.0, 100], [0.3, loss, 20], [2.0, loss, 20]]}
    found = examine(replace(knows, limits={"brighter": bins}), [values])
    clause = "17% so much that the model was measured to lose to bicubic there"
    assert bool(found.refused) is refused and clause in (found.refused or found.said)[0]
    # 6 of 36 blocks: 10 log10 of the mean of 30 times 10 ** -0.1 and 6 times 10 ** 1.4
    assert not refused or "-6.86 dB against bicubic are to be expected" in found.refused[0]


@pytest.mark.slow
def test_a_real_video_on_which_the_zoos_model_gains_goes_on_with_a_warning(samples):
    folder = samples("video") / "ipiu_left_100x256x256"
    fine = [read_rgb(path) for path in sorted(folder.iterdir())[:3]]
    coarse = np.stack([to_native(imresize(frame.astype(np.float32), 0.25), np.uint8) for frame in fine])
    rasvsr = load(zoo.find("rasvsr").path, device="cpu")
    found = examine(known(rasvsr.facts, rasvsr.bands), list(np.moveaxis(coarse, -1, 1)))
    assert found.refused == [] and "lose to bicubic there" in found.said[0]  # 6 % of it: fine detail, not noise
    cubic = np.stack([imresize(frame.astype(np.float32), 4) for frame in coarse])
    ours, theirs = (np.square(made - np.stack(fine)).mean() for made in (rasvsr(coarse), cubic))
    assert 10 * np.log10(theirs / ours) > 2


def test_what_differs_a_little_is_warned_of_and_goes_on(model, tmp_path):
    (warning,) = said(model, write(tmp_path / "in.tif", 0.5 * small(50)), tmp_path)
    assert warning.startswith("warning: ") and "darker than 99 %" in warning and "lose" not in warning


def test_a_bright_corner_is_found_on_the_map(model, tmp_path):
    values = small(50)
    values[:, :32, :32] *= 3
    source = write(tmp_path / "in.tif", values)
    assert "brighter" in said(model, source, tmp_path, depth_map=True, force=True)[0]
    with rasterio.open(tmp_path / "out_depth.tif") as found:
        assert found.shape == (6, 6) and found.res == (160, 160) and found.bounds == rasterio.open(source).bounds
        assert found.descriptions[:3] == ("farthest", "brighter", "darker")
        farthest, brighter = found.read((1, 2))
        assert (farthest[:2, :2] > 1).all() and (brighter[:2, :2] > 1).all() and (brighter[2:, 2:] < 1).all()
        assert "lose to bicubic" in found.tags()["SATSR_DEPTH"]


def test_missing_places_are_missing_on_the_map_and_do_not_count(model, tmp_path):
    values = small(50)
    values[:, :, 64:] = 0
    source = write(tmp_path / "in.tif", values, nodata=0)
    assert said(model, source, tmp_path, depth_map=True) == []
    with rasterio.open(tmp_path / "out_depth.tif") as found:
        assert (np.isnan(found.read()) == (np.arange(6) >= 4)).all()


def test_all_missing_and_constant_bands_are_one_sentence(model, tmp_path):
    values = small(50)
    with pytest.raises(SatsrError, match=r"like what the model was trained on: 100.0% of the sampled pixels are miss"):
        said(model, write(tmp_path / "a.tif", 0 * values, nodata=0), tmp_path)
    values[1] = 700
    with pytest.raises(SatsrError, match=r"on: nothing is to be seen in B03 \(700 everywhere\)"):
        said(model, write(tmp_path / "b.tif", values), tmp_path)


def test_a_file_from_before_says_so_and_works(tiny, tmp_path):
    lines = said(tiny(image_graph), write(tmp_path / "in.tif", small(50)), tmp_path, depth_map=True)
    assert lines == [f"note: {SILENT}"] and not (tmp_path / "out_depth.tif").exists()


def test_an_input_that_was_never_measured_is_refused_if_all_of_it_is_far_away(model):
    knows = replace(known(model.facts, model.bands), limits={})
    found = examine(knows, [5 * small(50)])
    assert len(found.refused) == 1 and "farther than the model was ever measured: another sensor" in found.refused[0]
    assert examine(knows, [small(50)]).refused == []


def test_a_warning_tells_the_two_worst_ways_and_how_many_more_there_are(model):
    knows = replace(known(model.facts, model.bands), limits={way: {"limit": None, "reach": 9.0} for way in WAYS})
    flat = 0.5 * small(50).mean(axis=(1, 2), keepdims=True) * np.array([1, 1.5, 0.5])[:, None, None] + 0 * small(50)
    (warning,) = examine(knows, [flat]).said
    assert warning.count("of it") == 2 and re.search(r"; and less so in \d other ways? \(--depth-map shows", warning)


def test_a_model_that_never_beat_bicubic_says_so(model):
    knows = replace(known(model.facts, model.bands), inside_db=-0.4)
    found = examine(knows, [small(50)])
    assert found.refused == [] and "no better than bicubic (-0.40 dB)" in found.said[0]
    assert examine(knows, [np.full((3, 32, 32), np.nan)]).refused == []


def test_a_description_without_the_key_is_not_known():
    assert known(parse(describe("image", "s2_norm", 4), "test")) is None
    assert known(parse(describe("image", "s2_norm", 4, depth={}), "test")) is None
    assert isinstance(known(parse(describe("image", "s2_norm", 4, depth={"trained": {}}), "test")), Depth)


def test_frames_have_a_line_each(model, tmp_path):
    for index, gain in enumerate((1, 1, 3)):
        write_png(tmp_path / "in" / f"{index}.png", np.rint(gain * np.moveaxis(small(50), 0, -1)).astype(np.uint16))
    lines = []
    options = replace(OPTIONS, depth_map=True, force=True)
    video.upscale(model, tmp_path / "in", tmp_path / "out", options, lines.append)
    with (tmp_path / "out_depth.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["frame"] for row in rows] == ["0", "1", "2"] and rows[2]["way"] == "brighter"
    assert float(rows[0]["distance"]) < 1 < float(rows[2]["distance"])
    assert any("how far each frame is" in line for line in lines)
