"""The documentation fits the tree: links, paths, commands, the map of rooms, layouts, glossary, citation, CI, hooks."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from satsr.cli import parser
from satsr.config.resolve import read_yaml
from satsr.convert.layouts import LAYOUTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
PLACES = ("satsr", "pipelines", "steps", "models", "tests", "docs", "benchmarks", "data/catalog", "stacks")
REPOSITORY = re.compile(rf"`((?:{'|'.join(PLACES)})/[^\s`]*)`")
PLACEHOLDER = re.compile(r"<\w+>")
SHELL = re.compile(r"^ *```sh$(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OTHERS = {"--no-compile", "--host", "--allowed-hosts", "--app-name", "--build-arg", "--tiny", "--dates"}
"""Options that pages name alone and that belong to pip, MLflow, podman or a benchmark."""
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
GLOSSARY = {
    *("baseline", "card", "challenger", "champion", "crop", "door", "gate", "identity", "image set", "kind", "layout"),
    *(
        "lineage",
        "manifest",
        "normalisation",
        "paper",
        "parity",
        "profile",
        "radiometry",
        "recipe",
        "reference",
        "role",
    ),
    *("room", "run", "scene", "segment", "split", "stage", "step", "store", "tile", "validate", "variant", "verdict"),
    *("version", "view", "window"),
}


def anchors(text: str) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in HEADING.findall(text)}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name(page)} links to {target}"
        assert not anchor or anchor in anchors(FENCED.sub("", file.read_text())), f"{name(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    for path in REPOSITORY.findall(FENCED.sub("", page.read_text())):
        if set(PLACEHOLDER.findall(path)) <= {"<paper>", "<stage>"}:  # others are names that the reader chooses
            file = path.partition("::")[0].rstrip("/")  # the names of tests: tests/test_reliability.py
            assert any(ROOT.glob(PLACEHOLDER.sub("*", file))), f"{name(page)} names {path}"


def commands(text: str) -> Iterator[list[str]]:
    """What stands between ``&&``, ``;`` and ``|`` in blocks of a shell, without comments and variables before it."""
    for line in "\n".join(SHELL.findall(text)).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("&|;()"):
                yield words
                words = []
            elif words or not re.fullmatch(r"\w+=.*", word):
                words.append(word)


def options(of: argparse.ArgumentParser) -> set[str]:
    """All that a command and its actions take."""
    inner = (one for action in of._actions if isinstance(action.choices, dict) for one in action.choices.values())
    return {name for action in of._actions for name in action.option_strings}.union(*map(options, inner))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_of_a_page_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets += [f"train_{paper}" for paper in read_yaml(ROOT / "params.yaml")["papers"]]
    for words in commands(page.read_text()):
        if words[:1] == ["make"]:
            assert [word for word in words[1:] if "=" not in word and word not in targets] == []
        if words[:1] == ["satsr"]:
            try:
                parser().parsed(words[1:])
            except SystemExit as end:
                assert not end.code, f"{name(page)}: {capsys.readouterr().err}"
    for code in re.findall(r"`(--[\w-]+)[^`]*`", FENCED.sub("", page.read_text())):
        assert code in options(parser()) | OTHERS, f"{name(page)} names {code}"


def test_the_map_has_exactly_the_rooms_of_the_library() -> None:
    after = (ROOT / "docs/house.md").read_text().split("<!-- rooms:")[1]
    block = after.split("```")[1]
    rooms: list[str] = []
    above: list[str] = []
    for indent, room in re.findall(r"^( *)(\w+)/", block, re.MULTILINE):
        above = [*above[: len(indent) // 2], room]
        rooms.append("/".join(above))
    folders = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "satsr").rglob("*.py")}
    assert sorted(rooms) == sorted(folders)


def test_the_page_on_data_lists_every_layout_once() -> None:
    table = (ROOT / "docs/data.md").read_text().split("## Layouts")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sorted(LAYOUTS)


def test_the_glossary_has_every_word_once_in_order() -> None:
    words = re.findall(r"^\| \*\*([\w ]+)\*\* \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert words == sorted(words)
    assert len(words) == len(set(words))
    assert set(words) >= GLOSSARY


def test_the_site_shows_every_page_of_the_documentation() -> None:
    shown = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(shown)
    made = {
        path.with_suffix(".md").relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/notebooks/*.ipynb")
    }
    assert made and made == {page for page in shown if page.startswith("notebooks/")}
    papers = {f"papers/{paper}.md" for paper in read_yaml(ROOT / "params.yaml")["papers"]}
    assert papers == {page for page in shown if page.startswith("papers/")}


def test_the_citation_has_what_its_format_demands() -> None:
    citation = read_yaml(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and str(citation["version"]) == version[1]


def test_ci_runs_the_one_script_with_few_rights_and_a_limit() -> None:
    workflow = read_yaml(ROOT / ".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"] == 90
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert all(re.search(r"@v\d", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_hooks_are_the_linters_of_make_lint() -> None:
    (local,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    commands = {hook["entry"] for hook in local["hooks"]}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint
    assert set(re.split(r"\s*&&\s*|\n\t@?", lint[1].strip().lstrip("@"))) <= commands
