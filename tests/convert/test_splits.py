from collections import Counter

import numpy as np
import pytest

from satsr.convert.layouts.source import Frame, SceneSource
from satsr.convert.splits import divide
from satsr.errors import SatsrError


def source(name: str, frames: int, split: str | None = None, form: str = "video") -> SceneSource:
    many = [Frame(f"{name}/{index}", lambda: np.zeros(1)) for index in range(frames)]
    return SceneSource(name, split, {"hr": many}, form)


def divided(sources: list[SceneSource], split: str = "auto", share: float = 0.2, longest: int = 100) -> list[tuple]:
    return [
        (piece.split, piece.id, piece.frames.start, piece.frames.stop)
        for piece in divide(sources, split, share, longest)
    ]


def test_one_clip_of_100_frames_holds_out_frames_80_to_99() -> None:
    assert divided([source("a", 100)]) == [("train", "a", 0, 80), ("val", "a-00080", 80, 100)]


def test_five_clips_hold_out_the_last() -> None:
    found = divided([source(str(index), 3) for index in range(5)])
    assert [(split, name) for split, name, *_ in found] == [*(("train", str(i)) for i in range(4)), ("val", "4")]


def test_the_files_own_split_is_kept_and_completed() -> None:
    own = [source("a", 4, "train"), source("a", 4, "val")]
    assert divided(own) == [("train", "a", 0, 4), ("val", "a", 0, 4)]
    assert divided([source("a", 10, "train")]) == [("train", "a", 0, 8), ("val", "a-00008", 8, 10)]
    assert divided(own[:1] + [source("b", 4, "val")], "frames") == [
        ("train", "a", 0, 3), ("train", "b", 0, 3), ("val", "a-00003", 3, 4), ("val", "b-00003", 3, 4),
    ]  # fmt: skip


def test_a_long_clip_is_cut_evenly_and_never_into_single_frames() -> None:
    assert divided([source("a", 500)], share=0.1, longest=200) == [
        ("train", "a", 0, 150),
        ("train", "a-00150", 150, 300),
        ("train", "a-00300", 300, 450),
        ("val", "a-00450", 450, 500),
    ]
    for frames in range(3, 40):
        pieces = divided([source("a", frames)], share=0.1, longest=2)
        assert min(stop - start for split, _, start, stop in pieces if split == "train") >= 2
        assert Counter(i for *_, start, stop in pieces for i in range(start, stop)) == Counter(range(frames))


def test_series_are_divided_by_scene() -> None:
    series = [source(name, 8, form="series") for name in "abc"]
    assert divided(series, longest=4) == [("train", "a", 0, 8), ("train", "b", 0, 8), ("val", "c", 0, 8)]
    with pytest.raises(SatsrError, match="one scene cannot be divided"):
        divided(series[:1])


def test_clips_too_short_to_train_on_are_all_listed() -> None:
    with pytest.raises(SatsrError, match=r"at least 2 frames besides those held out \(2 found\)") as caught:
        divided([source("a", 1), source("b", 9), source("c", 2)])
    assert "a (a/0): 1 frames" in str(caught.value)
    assert "c (c/0): 2 frames" in str(caught.value)


def test_impossible_splits_are_sentences() -> None:
    with pytest.raises(SatsrError, match="one clip cannot be divided into train and val"):
        divided([source("a", 9)], "clips")
    with pytest.raises(SatsrError, match="all 1 clips are for validation"):
        divided([source("a", 9, "val")])
    with pytest.raises(SatsrError, match="found 'random'"):
        divided([source("a", 9)], "random")
