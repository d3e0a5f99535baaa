"""The list of versions fits the terminal, and is whole where it is read by a program."""

import pytest

from satsr.review.listing import COLUMNS, fitting

ROWS = (
    COLUMNS,
    ("12", "challenger,champion", "26.17", "−0.15 dB [−1.10, 0.79], 95 %, only 2 scenes", "−0.01 dB", "0.6548", "4e-07")
    + ("0.5", "425", "9a01102e", "7d4024ec+", "12 min", "FAILED", "approved"),
)


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_narrow_terminal_gets_the_columns_that_decide(columns: int) -> None:
    lines = fitting(ROWS, columns)
    assert max(map(len, lines)) + 2 <= columns
    assert {"version", "alias", "gates", "review"} <= set(lines[0].split()) and "gain over bicubic" in lines[0]
    assert "−0.15 dB [−1.10, 0.79]" in lines[1] and lines[-1] == "`satsr review | cat` shows all columns"


@pytest.mark.parametrize("columns", [None, 300])
def test_who_has_room_gets_all_of_them(columns: int | None) -> None:
    lines = fitting(ROWS, columns)
    assert len(lines) == 2 and all(name in lines[0] for name in COLUMNS) and ", 95 %, only 2 scenes" in lines[1]
