import io
import sys
import time

import pytest

from satsr.progress import Bar, duration, fitted, track


def bar(note: str = "loss=0.0123 val_psnr=27.4 wait=0%", done: int = 300) -> Bar:
    made = Bar("train", 850)
    made._begin -= 60
    made.advance(done, note)
    return made


@pytest.mark.parametrize("width", range(20, 160, 7))
def test_the_line_never_exceeds_its_width(width: int) -> None:
    assert len(fitted(bar(), width)) <= width


@pytest.mark.parametrize("width", [40, 79, 119])
def test_share_time_left_and_loss_are_always_there(width: int) -> None:
    line = fitted(bar("val_psnr=27.4 val_ema_psnr=27.3 loss=0.0123 wait=0%"), width)
    assert line.startswith("train       35%  ") and "110 s left" in line and "loss=0.0123" in line


def test_a_wide_terminal_shows_the_bar_the_count_and_the_other_words() -> None:
    line = fitted(bar(), 119, marks="#-")
    assert "#########-------------------" in line and line.endswith("300/850  val_psnr=27.4  wait=0%")


def test_before_the_first_step_no_time_is_guessed() -> None:
    work = Bar("upscale", 1)
    assert "left" not in fitted(work, 79) and "0 s so far" in fitted(work, 79)
    work._begin -= 40  # a clip of one segment is one step, in which the time that goes by is what moves
    assert "40 s so far" in fitted(work, 79)
    work.advance()
    assert "so far" not in fitted(work, 79)


def test_the_time_left_runs_down_during_a_step_and_stands_still_where_it_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    work = Bar("upscale", 4)
    now[0] = 10
    work.advance()
    told = []
    for now[0] in (10, 14, 20, 50, 400):
        told.append(work.left())
    assert told == [30, 26, 20, 20, 20]
    work.advance(2)
    now[0] += 1000
    assert work.left() == 0  # the last one is late


def test_work_of_nothing_is_done() -> None:
    assert "100%" in fitted(Bar("hashing", 0), 79)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (3600, "60 min"), (11_100, "3 h 05 min")]
)
def test_a_duration_is_told_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_short_work_says_nothing_where_a_line_cannot_be_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", told := io.StringIO())
    assert list(track(range(3), "hashing", 3)) == [0, 1, 2]
    assert told.getvalue() == ""


def test_long_work_says_a_line_now_and_then_and_one_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", told := io.StringIO())
    with Bar("train", 4) as work:
        work._begin = work._last = work._begin - 20
        work.advance(note="loss=0.5")
        work.advance(3)
    assert told.getvalue().splitlines() == ["train: 1/4 in 20 s, 60 s left loss=0.5", "train: 4/4 in 20 s"]


def test_a_bar_inside_of_one_that_gathers_moves_that_one_on_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", told := io.StringIO())
    with Bar("scenes", 4, gathers=True) as outer:
        outer._begin = outer._last = outer._begin - 20
        with Bar("upscale", 2) as inner:
            inner._begin = inner._last = inner._begin - 20
            inner.advance()
            assert outer.share == 0.125 and told.getvalue().splitlines() == ["scenes: 0/4 in 20 s, 2 min left"]
        outer.advance(note="a.tif")
        assert outer.share == 0.25 and list(track(range(3), "hashing", 3)) == [0, 1, 2] and outer.share == 0.5
    assert "upscale" not in told.getvalue()
    with Bar("upscale", 4) as later:
        later._begin = later._last = later._begin - 20
        later.advance()
    assert "upscale: 1/4" in told.getvalue()
