from collections import Counter

import numpy as np
import pytest

from satsr.convert.ground.shares import Shares
from satsr.convert.layouts.source import Frame, SceneSource
from satsr.convert.splits import divide
from satsr.errors import SatsrError

SHARES = Shares(0.1, 0.2)


def source(name: str, frames: int, split: str | None = None, form: str = "video") -> SceneSource:
    many = [Frame(f"{name}/{index}", lambda: np.zeros(1)) for index in range(frames)]
    return SceneSource(name, split, {"hr": many}, form)


def divided(
    sources: list[SceneSource], split: str = "auto", shares: Shares = SHARES, longest: int = 100
) -> list[tuple]:
    pieces, _ = divide(sources, split, shares, longest)
    return [(piece.split, piece.id, piece.frames.start, piece.frames.stop) for piece in pieces]


def names(found: list[tuple], split: str) -> list[str]:
    return [name for own, name, *_ in found if own == split]


def test_one_clip_of_100_frames_tests_on_its_last_20_with_val_between_them_and_train() -> None:
    assert divided([source("a", 100)]) == [
        ("test", "a-00080", 80, 100), ("train", "a", 0, 70), ("val", "a-00070", 70, 80)
    ]  # fmt: skip


def test_five_clips_test_and_validate_on_others_than_they_train_on() -> None:
    found = divided([source(str(index), 3) for index in range(5)])
    assert (names(found, "train"), names(found, "val"), names(found, "test")) == (["0", "1", "2"], ["3"], ["4"])
    many = divided([source(f"{index:02d}", 3) for index in range(20)])
    assert Counter(split for split, *_ in many) == {"train": 14, "val": 2, "test": 4}


def test_two_clips_test_on_another_place_and_validate_at_another_time() -> None:
    assert divided([source("a", 20), source("b", 20)]) == [
        ("test", "b", 0, 20), ("train", "a", 0, 18), ("val", "a-00018", 18, 20)
    ]  # fmt: skip


def test_clips_of_several_sites_are_divided_by_site() -> None:
    found = divided([source(f"{site}/{clip}", 9) for site in ("brest", "lannion", "rennes") for clip in (0, 1)])
    assert names(found, "test") == ["rennes/0", "rennes/1"]
    assert names(found, "train") == ["brest/0", "brest/1", "lannion/0", "lannion/1"]


def test_the_datas_own_splits_stay_and_what_is_missing_is_taken_from_train() -> None:
    train, val, test = (source("a", 10, split) for split in ("train", "val", "test"))
    assert divided([train, val, test]) == [("test", "a", 0, 10), ("train", "a", 0, 10), ("val", "a", 0, 10)]
    assert divided([train, test]) == [("test", "a", 0, 10), ("train", "a", 0, 9), ("val", "a-00009", 9, 10)]
    # Between train and test of one clip as many frames are left out as would validate.
    assert divided([train, val]) == [("test", "a-00008", 8, 10), ("train", "a", 0, 7), ("val", "a", 0, 10)]
    assert divided([source("a", 10, "train")]) == divided([source("a", 10)])


def test_a_division_that_was_asked_for_moves_val_but_never_test() -> None:
    own = [source("a", 10, "train"), source("b", 10, "val"), source("c", 10, "test")]
    assert divided(own, "frames") == [
        ("test", "c", 0, 10), ("train", "a", 0, 9), ("train", "b", 0, 9), ("val", "a-00009", 9, 10),
        ("val", "b-00009", 9, 10),
    ]  # fmt: skip
    assert names(divided(own, "clips"), "val") == ["b"]


def test_a_long_clip_is_cut_evenly_and_never_into_single_frames() -> None:
    assert divided([source("a", 500)], shares=Shares(0.1, 0.1), longest=200) == [
        ("test", "a-00450", 450, 500), ("train", "a", 0, 200), ("train", "a-00200", 200, 400),
        ("val", "a-00400", 400, 450),
    ]  # fmt: skip
    for frames in range(4, 40):
        pieces = divided([source("a", frames)], longest=2)
        assert min(stop - start for split, _, start, stop in pieces if split == "train") >= 2
        assert Counter(i for *_, start, stop in pieces for i in range(start, stop)) == Counter(range(frames))


def test_series_are_divided_by_scene() -> None:
    series = [source(name, 8, form="series") for name in "abc"]
    assert divided(series, longest=4) == [("test", "c", 0, 8), ("train", "a", 0, 8), ("val", "b", 0, 8)]
    with pytest.raises(SatsrError, match=r"2 scenes cannot be divided into train, val, test: add .* 3 or more"):
        divided(series[:2])


def test_every_split_comes_with_a_sentence() -> None:
    _, sentences = divide([source("a", 100)], "auto", SHARES, 100)
    assert sentences["test"] == "1 scene: the last frames of each clip that trains, the same place at another time."
    _, sentences = divide([source(str(index), 3) for index in range(5)], "auto", SHARES, 100)
    assert sentences["test"].startswith("1 scene: 1 of 5 clips, the last, other places than those that train")
    known = SceneSource("b", "test", {"hr": source("b", 3).roles["hr"]}, why="the published folder val")
    _, sentences = divide([source("a", 10, "train"), known], "auto", SHARES, 100)
    assert sentences["test"] == "1 scene: the published folder val."
    assert set(sentences) == {"train", "val", "test"}


def test_clips_too_short_to_train_on_are_all_listed() -> None:
    with pytest.raises(SatsrError, match=r"at least 2 frames besides those held out \(2 found\)") as caught:
        divided([source("a", 1), source("b", 9), source("c", 2), source("d", 9)])
    assert "a (a/0): 1 frames" in str(caught.value)
    assert "c (c/0): 2 frames" in str(caught.value)


def test_impossible_splits_are_sentences() -> None:
    with pytest.raises(SatsrError, match="1 clip cannot be divided into train, val, test: add others"):
        divided([source("a", 9)], "clips")
    with pytest.raises(SatsrError, match="all 1 clips are for validation or for testing"):
        divided([source("a", 9, "val")])
    with pytest.raises(SatsrError, match="found 'random'"):
        divided([source("a", 9)], "random")
    with pytest.raises(SatsrError, match=r"leave something to train on.*0\.5 and 0\.5"):
        divided([source("a", 9)], shares=Shares(0.5, 0.5))
