"""``satsr upscale`` from the words on the command line to the files, for every kind of model."""

import argparse
import re
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
from tests import products
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
    assert "B of memory" in lines and "made small again" in lines and f"written: {output}" in lines
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


@pytest.mark.parametrize(
    "words", [("--fps", "-5"), ("--fps", "0"), ("--fps", "0.0004"), ("--fps", "nan"), ("--gain", "0")]
)
def test_numbers_that_make_no_sense_are_refused_by_name(tmp_path, words, capsys):
    with pytest.raises(SystemExit):
        upscale(tmp_path, tmp_path / "out.mp4", "--model", "m.onnx", "=".join(words))
    assert f"{words[0]}: a number " in (said := capsys.readouterr().err) and f"expected, not {words[1]}" in said


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


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures(folder, count=2):
    for index in range(count):
        write_png(folder / f"{index}.png", RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    return folder


def test_nothing_of_the_users_is_ever_deleted(tmp_path, graph):
    source, place = pictures(tmp_path / "in"), scene(tmp_path / "scene.tif")
    mine = tmp_path / "results"
    mine.mkdir()
    (mine / "mine.txt").write_text("years of work")
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "folder.tif" / "mine.txt").write_text("more")
    (tmp_path / "taken").write_text("a file")
    scene(tmp_path / "other.tif")
    clips, scenes = graph(recurrent_graph), graph(image_graph)
    before = contents(tmp_path)
    for words, sentence in (
        ((source, mine, "--model", clips), "mine.txt.*name a new folder"),
        ((source, tmp_path, "--model", clips), "lies in"),
        ((source, source, "--model", clips), "the input itself"),
        ((source, source / "sharp", "--model", clips), "lies in the input"),
        ((source, tmp_path / "taken", "--model", clips), "is a file"),
        ((place, place, "--model", scenes), "the input itself"),
        ((place, tmp_path / "other.tif", "--model", scenes), "did not write it"),
        ((place, tmp_path / "sharp", "--model", scenes), "slash at its end"),
        ((place, tmp_path / "scenes.onnx", "--model", scenes), "becomes a GeoTIFF"),
    ):
        with pytest.raises(SatsrError, match=sentence):
            upscale(*words, "--overwrite", "--force")
        assert contents(tmp_path) == before, words


