"""Unfinished results: gone on with by the same command, thrown away by another, never in each other's way."""

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.imagery.images import encode_png
from satsr.upscale.clips import video
from satsr.upscale.options import Options
from satsr.upscale.results.own import tagged
from satsr.upscale.results.partial import unfinished
from satsr.upscale.scenes import scene
from satsr.upscale.sets import imagesets
from tests.tiny_graphs import image_graph, imageset_graph, recurrent_graph
from tests.upscale.test_beside import write_frames, write_scene, write_views


def stopped(output, key, **state):
    """A run that noted ``state`` and was interrupted."""
    with pytest.raises(KeyboardInterrupt), unfinished(output, key) as partial:
        (partial.folder / "work").write_text("half")
        partial.save(**state)
        raise KeyboardInterrupt


def test_the_same_key_finds_what_was_done(tmp_path):
    output = tmp_path / "out.tif"
    stopped(output, {"model": "a"}, rows=5)
    with unfinished(output, {"model": "a"}) as partial:
        assert partial.state == {"rows": 5} and (partial.folder / "work").read_text() == "half"
    assert list(tmp_path.iterdir()) == []


def test_another_key_begins_anew(tmp_path):
    output = tmp_path / "out.tif"
    stopped(output, {"model": "a"}, rows=5)
    with unfinished(output, {"model": "b"}) as partial:
        assert partial.state == {} and not (partial.folder / "work").exists()


def test_a_damaged_manifest_begins_anew(tmp_path):
    output = tmp_path / "out.tif"
    stopped(output, {"model": "a"}, rows=5)
    (tmp_path / ".out.tif.partial" / "manifest.json").write_text("{")
    with unfinished(output, {"model": "a"}) as partial:
        assert partial.state == {}


def test_a_result_is_kept_unless_it_is_this_runs_own(tmp_path):
    output = tmp_path / "out.png"
    stopped(output, {"model": "a"})
    output.write_bytes(tagged(encode_png(np.zeros((4, 4), np.uint8)), {"SATSR_MODEL": "a"}))
    with pytest.raises(SatsrError, match="--overwrite"), unfinished(output, {"model": "b"}):
        pass
    with unfinished(output, {"model": "a"}):
        pass
    with pytest.raises(SatsrError, match="--overwrite"), unfinished(output, {"model": "a"}):
        pass


def test_a_file_of_the_users_is_kept_even_if_it_came_while_the_result_was_made(tmp_path):
    output, beside = tmp_path / "out.png", tmp_path / "out_preview.html"
    stopped(output, {"model": "a"})
    for path in (output, beside):
        path.write_text("mine")
        for overwrite in (False, True):
            again = unfinished(output, {"model": "a"}, overwrite, beside=[beside])
            with pytest.raises(SatsrError, match="did not write it"), again:
                pass
        path.unlink()
    with unfinished(output, {"model": "a"}, True) as partial:
        output.write_text("mine")
        with pytest.raises(SatsrError, match="did not write it"):
            partial.require_free(output)


def test_a_folder_that_only_has_the_name_of_unfinished_work_is_kept(tmp_path):
    folder = tmp_path / ".out.png.partial"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(SatsrError, match="move or remove it"), unfinished(tmp_path / "out.png", {}, True):
        pass
    assert (folder / "mine.txt").read_text() == "mine"


def test_two_runs_do_not_make_the_same_result(tmp_path):
    output = tmp_path / "out.tif"
    with unfinished(output, {}), pytest.raises(SatsrError, match="another process"), unfinished(output, {}):
        pass


@pytest.mark.parametrize(
    ("graph", "write", "source", "file", "apply", "output"),
    [
        (image_graph, write_scene, "in.tif", "", scene.upscale, "out.tif"),
        (recurrent_graph, write_frames, "in", "1.png", video.upscale, "out"),
        (imageset_graph, write_views, "in", "LR003.png", imagesets.upscale_imagesets, "out.png"),
    ],
    ids=["scene", "clip", "image set"],
)
def test_an_input_that_is_saved_while_it_is_read_makes_no_result(
    tiny, tmp_path, graph, write, source, file, apply, output
):
    model, given, result = tiny(graph), write(tmp_path / source), tmp_path / output

    def saved(line):
        """Another program ends its work when the result is made and measured."""
        if "made small again" in line:
            with (given / file).open("ab") as handle:
                handle.write(b"\0")

    with pytest.raises(SatsrError, match="was changed while it was read"):
        apply(model, given, result, Options(force=True), saved)
    assert not result.exists() and not list(tmp_path.glob(".*"))
    apply(model, given, result, Options(force=True))
    assert result.exists() and not list(tmp_path.glob(".*"))
