"""The table of the zoo's models, as it is printed and as it stands on its page."""

from pathlib import Path

import pytest

from satsr import zoo
from satsr.cli import main
from satsr.zoo.tables import BEGIN, END, markdown, placed, text

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs/zoo.md").read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert placed(page, markdown(zoo.entries())) == page
    for entry in zoo.entries():
        assert entry.sha256 in page and all(one.gain.text() in page for one in (entry.test, *entry.unseen))


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert placed(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert placed(placed(page, "other"), "new") == placed(page, "new")


def test_the_list_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo"]) == 0
    said = capsys.readouterr().out
    assert said == f"{text(zoo.entries())}\n" and max(map(len, said.splitlines())) <= 80
    assert all(f"\n{entry.name} " in said for entry in zoo.entries())
