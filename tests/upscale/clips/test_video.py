"""Sequences of any length and kind: equal to the whole clip, resumable, aligned, in constant memory."""

import re
import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.degrade import shrink
from satsr.errors import SatsrError
from satsr.exported.memory import Budget
from satsr.files import read_json
from satsr.imagery import video_file
from satsr.imagery.images import read_rgb, write_png
from satsr.upscale.clips.video import upscale
from satsr.upscale.options import Options
from satsr.upscale.results import clips, own
from satsr.upscale.windows.plan import Footage, planned
from tests.tiny_graphs import image_graph, recurrent_graph, window_graph

CUT = Options(segment=10, burn_in=8)


def quiet(line):
    """Takes no notice."""


def clip(count=37, height=66, width=72):
    """Frames that change quickly, so that what a segment does not see matters."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def folder(path, values, stem="{:04d}"):
    for index, frame in enumerate(values):
        write_png(path / f"{stem.format(index)}.png", frame)
    return path


def pictures(path):
    return np.stack([read_rgb(file) for file in sorted(path.glob("*.png"))])


def test_one_segment_equals_the_whole_clip(tiny, tmp_path):
    model, values = tiny(recurrent_graph), clip(12)
    outcome = upscale(model, folder(tmp_path / "in", values), tmp_path / "out", Options(), quiet)
    np.testing.assert_array_equal(pictures(tmp_path / "out"), model(values))
    assert outcome.seam_max is None
    assert min(file.name for file in (tmp_path / "out").iterdir()) == "0000.png"


@pytest.mark.slow
def test_the_deviation_of_segments_falls_with_the_burn_in_and_is_measured(tiny, tmp_path):
    model, values = tiny(recurrent_graph), clip()
    source, whole = folder(tmp_path / "in", values), None
    whole = model(values).astype(int)
    found = {}
    for burn_in in (1, 4, 8):
        target = tmp_path / f"out{burn_in}"
        outcome = upscale(model, source, target, replace(CUT, burn_in=burn_in), quiet)
        deviation = np.abs(pictures(target) - whole)
        found[burn_in] = deviation.max(), outcome.seam_max
    # A frame's share of another one falls by half with each frame between them: half of 255 / 2^burn_in, and rounding.
    for burn_in, (deviation, seam) in found.items():
        assert deviation <= 255 / 2**burn_in / 2 + 1
        assert deviation <= seam * 1.5 + 1
    assert found[1][0] > 20 and found[8][0] <= 1


@pytest.mark.slow
def test_windows_and_segments_together_equal_the_whole(tiny, tmp_path):
    model, values = tiny(recurrent_graph), clip(25, 100, 90)
    options = replace(CUT, window=64, overlap=16, margin=4)
    upscale(model, folder(tmp_path / "in", values), tmp_path / "out", options, quiet)
    assert np.abs(pictures(tmp_path / "out") - model(values).astype(int)).max() <= 1


@pytest.mark.parametrize("graph", [window_graph, image_graph])
def test_other_kinds_of_models_equal_the_whole_clip(tiny, tmp_path, graph):
    settings = {"normalisation": "unit_u8"} if graph is image_graph else {}
    model, values = tiny(graph, **settings), clip(9)
    upscale(model, folder(tmp_path / "in", values), tmp_path / "out", replace(CUT, segment=4), quiet)
    assert np.abs(pictures(tmp_path / "out") - model(values).astype(int)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["frequency", "backprojection"])
@pytest.mark.parametrize("graph", [recurrent_graph, window_graph, image_graph])
def test_clips_that_are_held_to_their_frames_equal_the_whole_too(tiny, tmp_path, graph, method):
    settings = {"normalisation": "unit_u8"} if graph is image_graph else {}
    model, values = tiny(graph, **settings), clip(9, 100, 90)
    options = replace(CUT, window=64, overlap=16, margin=4, constraint=method)
    upscale(model, folder(tmp_path / "in", values), tmp_path / "out", options, quiet)
    made, whole = pictures(tmp_path / "out"), model(values, constraint=method)
    assert np.abs(made - whole.astype(int)).max() <= 1
    # each frame is held to its own, not to a neighbour, although the network mixes them
    for sr, frame in zip(made, values, strict=True):
        found = shrink(sr.astype(float), 2) - frame
        assert np.corrcoef((found + frame).ravel(), frame.ravel())[0, 1] > 0.8
    tags = read_json(tmp_path / "out" / own.MADE)
    assert tags["SATSR_CONSTRAINT"] == method and abs(float(tags["SATSR_CONSISTENCY_BIAS_RED"])) < 5


class Stops:
    """A runner that is interrupted after some runs."""

    def __init__(self, runner, after):
        self.runner, self.left = runner, after
        self.inputs, self.device = runner.inputs, runner.device

    def run(self, inputs):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.runner.run(inputs)


@pytest.mark.slow
def test_an_interrupted_clip_goes_on_and_does_not_do_again_what_is_done(tiny, tmp_path):
    model, source = tiny(recurrent_graph), folder(tmp_path / "in", clip())
    upscale(model, source, tmp_path / "whole", CUT, quiet)
    runner = model.runner
    model.runner = Stops(runner, 3)  # one of them is the measurement of memory
    with pytest.raises(KeyboardInterrupt):
        upscale(model, source, tmp_path / "out", CUT, quiet)
    done = {file.name: file.stat().st_mtime_ns for file in (tmp_path / ".out.partial" / "frames").iterdir()}
    assert 0 < len(done) < 37
    model.runner = Stops(runner, 3)
    upscale(model, source, tmp_path / "out", replace(CUT, force=True), quiet)
    np.testing.assert_array_equal(pictures(tmp_path / "out"), pictures(tmp_path / "whole"))
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == when for name, when in done.items())
    assert not (tmp_path / ".out.partial").exists()


@pytest.mark.slow
def test_what_another_model_left_is_not_gone_on_with(tiny, tmp_path):
    source = folder(tmp_path / "in", clip())
    model = tiny(recurrent_graph)
    model.runner = Stops(model.runner, 2)
    with pytest.raises(KeyboardInterrupt):
        upscale(model, source, tmp_path / "out", CUT, quiet)
    other = tiny(recurrent_graph, memory=0.25)
    upscale(other, source, tmp_path / "out", CUT, quiet)
    assert np.abs(pictures(tmp_path / "out") - other(clip()).astype(int)).max() <= 1


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tiny, tmp_path):
    model = tiny(recurrent_graph)
    peaks = []
    for count in (30, 150):
        source = folder(tmp_path / f"in{count}", clip(count))
        tracemalloc.start()
        upscale(model, source, tmp_path / f"out{count}", replace(CUT, burn_in=2), quiet)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.slow
def test_videos_go_in_and_out(tiny, tmp_path):
    pytest.importorskip("av", reason="PyAV (satsr[video]) is absent")
    values = np.repeat(clip(24, 8, 10), 8, axis=1).repeat(8, axis=2)
    writer = cv2.VideoWriter(str(tmp_path / "in.mkv"), cv2.VideoWriter.fourcc(*"FFV1"), 12, (80, 64))
    for frame in values:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    model = tiny(recurrent_graph)
    upscale(model, tmp_path / "in.mkv", tmp_path / "out.mkv", CUT, quiet)
    captured = cv2.VideoCapture(str(tmp_path / "out.mkv"))
    assert captured.get(cv2.CAP_PROP_FPS) == 12
    found = []
    while True:
        read, frame = captured.read()
        if not read:
            break
        found.append(frame[..., ::-1])
    read = np.stack([load() for load in video_file.loaders(tmp_path / "in.mkv")])
    assert np.abs(np.stack(found).astype(int) - model(read)).max() <= 1  # because of the segments
    lines = []
    upscale(model, tmp_path / "in.mkv", tmp_path / "out.mp4", CUT, lines.append)
    assert cv2.VideoCapture(str(tmp_path / "out.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 24
    assert any(re.search(r"H\.264.*PSNR of \d\d\.\d dB", line) for line in lines)
    with pytest.raises(SatsrError, match="add --overwrite"):
        upscale(model, tmp_path / "in.mkv", tmp_path / "out.mp4", CUT, quiet)
    upscale(model, tmp_path / "in.mkv", tmp_path / "out.mp4", replace(CUT, overwrite=True), quiet)
    (tmp_path / "out.mp4").write_bytes((tmp_path / "in.mkv").read_bytes())
    with pytest.raises(SatsrError, match="satsr did not write it"):
        upscale(model, tmp_path / "in.mkv", tmp_path / "out.mp4", replace(CUT, overwrite=True), quiet)


def test_geotiffs_of_a_sequence_keep_their_place_and_gaps(tiny, tmp_path):
    values = clip(5).transpose(0, 3, 1, 2).copy()
    values[values == 0] = 1
    values[2, :, :9, :7] = 0
    (tmp_path / "in").mkdir()
    for index, frame in enumerate(values):
        with rasterio.open(
            tmp_path / "in" / f"t{index}.tif", "w", driver="GTiff", count=3, height=66, width=72, dtype="uint8",
            crs="EPSG:32632", transform=from_origin(600000 + index, 5000000, 1, 1), nodata=0, photometric="RGB",
        ) as target:  # fmt: skip
            target.write(frame)
    upscale(tiny(recurrent_graph), tmp_path / "in", tmp_path / "out", replace(CUT, segment=2, burn_in=1), quiet)
    for index, frame in enumerate(values):
        with rasterio.open(tmp_path / "out" / f"t{index}.tif") as after:
            assert after.bounds == (600000 + index, 5000000 - 66, 600072 + index, 5000000) and after.res == (0.5, 0.5)
            missing = (frame == 0).all(axis=0).repeat(2, 0).repeat(2, 1)
            np.testing.assert_array_equal((after.read() == 0).all(axis=0), missing)


@pytest.mark.slow
def test_pages_of_a_tiff_go_in_and_out(tiny, tmp_path):
    values, model = clip(7), tiny(recurrent_graph)
    upscale(model, folder(tmp_path / "in", values), tmp_path / "pages.tif", CUT, quiet)
    pages = clips.open_clip(tmp_path / "pages.tif", (), 3)
    assert len(pages) == 7 and clips.is_sequence(tmp_path / "pages.tif")
    twice = np.stack([pages.load(index).values for index in range(7)]).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(twice, model(values))
    upscale(model, tmp_path / "pages.tif", tmp_path / "again.tif", replace(CUT, force=True), quiet)
    assert clips.open_clip(tmp_path / "again.tif", (), 3).load(6).values.shape == (3, 264, 288)


def test_the_consistency_of_frames_is_what_the_network_changed_and_has_gaps_where_they_have(tiny, tmp_path):
    for index in range(3):
        with rasterio.open(
            str(tmp_path / f"{index}.tif"), "w", driver="GTiff", count=3, height=40, width=40, dtype="uint8",
            crs="EPSG:32632", transform=from_origin(600000, 5000000, 1, 1), nodata=0, photometric="RGB",
        ) as target:  # fmt: skip
            frame = np.full((3, 40, 40), 100, np.uint8)
            frame[:, :5] = 0
            target.write(frame)
    source = tmp_path / "in"
    source.mkdir()
    for index in range(3):
        (tmp_path / f"{index}.tif").rename(source / f"{index}.tif")
    lines = []
    upscale(tiny(recurrent_graph), source, tmp_path / "out", replace(CUT, consistency=True, force=True), lines.append)
    assert any("made small again" in line for line in lines)
    with rasterio.open(tmp_path / "out_consistency" / "1.tif") as found:
        difference = found.read()
        assert found.res == (1, 1) and found.dtypes[0] == "float32"
    # The tiny network begins with an empty memory and darkens a clip of three frames by a quarter, gaps or not.
    # Beside a gap of five rows, two more depend on pixels that are not there.
    assert np.isnan(difference[:, :7]).all() and np.abs(difference[:, 7:] + 25).max() < 1


def test_a_clip_smaller_than_any_network_takes_is_extended_and_cut(tiny, tmp_path):
    upscale(tiny(recurrent_graph), folder(tmp_path / "in", clip(3, 9, 11)), tmp_path / "out", CUT, quiet)
    assert pictures(tmp_path / "out").shape == (3, 18, 22, 3)


def test_one_image_is_a_sequence_of_one(tiny, tmp_path):
    model, image = tiny(image_graph, normalisation="unit_u8"), clip(1)[0]
    write_png(tmp_path / "in.png", image)
    upscale(model, tmp_path / "in.png", tmp_path / "out.png", Options(), quiet)
    np.testing.assert_array_equal(read_rgb(tmp_path / "out.png"), model(image))


@pytest.mark.parametrize(
    ("output", "words"),
    [("out.xyz", "name a folder, a video"), ("out.png", "one PNG"), ("out.mp4", "8-bit RGB")],
)
def test_results_that_cannot_hold_the_frames_are_refused_at_once(tiny, tmp_path, output, words):
    source = tmp_path / "in"
    deep = output == "out.mp4"
    for index in range(3):
        write_png(source / f"{index}.png", clip(1)[0].astype(np.uint16 if deep else np.uint8))
    with pytest.raises(SatsrError, match=words):
        upscale(tiny(recurrent_graph), source, tmp_path / output, replace(CUT, force=True), quiet)


def test_frames_that_do_not_belong_together_get_a_sentence(tiny, tmp_path):
    source = folder(tmp_path / "in", clip(3))
    write_png(source / "0003.png", clip(1, 64, 64)[0])
    with pytest.raises(SatsrError, match="frames of one size"):
        upscale(tiny(recurrent_graph), source, tmp_path / "out", CUT, quiet)
    write_png(source / "0003.png", clip(1)[0][..., 0])
    with pytest.raises(SatsrError, match="1 channels"):
        upscale(tiny(recurrent_graph), source, tmp_path / "out", CUT, quiet)
    with pytest.raises(SatsrError, match="does not exist"):
        upscale(tiny(recurrent_graph), tmp_path / "nothing", tmp_path / "out", CUT, quiet)


def test_a_frame_that_is_a_link_to_nowhere_is_a_sentence(tiny, tmp_path):
    source = folder(tmp_path / "in", clip(4))
    (source / "0001.png").unlink()
    (source / "0001.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(SatsrError, match=r"0001\.png cannot be read \(No such file or directory\)"):
        upscale(tiny(recurrent_graph), source, tmp_path / "out", CUT, quiet)
    assert not (tmp_path / "out").exists()


def test_a_result_is_not_enlarged_again_by_mistake(tiny, tmp_path):
    upscale(tiny(recurrent_graph), folder(tmp_path / "in", clip(3)), tmp_path / "out", CUT, quiet)
    with pytest.raises(SatsrError, match="made it"):
        upscale(tiny(recurrent_graph), tmp_path / "out", tmp_path / "twice", CUT, quiet)


@pytest.mark.parametrize("gigabytes", [4, 8, 16, 64])
@pytest.mark.parametrize("shape", [(160, 160), (1080, 1920)])
def test_the_plan_fits_the_memory(tiny, gigabytes, shape):
    plan = planned(tiny(recurrent_graph), Footage(500, *shape, 1), Options(), Budget(gigabytes << 30, 10000.0))
    assert plan.bytes <= gigabytes << 29 and (plan.starts[0], plan.starts[-1]) == (0, 500)
    if shape == (160, 160) and gigabytes > 8:
        assert plan.starts[1] >= 10 and plan.seams.window == 160