def test_what_satsr_wrote_is_replaced_only_when_that_is_asked(tmp_path, graph):
    source, model = pictures(tmp_path / "in"), graph(recurrent_graph)
    upscale(source, tmp_path / "out", "--model", model)
    (tmp_path / "in" / "1.png").unlink()
    with pytest.raises(SatsrError, match="add --overwrite"):
        upscale(source, tmp_path / "out", "--model", model)
    upscale(source, tmp_path / "out", "--model", model, "--overwrite")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"0.png", "satsr.json"}
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(SatsrError, match=r"notes\.txt"):
        upscale(source, tmp_path / "out", "--model", model, "--overwrite")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_files_beside_a_result_are_not_replaced_either(tmp_path, graph):
    source, model = scene(tmp_path / "in.tif"), graph(image_graph)
    for name in ("out_consistency.tif", "out_preview.html"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(SatsrError, match=name):
            upscale(source, tmp_path / "out.tif", "--model", model, "--uncertainty", "consistency", "--preview")
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()


@pytest.mark.slow
def test_in_a_folder_results_are_named_for_the_user(tmp_path, graph, capsys):
    place, picture = scene(tmp_path / "S2 scene.v1.tif"), pictures(tmp_path / "in", 1) / "0.png"
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    upscale(place, tmp_path / "there", "--model", graph(image_graph))
    upscale(place, f"{tmp_path}/new/", "--model", graph(image_graph))
    upscale(picture, tmp_path / "there", "--model", graph(image_graph, normalisation="unit_u8"))
    assert f"written: {tmp_path}/there/0_x2.png" in capsys.readouterr().err
    sharp = {"S2 scene.v1_x2.tif", "S2 scene.v1_x2.qml"}
    assert {file.name for file in (tmp_path / "there").iterdir()} == {"mine.txt", "0_x2.png", *sharp}
    assert {file.name for file in (tmp_path / "new").iterdir()} == sharp
    upscale(pictures(tmp_path / "clip"), f"{tmp_path}/frames.v2/", "--model", graph(recurrent_graph))
    assert (tmp_path / "frames.v2" / "1.png").is_file()


def test_folders_that_differ_behind_a_dot_have_maps_and_previews_of_their_own(tmp_path, graph):
    source, model = pictures(tmp_path / "in"), graph(recurrent_graph)
    for name in ("frames.v1", "frames.v2"):
        upscale(source, f"{tmp_path}/{name}/", "--model", model, "--preview", "--uncertainty", "consistency")
        assert (tmp_path / name / "1.png").is_file() and (tmp_path / f"{name}_consistency" / "1.tif").is_file()
        assert (tmp_path / f"{name}_preview.png").is_file() and (tmp_path / f"{name}_preview.html").is_file()


def test_image_sets_go_into_a_new_folder_with_a_dot_in_its_name(tmp_path, graph):
    for name in ("imgset0001", "imgset0002"):
        write_png(tmp_path / "in" / name / "LR000.png", RNG.integers(0, 9999, (32, 32), dtype=np.uint16))
        write_png(tmp_path / "in" / name / "QM000.png", np.full((32, 32), 255, np.uint8))
    words = (tmp_path / "in", f"{tmp_path}/sharp.v1/", "--model", graph(imageset_graph), "--preview")
    upscale(*words)
    upscale(*words, "--overwrite")  # known as satsr's own
    files = {file.name for file in (tmp_path / "sharp.v1").iterdir()}
    assert files == {"imgset0001.png", "imgset0002.png", "satsr.json"}
    assert (tmp_path / "sharp.v1_preview.png").is_file() and (tmp_path / "sharp.v1_preview.html").is_file()
    upscale(tmp_path / "in" / "imgset0001", f"{tmp_path}/one.v1/", "--model", graph(imageset_graph))
    assert (tmp_path / "one.v1" / "imgset0001.png").is_file()


def test_a_place_below_a_file_is_a_sentence(tmp_path, graph):
    (tmp_path / "notes").write_text("mine")
    frames, place = pictures(tmp_path / "in"), scene(tmp_path / "a.tif")
    write_png(tmp_path / "set" / "LR000.png", RNG.integers(0, 9999, (32, 32), dtype=np.uint16))
    write_png(tmp_path / "set" / "QM000.png", np.full((32, 32), 255, np.uint8))
    clips, scenes, sets = graph(recurrent_graph), graph(image_graph), graph(imageset_graph)
    for given, name, model in (
        (place, "notes/out.tif", scenes),
        (place, "notes/more/out/", scenes),
        (frames, "notes/out", clips),
        (frames, "notes/out.v1/", clips),
        (tmp_path / "set", "notes/out.png", sets),
    ):
        with pytest.raises(SatsrError, match=r"notes is a file, so nothing can lie in it"):
            upscale(given, f"{tmp_path}/{name}", "--model", model)
    with pytest.raises(SatsrError, match=r"notes is a file, so nothing can lie in it"):
        upscale(place, scene(tmp_path / "b.tif"), f"{tmp_path}/notes/out/", "--model", scenes)
    assert (tmp_path / "notes").read_text() == "mine"


def test_maps_of_a_video_with_a_dot_in_its_name_are_a_folder(tmp_path, graph):
    pytest.importorskip("av", reason="PyAV (satsr[video]) is absent")
    words = (pictures(tmp_path / "in"), tmp_path / "clip.v1.mkv", "--model", graph(recurrent_graph))
    upscale(*words, "--uncertainty", "consistency")
    upscale(*words, "--uncertainty", "consistency", "--overwrite")  # known as satsr's own
    assert (tmp_path / "clip.v1_consistency" / "1.tif").is_file()


def test_a_file_is_no_folder_and_refused_frames_leave_none(tmp_path, graph):
    source, model = pictures(tmp_path / "in"), graph(recurrent_graph)
    (tmp_path / "notes").write_text("mine")
    for given, of in ((source, model), (scene(tmp_path / "a.tif"), graph(image_graph))):
        with pytest.raises(SatsrError, match="notes is a file, but the slash at its end says"):
            upscale(given, f"{tmp_path}/notes/", "--model", of)
    write_png(source / "2.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(SatsrError, match="channels"):
        upscale(source, f"{tmp_path}/sharp.v1/", "--model", model)
    assert (tmp_path / "notes").read_text() == "mine" and not (tmp_path / "sharp.v1").exists()


def test_a_product_without_its_ending_is_one_scene_with_a_result_of_its_name(tmp_path, graph):
    root, _ = products.make(tmp_path, "L1C")
    root.rename(tmp_path / "unpacked")
    upscale(tmp_path / "unpacked", f"{tmp_path}/out/", "--model", graph(image_graph), "--bands", "B04,B03,B02")
    assert (tmp_path / "out" / "unpacked_x2.tif").is_file()


def test_a_product_gives_the_same_as_a_folder_and_as_the_zip_that_was_downloaded(tmp_path, graph):
    root, _ = products.make(tmp_path)
    packed, made = products.zipped(root, tmp_path / f"{root.name}.zip"), []
    for source, folder in ((root, "folder"), (packed, "zip")):
        upscale(source, f"{tmp_path}/{folder}/", "--model", graph(image_graph))
        with rasterio.open(tmp_path / folder / f"{root.stem}_x2.tif") as result:
            made.append(result.read())
            assert result.descriptions == ("B04", "B03", "B02") and result.crs.to_epsg() == 32632
    np.testing.assert_array_equal(*made)


def test_previews_of_frames_are_named_and_known_as_satsrs_own(tmp_path, graph, capsys):
    source, model = pictures(tmp_path / "in"), graph(recurrent_graph)
    words = (source, tmp_path / "out", "--model", model, "--preview", "--uncertainty", "consistency")
    upscale(*words)
    written = capsys.readouterr().err.splitlines()[-1]
    for name in ("out_preview.png", "out_preview.html", "out_consistency"):
        assert str(tmp_path / name) in written and (tmp_path / name).exists()
    upscale(*words, "--overwrite")  # all of it is replaced
    (tmp_path / "out_consistency" / "mine.txt").touch()
    with pytest.raises(SatsrError, match=r"mine\.txt"):
        upscale(*words, "--overwrite")


def test_a_folder_of_scenes_and_a_pattern_are_scenes(tmp_path, graph, capsys):
    for index, side in enumerate((40, 56)):
        with rasterio.open(
            scene(tmp_path / "in" / f"place{index}.tif"), "w", driver="GTiff", count=3, height=side, width=side,
            dtype="uint16", crs="EPSG:32632", transform=from_origin(600000 + 9000 * index, 5e6, 10, 10), nodata=0,
        ) as target:  # fmt: skip
            target.write(RNG.integers(300, 2500, (3, side, side), dtype=np.uint16))
            target.update_tags(PLACE=str(index))
    model = graph(image_graph)
    upscale(tmp_path / "in", tmp_path / "out", "--model", model)
    for index, side in enumerate((80, 112)):
        with rasterio.open(tmp_path / "out" / f"place{index}_x2.tif") as made:
            assert made.shape == (side, side) and made.tags()["PLACE"] == str(index)
            assert made.bounds.left == 600000 + 9000 * index and made.is_tiled
    first = contents(tmp_path / "out")
    upscale(f"{tmp_path}/in/*[01].tif", tmp_path / "out", "--model", model)
    assert "2 of 2" in capsys.readouterr().err
    assert contents(tmp_path / "out") == first
    with pytest.raises(SatsrError, match=r"(?s)0 of 2 scenes.*add --overwrite") as refused:
        upscale(tmp_path / "in", tmp_path / "out", "--model", model, "--ensemble")  # another result
    assert "place1.tif" in str(refused.value)
    with pytest.raises(SatsrError, match="nothing matches"):
        upscale(f"{tmp_path}/in/*.jp2", tmp_path / "out", "--model", model)
    with pytest.raises(SatsrError, match="2 dates become one result"):
        upscale(*sorted((tmp_path / "in").iterdir()), f"{tmp_path}/b/", "--model", graph(series_graph))


def test_all_bands_are_kept_of_scenes_alone(tmp_path, graph):
    model, clips = graph(image_graph), graph(recurrent_graph)
    four = tmp_path / "four.tif"
    with rasterio.open(four, "w", driver="GTiff", count=4, height=70, width=80, dtype="uint16") as target:
        target.write(RNG.integers(300, 2500, (4, 70, 80), dtype=np.uint16))
        target.descriptions = ("B02", "B03", "B04", "B05")
    upscale(four, tmp_path / "out.tif", "--model", model, "--bands", "all")
    with rasterio.open(tmp_path / "out.tif") as made:
        assert made.descriptions == ("B04", "B03", "B02", "B05 (bicubic)")
    upscale(four, tmp_path / "two.tif", "--model", model, "--bands", "B02,B03,B04,all")
    with rasterio.open(tmp_path / "two.tif") as made:
        assert made.descriptions == ("B02", "B03", "B04", "B05 (bicubic)")
    with pytest.raises(SatsrError, match="kept of scenes alone"):
        upscale(pictures(tmp_path / "in"), tmp_path / "sharp", "--model", clips, "--bands", "all")


def test_a_scene_that_is_refused_does_not_stop_the_others(tmp_path, graph):
    scene(tmp_path / "in" / "good.tif")
    with rasterio.open(
        tmp_path / "in" / "bad.tif", "w", driver="GTiff", count=3, height=9, width=9, dtype="uint8"
    ) as t:
        t.write(RNG.integers(0, 256, (3, 9, 9), dtype=np.uint8))
    with pytest.raises(SatsrError, match=r"(?s)1 of 2 scenes.*bad.tif.*8-bit values"):
        upscale(tmp_path / "in", tmp_path / "out", "--model", graph(image_graph))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["good_x2.qml", "good_x2.tif"]


def test_frames_that_are_named_one_by_one_are_a_clip(tmp_path, graph, capsys):
    source, model = pictures(tmp_path / "in", 4), graph(recurrent_graph)
    upscale(source, tmp_path / "all", "--model", model)
    upscale(*[source / f"{index}.png" for index in range(4)], tmp_path / "named", "--model", model)
    for index in range(4):
        assert (tmp_path / f"named/{index}.png").read_bytes() == (tmp_path / f"all/{index}.png").read_bytes()
    named = [source / f"{index}.png" for index in (0, 1, 3, 2)]  # a shell's order of 1, 10, 2
    upscale(*named, tmp_path / "shuffled", "--model", model)
    assert contents(tmp_path / "shuffled") == contents(tmp_path / "named")
    assert re.search(r"note: .* natural order of their names, from .*0\.png to .*3\.png", capsys.readouterr().err)
    with pytest.raises(SatsrError, match=r"b/0\.png and .*in/0\.png are frames of one name"):
        upscale(source / "0.png", pictures(tmp_path / "b") / "0.png", tmp_path / "c", "--model", model)


def test_geotiffs_of_one_name_are_refused_as_frames_and_none_is_lost(tmp_path, graph):
    first, second = (scene(tmp_path / name / "0.tif") for name in ("a", "b"))
    with pytest.raises(SatsrError, match=r"a/0\.tif and .*b/0\.tif are frames of one name.*rename"):
        upscale(first, second, f"{tmp_path}/out/", "--model", graph(recurrent_graph), "--force")
    assert not any((tmp_path / "out").glob("*"))
