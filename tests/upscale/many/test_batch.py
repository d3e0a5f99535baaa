"""Several scenes into a folder: what is there is kept, what is missing is made, and no result becomes a scene."""

import argparse
import gc
import re
import tracemalloc

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.upscale import command
from satsr.upscale.many import batch
from satsr.upscale.options import Options
from tests.tiny_graphs import image_graph

RNG = np.random.default_rng(0)


def upscale(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def scene(path, height=40, width=48, **more):
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=height, width=width, dtype="uint16",
        crs="EPSG:32632", transform=from_origin(600000, 5e6, 10, 10), **more,
    ) as target:  # fmt: skip
        target.write(RNG.integers(300, 2500, (3, height, width), dtype=np.uint16))
    return path


@pytest.fixture
def scenes(tmp_path):
    """The words of a command that enlarges two scenes into a folder."""
    for name in ("a", "b"):
        scene(tmp_path / "in" / f"{name}.tif")
    return tmp_path / "in", tmp_path / "out", "--model", image_graph(tmp_path / "model.onnx")


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tif")}


@pytest.mark.slow
def test_what_is_asked_for_beside_results_that_are_there_is_made_and_said(scenes, capsys):
    upscale(*scenes)
    first, out = stamps(scenes[1]), scenes[1]
    assert set(first) == {"a_x2.tif", "b_x2.tif"} and "written: " in capsys.readouterr().err
    upscale(*scenes)
    assert (said := capsys.readouterr().err).count("is there already") == 2
    assert said.splitlines()[-1] == "nothing was left to do"
    upscale(*scenes, "--uncertainty", "consistency")
    written = capsys.readouterr().err.splitlines()[-1]
    assert written == f"written: {out}/a_x2_consistency.tif, {out}/b_x2_consistency.tif"
    (out / "b_x2_consistency.tif").unlink()
    upscale(*scenes, "--uncertainty", "consistency")
    assert capsys.readouterr().err.splitlines()[-1] == f"written: {out}/b_x2_consistency.tif"
    last = stamps(out)
    assert {name: last[name] for name in first} == first and not list(out.glob(".*"))


@pytest.mark.slow
def test_a_preview_is_made_later_and_a_spread_that_is_gone_with_its_result(scenes):
    upscale(*scenes, "--uncertainty", "spread")
    before = (scenes[1] / "a_x2.tif").read_bytes()
    (scenes[1] / "a_x2_spread.tif").unlink()
    upscale(*scenes, "--uncertainty", "spread", "--preview")
    names = {f"{name}_x2{end}" for name in "ab" for end in (".tif", "_preview.png", "_preview.html", "_spread.tif")}
    assert names <= {path.name for path in scenes[1].iterdir()} and not list(scenes[1].glob(".*"))
    assert (scenes[1] / "a_x2.tif").read_bytes() == before


@pytest.mark.slow
def test_a_map_alone_needs_the_disk_of_the_map(tmp_path, scenes, capsys):
    words = scene(tmp_path / "large" / "c.tif", 400, 480).parent, *scenes[1:]
    upscale(*words)
    upscale(*words, "--uncertainty", "consistency")
    # of 3 bands: uint16 at twice the size, then float32 at the same, a third more for overviews
    assert re.findall(r"at most (.*) of disk", capsys.readouterr().err) == ["6 MB", "3 MB"]


def test_a_map_of_another_result_is_neither_taken_for_this_ones_nor_replaced_unasked(scenes):
    upscale(*scenes, "--uncertainty", "consistency")
    other = image_graph(scenes[3].with_name("other.onnx"), normalisation="s2_norm")
    upscale(*scenes[:3], other, "--overwrite", "--force")
    with pytest.raises(SatsrError, match=r"(?s)0 of 2 scenes.*a_x2_consistency\.tif exists.*add --overwrite"):
        upscale(*scenes[:3], other, "--uncertainty", "consistency", "--force")


def test_a_run_that_ended_between_a_result_and_its_map_is_finished(tiny, scenes):
    model, sources, options = tiny(image_graph), batch.scenes([scenes[0]]), Options(consistency=True)
    target, mine = scenes[1] / "a_x2.tif", scenes[1] / "a_x2_consistency.tif"

    def disturbed(line):
        if "made small again" in line and not mine.exists():
            mine.write_text("mine")

    with pytest.raises(SatsrError, match=r"1 of 2 scenes"):
        batch.upscale(model, sources, scenes[1], options, disturbed)
    assert target.is_file() and (scenes[1] / ".a_x2.tif.partial").is_dir()
    mine.unlink()
    made = batch.upscale(model, sources, scenes[1], options)
    assert mine in made and target not in made and not list(scenes[1].glob(".*"))
    assert set(stamps(scenes[1])) == {f"{name}_x2{end}.tif" for name in "ab" for end in ("", "_consistency")}


