"""Partners are found by their names."""

import pytest

from satsr.errors import SatsrError
from satsr.trial.pairs import Pair, pairs


def touched(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("town.png", "town.tif"),
        ("town_lr.png", "town_hr.png"),
        ("LR-town.png", "HR-town.png"),
        ("town_x4.png", "town.png"),
        ("town.lr.png", "town.hr.png"),
        ("Town.png", "town.png"),
    ],
)
def test_words_of_resolution_do_not_matter(tmp_path, low, high):
    ours, theirs, *_ = touched(tmp_path / "a" / low, tmp_path / "b" / high, tmp_path / "a/2.png", tmp_path / "b/2.png")
    found = pairs(tmp_path / "a", tmp_path / "b", clips=False)
    assert [(pair.lr.name, pair.hr.name) for pair in found] == [("2.png", "2.png"), (low, high)]
    assert found[1] == Pair(ours.stem, ours, theirs)


def test_where_these_words_tell_images_apart_they_count(tmp_path):
    for side in ("a", "b"):
        touched(tmp_path / side / "x2.png", tmp_path / side / "t_x2.png", tmp_path / side / "t_x3.png")
    found = pairs(tmp_path / "a", tmp_path / "b", clips=False)
    assert [(pair.lr.stem, pair.hr.stem) for pair in found] == [(n, n) for n in ("t_x2", "t_x3", "x2")]
    touched(tmp_path / "a" / "x2.tif")
    with pytest.raises(SatsrError, match="differ in their suffix only"):
        pairs(tmp_path / "a", tmp_path / "b", clips=False)


def test_folders_are_told_apart_by_their_whole_names(tmp_path):
    for side in ("lr", "hr"):
        touched(*(tmp_path / side / name / "0.png" for name in ("clip_x2.v1", "clip_x2.v2", "clip_x3.v1")))
    found = pairs(tmp_path / "lr", tmp_path / "hr", clips=True)
    assert [(pair.lr.name, pair.hr.name) for pair in found] == [
        (name, name) for name in ("clip_x2.v1", "clip_x2.v2", "clip_x3.v1")
    ]


def test_a_folder_is_a_clip_or_images_or_several_clips(tmp_path):
    for side in ("lr", "hr"):
        touched(*(tmp_path / side / f"{index}.png" for index in range(3)))
        touched(tmp_path / "more" / side / "a" / "0.png", tmp_path / "more" / side / "b.mp4")
    assert pairs(tmp_path / "lr", tmp_path / "hr", clips=True) == [Pair("lr", tmp_path / "lr", tmp_path / "hr")]
    assert len(pairs(tmp_path / "lr", tmp_path / "hr", clips=False)) == 3
    found = pairs(tmp_path / "more" / "lr", tmp_path / "more" / "hr", clips=True)
    assert [pair.name for pair in found] == ["a", "b"]
