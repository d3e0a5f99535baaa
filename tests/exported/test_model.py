"""A model takes and gives native values in whatever array people have; bad files and shapes get a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import external_data_helper

from models.shared.weights import save_weights
from satsr import load
from satsr.degrade import opencv_cubic, shrink
from satsr.errors import SatsrError
from satsr.exported.facts import decode, parse
from satsr.resize import imresize
from tests.tiny_graphs import (
    cubic_graph,
    image_graph,
    imageset_graph,
    recurrent_graph,
    residual_graph,
    save,
    series_graph,
    window_graph,
)

RNG = np.random.default_rng(0)
SCENE = RNG.integers(0, 9000, (20, 26, 3), dtype=np.uint16)
CLIP = RNG.integers(0, 256, (7, 64, 70, 3), dtype=np.uint8)


def test_native_values_go_in_and_out(tiny):
    sr = tiny(cubic_graph)(SCENE)
    assert sr.dtype == np.uint16 and sr.shape == (80, 104, 3)
    expected = np.clip(np.rint(imresize(SCENE.astype(np.float32), 4, border="replicate")), 0, 10000)
    assert np.abs(sr.astype(int) - expected).max() <= 1


def test_a_model_says_in_a_line_what_it_takes(tiny):
    scenes, clips = tiny(image_graph), tiny(recurrent_graph, scale=4)
    assert repr(scenes) == f"Model({scenes.name!r}, one image, x{scenes.scale}, B04 B03 B02)"
    assert repr(clips) == f"Model({clips.name!r}, a clip of frames, x4, red green blue)"


def test_tensors_have_their_bands_first_and_keep_type_and_order(tiny):
    model = tiny(cubic_graph)
    tensor = torch.from_numpy(SCENE.astype(np.float32)).permute(2, 0, 1)
    sr = model(tensor.to(torch.bfloat16).float())
    assert sr.dtype == torch.float32 and sr.shape == (3, 80, 104)
    assert model(torch.stack([tensor, tensor])).shape == (2, 3, 80, 104)
    plain = model(SCENE.astype(np.float32))
    np.testing.assert_array_equal(model(tensor).permute(1, 2, 0).numpy(), plain)


def test_labelled_arrays_get_the_coordinates_of_their_new_pixels(tiny):
    xarray = pytest.importorskip("xarray")
    scene = xarray.DataArray(
        SCENE.transpose(2, 0, 1),
        dims=("band", "y", "x"),
        coords={"band": [4, 3, 2], "y": 5000 - 5 - 10 * np.arange(20), "x": 5 + 10 * np.arange(26)},
        attrs={"units": "DN"},
    )
    scene = scene.assign_coords(spatial_ref=xarray.DataArray(0, attrs={"GeoTransform": "0 10 0 5000 0 -10"}))
    sr = tiny(cubic_graph)(scene)
    assert sr.dims == scene.dims and sr.attrs == scene.attrs
    assert sr.x[0] == 1.25 and sr.y[0] == 5000 - 1.25 and float(sr.x[1] - sr.x[0]) == 2.5
    assert sr.spatial_ref.attrs["GeoTransform"] == "0.0 2.5 0.0 5000.0 0.0 -2.5"
    np.testing.assert_array_equal(sr.values.transpose(1, 2, 0), tiny(cubic_graph)(SCENE))


def test_several_images_equal_one_after_the_other(tiny):
    model = tiny(image_graph)
    both = model(np.stack([SCENE, SCENE[::-1]]))
    np.testing.assert_array_equal(both[0], model(SCENE))
    np.testing.assert_array_equal(both[1], model(SCENE[::-1]))


def test_a_single_band_needs_no_axis_for_it(tiny):
    assert tiny(cubic_graph, channels=1)(SCENE[..., 0]).shape == (80, 104)


def test_an_image_below_the_smallest_size_is_extended_and_cut(tiny):
    sr = tiny(image_graph, smallest=64)(SCENE)
    plain = tiny(image_graph)(SCENE)
    assert sr.shape == plain.shape
    np.testing.assert_array_equal(sr[:30, :40], plain[:30, :40])


def test_clips_keep_their_frames(tiny):
    assert tiny(recurrent_graph)(CLIP).shape == (7, 128, 140, 3)


def test_a_window_model_repeats_the_frame_where_neighbours_are_missing(tiny):
    sr = tiny(window_graph)(CLIP)
    first = np.rint((3 * CLIP[0].astype(float) + CLIP[1] + CLIP[2]) / 5)
    assert sr.shape == (7, 128, 140, 3)
    assert np.abs(sr[0, ::2, ::2] - first).max() <= 1


def test_dates_are_merged_into_the_wanted_one(tiny):
    model = tiny(series_graph)
    dates = np.stack([np.full((16, 18, 3), level, np.uint16) for level in (100, 200, 300, 400, 500, 600)])
    sr = model(dates, days=[-90, -60, 0, 30, 60, 90])
    assert sr.shape == (32, 36, 3) and (sr == 300).all()
    few = model(dates[:2], days=[0, 50])
    assert (few == 100).all()


HELD = {"method": "backprojection"}


def test_an_array_is_held_to_its_input_as_the_model_says_unless_another_constraint_is_chosen(tiny):
    model = tiny(image_graph, normalisation="s2_norm", constraint=HELD)
    default, free = model(SCENE), model(SCENE, constraint="none")
    np.testing.assert_array_equal(default, model(SCENE, constraint="backprojection"))
    floats = SCENE.astype(np.float32)
    assert np.abs(shrink(model(floats), 2) - SCENE).max() < 0.1  # above the stretch of 0..3000, and unrounded
    assert free.max() < 4500 < default.max()
    with pytest.raises(SatsrError, match="none, frequency, backprojection, found 'hard'"):
        model(SCENE, constraint="hard")


def test_each_frame_is_held_to_its_own_and_a_series_to_the_nearest_date(tiny):
    frames = RNG.integers(0, 256, (7, 20, 24, 3)).astype(np.float32)
    for graph in (recurrent_graph, window_graph):
        found = tiny(graph)(frames, constraint="backprojection")
        assert max(np.abs(shrink(a, 2) - b).max() for a, b in zip(found, frames, strict=True)) < 0.01
    dates = RNG.integers(0, 9000, (4, 20, 24, 3)).astype(np.float32)
    found = tiny(series_graph)(dates, days=[-30, -8, 5, 20], constraint="backprojection")
    assert np.abs(shrink(found, 2) - dates[2]).max() < 0.1


def test_views_that_nobody_has_registered_hold_nothing(tiny):
    with pytest.raises(SatsrError, match="nobody has registered"):
        tiny(imageset_graph)(np.full((9, 20, 20), 500, np.uint16), constraint="frequency")
    for described in (HELD, {"method": "frequency", "shrink": "area"}):
        with pytest.raises(SatsrError, match="nobody has registered"):
            tiny(imageset_graph, constraint=described)(np.full((9, 20, 20), 500, np.uint16))


def test_a_variant_of_a_series_that_takes_one_date_is_an_image_model(tiny):
    model = tiny(residual_graph)
    image = (SCENE // 10).astype(np.float32)
    sr = model(image)
    assert model.kind == "image" and model.bands == ("B04", "B03", "B02")
    np.testing.assert_allclose(sr, opencv_cubic(image, 2).clip(0, model.facts.normalisation.high), atol=0.1)


def test_views_count_where_they_are_clear(tiny):
    model = tiny(imageset_graph)
    views = np.stack([np.full((16, 16), level, np.uint16) for level in (1000, 2000, 3000)])
    quality = np.full((3, 16, 16), 255, np.uint8)
    quality[1:, :8] = 0
    sr = model(views, quality=quality)
    assert sr.shape == (48, 48) and (sr[:24] == 1000).all()


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (SCENE[..., :2], "takes 3 band"),
        (SCENE[None, None], "kind image takes an array"),
        (np.full((20, 20, 3), np.nan), "not finite"),
        (np.array([["a"]]), "array of numbers"),
    ],
)
def test_arrays_that_do_not_fit_get_a_sentence(tiny, frames, words):
    with pytest.raises(SatsrError, match=words):
        tiny(image_graph)(frames)


def test_weights_run_on_torch_and_equal_the_same_network(tmp_path):
    import models

    settings = {"scale": 2, "n_blocks": 1, "n_channels": 8}
    network = models.build("srresnet", **settings).eval()
    described = {"paper": "srgan", "kind": "image", "normalisation": "s2_norm", "scale": 2}
    metadata = {"satsr": json.dumps(described | {"network": "srresnet", "settings": settings})}
    save_weights(network, tmp_path / "ema.safetensors", metadata)
    model = load(tmp_path / "ema.safetensors", device="cpu")
    x = torch.from_numpy(SCENE.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = (network((x / 1500 - 1).clamp(-1, 1))[0] + 1) * 1500
    found = model(SCENE.astype(np.float32), constraint="none")
    np.testing.assert_allclose(found, expected.permute(1, 2, 0).clamp(0, 10000).numpy(), atol=0.01)


def test_weights_of_image_sets_take_the_clearest_of_more_views_than_they_want(tmp_path):
    import models

    settings = {"n_modules": 1, "n_resblocks": 0, "n_feats": 4, "n_views": 3, "reduction": 2}
    network = models.build("qanet", **settings).eval()
    described = {"paper": "qanet", "kind": "imageset", "normalisation": "probav", "scale": 3, "channels": 1}
    metadata = {"satsr": json.dumps(described | {"network": "qanet", "settings": settings})}
    save_weights(network, tmp_path / "ema.safetensors", metadata)
    views = np.random.default_rng(0).integers(0, 4000, (5, 12, 14), dtype=np.uint16)
    quality = np.stack([np.full((12, 14), index in (0, 2, 4)) for index in range(5)])
    model = load(tmp_path / "ema.safetensors", device="cpu")
    np.testing.assert_array_equal(model(views, quality=quality), model(views[::2], quality=quality[::2]))


def test_a_graph_without_description_is_refused(tmp_path):
    node = onnx.helper.make_node("Identity", ["x"], ["sr"])
    path = save(tmp_path / "foreign.onnx", [node], [], {"x": [1, 3, "h", "w"]}, None)
    with pytest.raises(SatsrError, match="carries no description"):
        load(path)


def test_a_graph_that_names_other_files_is_refused_before_they_are_read(tmp_path):
    path = image_graph(tmp_path / "model.onnx")
    graph = onnx.load(path)
    external_data_helper.set_external_data(graph.graph.initializer[0], "../../etc/passwd")
    graph.graph.initializer[0].ClearField("raw_data")
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(SatsrError, match="keeps its weights in other files"):
        load(path)


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"kind": "sound"},
            {"kind": []},
            {"normalisation": "none"},
            {"normalisation": 3},
            {"constraint": {"method": 1}},
        ),
        *({"scale": "four"}, {"scale": True}, {"scale": 0}, {"scale": 10**9}, {"smallest": 10**12}, {"smallest": "x"}),
        *({"channels": None}, {"dates": -1}, {"bands": 5}, {"bands": [1, 2, 3]}),
    ],
)
def test_a_description_that_is_not_understood_is_refused(tmp_path, change):
    node = onnx.helper.make_node("Identity", ["x"], ["sr"])
    description = {"paper": "p", "kind": "image", "normalisation": "unit_u8", "scale": 2} | change
    path = save(tmp_path / "model.onnx", [node], [], {"x": [1, 3, "h", "w"]}, description)
    with pytest.raises(SatsrError):
        load(path)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"scale": ' + "1" * 5000 + "}", "3", "[]"])
def test_a_description_that_is_no_json_is_refused(text):
    with pytest.raises(SatsrError, match=r"m\.onnx"):
        parse(decode({"satsr": text}, "m.onnx"), "m.onnx")


def test_a_graph_that_does_not_enlarge_as_its_description_says_is_refused(tmp_path):
    node = onnx.helper.make_node("Identity", ["x"], ["sr"])
    description = {"paper": "p", "kind": "image", "normalisation": "unit_u8", "scale": 2}
    model = load(save(tmp_path / "model.onnx", [node], [], {"x": [1, 3, "h", "w"]}, description), device="cpu")
    with pytest.raises(SatsrError, match=r"says that it enlarges 2 times, but made \(20, 24\) px of \(20, 24\)"):
        model(np.zeros((20, 24, 3), np.uint8))


def test_damaged_and_missing_files_get_a_sentence(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a graph" * 10)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    for name, words in (
        ("model.onnx", "not an ONNX file"),
        ("model.safetensors", "cannot be read"),
        ("a.onnx", "no model"),
    ):
        with pytest.raises(SatsrError, match=words):
            load(tmp_path / name)
    with pytest.raises(SatsrError, match="is no model"):
        load("no such thing")


RUNS = """
import resource
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from satsr.exported import memory
from satsr.exported.runners import OnnxRunner