def test_results_do_not_go_among_their_scenes(tmp_path, scenes):
    folder = scenes[0]
    for word in (f"{folder}/*.tif", f"{folder}/../in/*.tif"):
        with pytest.raises(SatsrError, match=r"is the folder that .*a\.tif lies in.*sharp/"):
            upscale(word, f"{folder}/", *scenes[2:], "--force")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(SatsrError, match=r"is the folder that .*a\.tif lies in"):
        upscale(f"{folder}/*.tif", tmp_path / "link", *scenes[2:])
    assert set(stamps(folder)) == {"a.tif", "b.tif"}


def test_scenes_of_one_name_are_both_named(tmp_path, scenes):
    other = scene(tmp_path / "more" / "a.tif")
    with pytest.raises(SatsrError, match=r"in/a\.tif and .*more/a\.tif have one name.*rename one"):
        upscale(tmp_path / "in" / "a.tif", other, *scenes[1:])
    scene(tmp_path / "in" / "a.tiff")
    with pytest.raises(SatsrError, match=r"in/a\.tif and .*in/a\.tiff have one name"):
        upscale(*scenes)


def test_pages_of_a_tiff_are_not_dropped(tmp_path, scenes):
    scene(scene(tmp_path / "in" / "c.tif"), append_subdataset=True)
    with pytest.raises(SatsrError, match=r"(?s)2 of 3 scenes.*c\.tif has 2 pages"):
        upscale(*scenes)
    with pytest.raises(SatsrError, match=r"c\.tif has 2 pages"):  # as one of several frames
        upscale(tmp_path / "in" / "a.tif", tmp_path / "in" / "c.tif", tmp_path / "c.png", *scenes[2:], "--force")


def test_a_folder_of_scenes_may_hold_notes_but_no_video_and_pictures_are_no_scenes(tmp_path, scenes):
    (tmp_path / "in" / "a.tif.aux.xml").write_text("<PAMDataset/>")
    assert [path.name for path in batch.scenes([scenes[0]])] == ["a.tif", "b.tif"]
    (tmp_path / "in" / "clip.mp4").touch()
    with pytest.raises(SatsrError, match=r"holds scenes and videos, such as clip\.mp4"):
        batch.scenes([scenes[0]])
    (tmp_path / "in" / "clip.mp4").unlink()
    write_png(tmp_path / "in" / "c.png", np.zeros((4, 4, 3), np.uint8))
    assert batch.scenes([scenes[0]]) == []


def test_what_nobody_expected_ends_one_scene_alone_and_is_in_the_table(tiny, scenes):
    sources, lines = batch.scenes([scenes[0]]), []

    def disturbed(line):
        lines.append(line)
        if "made small again" in line and sum("made small again" in said for said in lines) == 1:
            raise ValueError("the terminal\nis gone")

    with pytest.raises(SatsrError) as failed:
        batch.upscale(tiny(image_graph), sources, scenes[1], Options(), disturbed)
    heading, titles, row = str(failed.value).splitlines()
    assert heading == f"1 of 2 scenes are in {scenes[1]}; these are not:" and titles.split() == ["scene", "why"]
    assert row.split(maxsplit=1) == [str(sources[0]), "unexpected ValueError: the terminal is gone"]
    assert any("Traceback" in line for line in lines) and set(stamps(scenes[1])) == {"b_x2.tif"}


def test_many_scenes_have_one_bar_and_say_once_what_is_noted_of_the_model(scenes, monkeypatch, capsys):
    monkeypatch.setattr("satsr.progress.QUIET_SECONDS", -1.0)  # every step is told
    upscale(*scenes)
    said = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("scenes: 2/2 in ") for line in said) == 1
    assert not any(line.startswith("upscale: ") for line in said)
    assert sum(line.startswith("note: this model does not say") for line in said) == 1


@pytest.fixture
def swept():
    """Within, what nobody holds any more goes at once, so that it does not count as held."""
    usual = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    yield
    gc.set_threshold(*usual)


@pytest.mark.slow
@pytest.mark.usefixtures("swept")
def test_memory_does_not_grow_with_the_number_of_scenes(tmp_path):
    model, peaks = image_graph(tmp_path / "model.onnx"), []
    for count in (1, 2, 10):  # the first takes what the modules of the command take
        for number in range(count):
            scene(tmp_path / str(count) / f"{number}.tif")
        tracemalloc.start()
        upscale(tmp_path / str(count), tmp_path / f"out{count}", "--model", model)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(list((tmp_path / "out10").glob("*.tif"))) == 10 and peaks[2] < 1.2 * peaks[1]
