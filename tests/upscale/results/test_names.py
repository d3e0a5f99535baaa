"""Inputs are what a shell would name, in the order that people mean, and results have the inputs' own names."""

from pathlib import Path

import pytest

from satsr.errors import SatsrError
from satsr.upscale.results import names


@pytest.fixture
def folder(tmp_path):
    for name in ("f1.png", "f2.png", "f10.png", "._f1.png", ".hidden/f3.png", "sub/f4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(folder, pattern):
    return [str(path.relative_to(folder)) for path in names.inputs([f"{folder}/{pattern}"])]


def test_a_pattern_means_what_a_shell_makes_of_it_in_natural_order(folder):
    assert found(folder, "*.png") == ["f1.png", "f2.png", "f10.png"]  # as macOS leaves ._f1.png beside f1.png
    assert found(folder, "**/*.png") == ["f1.png", "f2.png", "f10.png", "sub/f4.png"]
    assert found(folder, "._*.png") == ["._f1.png"] and found(folder, ".hidden/*") == [".hidden/f3.png"]
    with pytest.raises(SatsrError, match="nothing matches"):
        names.inputs([f"{folder}/*.tif"])


def test_frames_have_one_order_quoted_or_not(folder):
    unquoted = names.inputs([f"{folder}/{name}" for name in ("f1.png", "f10.png", "f2.png")])  # as shells sort them
    assert names.in_order(unquoted) == names.inputs([f"{folder}/f*.png"])


def test_a_result_has_the_name_of_the_link_that_was_named_and_not_of_what_it_leads_to(tmp_path, monkeypatch):
    (tmp_path / "cache" / "3f").mkdir(parents=True)
    (tmp_path / "cache" / "3f" / "a1b2c3").touch()
    (tmp_path / "scene.v1.tif").symlink_to(tmp_path / "cache" / "3f" / "a1b2c3")
    assert names.inside(Path("out"), tmp_path / "scene.v1.tif", 4, ".tif") == Path("out/scene.v1_x4.tif")
    monkeypatch.chdir(tmp_path)
    assert {names.own_name(Path(word)) for word in (".", "cache/..", "cache/3f/../..")} == {tmp_path.name}