options = onnxruntime.SessionOptions()
options.enable_cpu_mem_arena = False
bare = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
runner, x = OnnxRunner(Path(sys.argv[1]), device="cpu"), {"x": np.zeros((1, 3, 640, 640), np.float32)}
for run in (lambda: bare.run(None, x), lambda: runner.run(x)):
    run()
    pages, held = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, memory.resident()
    run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages, memory.resident() - held)
"""


@pytest.mark.slow
def test_a_run_takes_fewer_new_pages_than_without_an_arena_and_keeps_no_memory(tmp_path):
    path = cubic_graph(tmp_path / "model.onnx")
    command = [sys.executable, "-c", RUNS, str(path)]  # what was freed before belongs to the pages of a process
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    (before, _), (pages, more) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert pages < 0.75 * before and more < 20 << 20  # its tensors have 79 MB each


def test_a_name_outside_a_checkout_is_told_what_could_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SATSR_ROOT", raising=False)
    asked = r"is outside any checkout, so there is no registry that could hold the model 'nope': name one of the zoo, "
    with pytest.raises(SatsrError, match=rf"{asked}which has zoo:.*, or an \.onnx .* file, or go to the checkout"):
        load("nope")
    with pytest.raises(SatsrError, match=r"zoo \(did you mean zoo:rasvsr-quick\?\), which has"):
        load("rasvrs-quick@champion")
