"""The page of reliability promises nothing that no test holds: every test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "docs/reliability.md", ROOT / "SECURITY.md"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def defined_in(file: str) -> set[str]:
    """The names of the tests in a file, which is not imported."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert named
    missing = [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file() or name not in defined_in(file)]
    assert not missing


def test_every_case_has_a_promise_and_a_test() -> None:
    rows = [line.split(" | ") for line in PAGES[0].read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cases = [row for row in rows if row[0] != "| case"]
    assert len(cases) > 60
    assert all(len(row) == 3 and row[1].endswith(".") and NAMED.search(row[2]) for row in cases)
    assert all(re.sub(r"[, |]", "", NAMED.sub("", row[2])) == "" for row in cases)  # tests, and no whole files
    assert len({row[0] for row in cases}) == len(cases)
