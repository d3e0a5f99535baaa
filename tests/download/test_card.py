from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from satsr.convert.layouts import LAYOUTS
from satsr.download.card import Card, Source, load_card
from satsr.download.download import SCENES, download
from satsr.errors import SatsrError

CATALOG = Path(__file__).resolve().parents[2] / "data" / "catalog"
GOOD = "name: a\nsource:\n  files: {path: frames}\n"


def card(tmp_path: Path, text: str) -> Card:
    (tmp_path / "a.yaml").write_text(text)
    return load_card("a.yaml", tmp_path)


@pytest.mark.parametrize("path", sorted(CATALOG.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_card_of_the_catalogue_is_valid_and_names_what_exists(path: Path) -> None:
    found = load_card(path)
    assert found.name == path.stem
    assert found.layout in LAYOUTS
    assert found.licence
    if found.source.embedded:
        assert found.source.embedded.kind in SCENES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "licens: MIT\n", "unknown key licens"),
        ("name: a\nsource:\n  files: {path: b, paht: c}\n", "unknown key source.files.paht"),
        ("source:\n  files: {path: b}\n", "name is missing"),
        (GOOD + "scale: many\n", r"scale: input should be a valid integer.*\(found 'many'\)"),
        ("name: a\nsource: {}\n", "a source is exactly one of embedded, files, urls, zenodo, manual, found none"),
        (
            "name: a\nsource:\n  files: {path: b}\n  zenodo: {record: 1}\n",
            r"exactly one .* found \['files', 'zenodo'\]",
        ),
        ("name: a\nsource:\n  urls: [{name: x, urls: ['ftp://b/x']}]\n", "begins with https:// or http://"),
        ("name: a\nsource:\n  urls: [{name: x, urls: ['https://me:pw@b/x']}]\n", "no name and no password"),
        ("name: a\nsource:\n  urls: [{name: '..', urls: ['https://b/x']}]\n", "source.urls.0.name"),
        ("name: a\nsource:\n  urls: [{name: ../x, urls: ['https://b/x']}]\n", "source.urls.0.name"),
        ("name: a\nsource:\n  urls: [{name: x, urls: ['https://b/x'], checksum: abc}]\n", "source.urls.0.checksum"),
        ("- a\n- b\n", "holds list, not keys and values"),
        ("name: [", "not valid YAML"),
        ("", "is not a dataset card"),
    ],
)
def test_a_wrong_card_is_a_sentence_that_names_the_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SatsrError, match=says) as caught:
        card(tmp_path, text)
    assert "a.yaml" in str(caught.value)


def test_a_folder_or_a_video_of_ones_own_is_an_implicit_card(tmp_path: Path) -> None:
    (tmp_path / "my frames").mkdir()
    (tmp_path / "clip.mp4").touch()
    folder, video = load_card("my frames", tmp_path), load_card(tmp_path / "clip.mp4")
    assert (folder.name, folder.layout) == ("my frames", "auto")
    assert folder.source.files is not None
    assert folder.source.files.path == "my frames"
    assert video.name == "clip"


def test_a_card_in_a_folder_describes_the_files_beside_it(tmp_path: Path, make_clip: Callable[..., object]) -> None:
    make_clip(tmp_path / "town/a", 2)
    (tmp_path / "town/card.yaml").write_text("{layout: photos, scale: 2, licence: mine}")
    found = load_card("town", tmp_path)
    assert (found.name, found.layout, found.scale, found.licence) == ("town", "photos", 2, "mine")
    assert found.source.files is not None
    assert found.source.files.path == "town"
    listed = download(found, tmp_path / "raw", base=tmp_path)
    assert [entry["path"] for entry in listed.files] == ["a/00000000.png", "a/00000001.png"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("source: {zenodo: {record: 1}}", "describes the files beside it: take its source out"),
        ("{layuot: photos}", "unknown key layuot"),
        ("", "is not a dataset card"),
    ],
)
def test_what_a_card_in_a_folder_cannot_say_is_a_sentence(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "town").mkdir()
    (tmp_path / "town/card.yaml").write_text(text)
    with pytest.raises(SatsrError, match=why) as caught:
        load_card("town", tmp_path)
    assert "town/card.yaml" in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "n" * 300])
def test_data_that_do_not_exist_are_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=f"'{name}' do not exist: name a card"):
        load_card(name, tmp_path)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('ask with token="abc123" for them', "ask with token=*** for them"),
        ("token: 'a b', then", "token: ***, then"),
        ("https://x.org/a?token=abc&b=1", "https://x.org/a?token=***&b=1"),
        (r"password=ab\c", "password=***"),
    ],
)
def test_secrets_in_a_card_are_hidden_whatever_stands_around_them(said: str, kept: str) -> None:
    found = Card(name="a", notes=said, papers=(said,), source=Source.model_validate({"files": {"path": "f"}}))
    assert found.plain()["notes"] == kept and found.plain()["papers"] == [kept] and len(found.sha256) == 64


def test_what_a_card_says_has_a_digest_that_does_not_depend_on_where_the_files_lie() -> None:
    first, second, third = (
        Card(name="a", source=Source.model_validate({"files": {"path": path}})) for path in ("/x/f", "/y/f", "/y/g")
    )
    assert first.sha256 == second.sha256 != third.sha256
    assert first.plain()["source"] == {"files": {"path": "f"}}


def aliases(merged: bool = False) -> str:
    """A page of YAML whose aliases stand for 10^9 values."""
    name = "abcdefghi"
    lines = ["a: &a {x: 1}" if merged else "a: &a [x, x]"]
    for before, one in pairwise(name):
        many = ", ".join([f"*{before}"] * 10)
        lines.append(f"{one}: &{one} {{<<: [{many}]}}" if merged else f"{one}: &{one} [{many}]")
    return "\n".join([*lines, "scale: *i", "name: *i"])


@pytest.mark.parametrize("text", [aliases(), aliases(merged=True), "name: &a [*a]\n", "&a {<<: *a}\n"])
def test_aliases_that_multiply_or_hold_themselves_are_refused_before_they_are_followed(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(SatsrError, match="its aliases stand for more than"):
        card(tmp_path, text)


@pytest.mark.slow
def test_a_card_of_any_length_is_a_short_sentence(tmp_path: Path) -> None:
    for text in ("scale: " + "x" * 100_000, "#" * (1 << 21), "[" * 10_000, "- " * 10_000):
        with pytest.raises(SatsrError) as caught:
            card(tmp_path, text)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", ["name: !!bool x\n", 'name: !!int ""\n', 'name: !!float "_"\n'])
def test_a_value_that_is_not_what_its_tag_says_is_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(SatsrError, match="not what its tag"):
        card(tmp_path, text)


def test_a_folder_in_a_cards_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(SatsrError, match="cannot be read: Is a directory"):
        load_card("a.yaml", tmp_path)
