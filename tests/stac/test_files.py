"""Assets are had from where they may lie, as often as needed, and never as something else than the item says."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from satsr.download.fetch import Patience
from satsr.errors import SatsrError
from satsr.stac import files
from satsr.stac.files import fetched_item, located
from satsr.stac.item import read
from tests.stac.conftest import serve

ONCE = Patience(attempts=1, timeout=0.3)


def red(path, **changes):
    found = read(path)
    return found, replace(found.pick(["B04"], "here")[0], **changes)


def test_an_item_of_the_web_has_its_assets_fetched_once(scene, server, place) -> None:
    path, _ = scene
    address = serve(server, path)
    fetched = fetched_item(f"{address}?token=abc")
    assert fetched.read_bytes() == path.read_bytes() and fetched.is_relative_to(place) and fetched.name == path.name
    first = located(*red(fetched), fetched)
    assert first.read_bytes() == (path.parent / "B04.tif").read_bytes()
    asked = len(server.requests)
    assert located(*red(fetched), fetched) == first and len(server.requests) == asked
    assert [file.name for file in first.parent.iterdir()] == ["B04.tif"]
    kept = "".join(file.read_text() for file in place.rglob("address.txt"))
    assert kept == address and not list(place.rglob("*.part*"))


def test_an_item_is_fetched_anew_and_assets_when_they_changed(scene, server) -> None:
    path, _ = scene
    address = serve(server, path)
    fetched = fetched_item(address)
    old = located(*red(fetched), fetched)
    content = (path.parent / "B02.tif").read_bytes()
    changed = json.loads(path.read_text())
    changed["assets"]["red"] |= {"file:checksum": f"1220{hashlib.sha256(content).hexdigest()}"}
    changed["assets"]["red"]["file:size"] = len(content)
    server.files["/stac/B04.tif"], server.files[f"/stac/{path.name}"] = content, json.dumps(changed).encode()
    again = fetched_item(address)
    assert again == fetched and located(*red(again), again).read_bytes() == content != old.read_bytes()


def test_a_cut_download_goes_on_where_it_broke_off(scene, server, place) -> None:
    path, _ = scene
    fetched = fetched_item(serve(server, path))
    server.cut_at = [0.6]
    with pytest.raises(SatsrError, match="the connection ended after"):
        located(*red(fetched), fetched, ONCE)
    assert located(*red(fetched), fetched, ONCE).read_bytes() == (path.parent / "B04.tif").read_bytes()
    assert server.requests[-1][1] is not None and server.requests[-1][1].startswith("bytes=")
    assert not list(place.rglob("*.part*"))


@pytest.mark.parametrize(
    ("harm", "changes", "sentence"),
    [
        ({}, {"checksum": "sha256:" + "0" * 64}, "expected sha256 0000"),
        ({}, {"size": 12345}, "expected 12345 bytes, the server offers"),
        ({"files": {}}, {}, "HTTP 404"),
        ({"html": True}, {}, "a web page came instead of the file"),
        ({"stall_at": [0.5]}, {}, "the server sent nothing for 0 s"),
        ({"statuses": [503]}, {}, "HTTP 503"),
    ],
)
def test_what_a_server_does_wrong_is_a_sentence(scene, server, place, harm, changes, sentence) -> None:
    path, _ = scene
    fetched = fetched_item(serve(server, path))
    for name, value in harm.items():
        setattr(server, name, value)
    with pytest.raises(SatsrError, match=sentence):
        located(*red(fetched, **changes), fetched, ONCE)
    assert not [file for file in (place / "stac" / "assets").rglob("*.tif") if file.is_file()]


def test_no_more_is_taken_than_was_allowed(scene, server, place, monkeypatch) -> None:
    path, _ = scene
    fetched = fetched_item(serve(server, path))
    monkeypatch.setattr(files, "LARGEST", 1000)
    with pytest.raises(SatsrError, match=r"more than the limit of 0\.0 GB"):
        located(*red(fetched), fetched, ONCE)
    with pytest.raises(SatsrError, match=r"the server offers .* more than the limit of 1000"):
        located(*red(fetched, size=None), fetched, ONCE)
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(SatsrError, match="more than the limit of 100"):
        fetched_item(f"{server.url}/stac/{path.name}", ONCE)
    assert fetched.is_file() and not list(place.rglob("*.part"))


@pytest.mark.parametrize(
    "href",
    ["s3://bucket/B04.tif", "ftp://host/B04.tif", "file:///etc/hostname", "/vsicurl/http://x/a.tif", "../B04.tif"],
)
def test_an_item_of_the_web_reads_no_file_and_no_other_scheme(scene, server, href) -> None:
    path, _ = scene
    fetched = fetched_item(serve(server, path))
    with pytest.raises(SatsrError, match=r"only http, https and files beside the item|HTTP 404"):
        located(*red(fetched, href=href), fetched, ONCE)


def test_only_items_are_fetched_by_address(server, place) -> None:
    with pytest.raises(SatsrError, match=r"is no STAC item, and nothing else is fetched"):
        fetched_item(f"{server.url}/scene.TIF?sig=abcdefgh")
    assert server.requests == [] and not place.exists()


def test_files_beside_an_item_are_used_where_they_lie(scene, place) -> None:
    path, _ = scene
    assert located(*red(path), path) == (path.parent / "B04.tif").resolve()
    absolute = (path.parent / "B04.tif").resolve().as_uri()
    assert located(*red(path, href=absolute), path) == (path.parent / "B04.tif").resolve()
    assert not place.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"href": "../secret.tif"}, "outside of the item's folder"),
        ({"href": "/etc/hostname"}, "outside of the item's folder"),
        ({"href": "file:///etc/hostname"}, "outside of the item's folder"),
        ({"href": "link.tif"}, "outside of the item's folder"),
        ({"href": "gone.tif"}, "which is not there"),
        ({"href": "s3://bucket/B04.tif"}, "only http, https and files beside the item"),
        ({"checksum": "md5:" + "0" * 32}, "expected md5 0000"),
        ({"size": 5}, "expected 5 bytes, found"),
    ],
)
def test_what_is_not_beside_an_item_or_not_what_it_says_is_a_sentence(scene, tmp_path: Path, changes, sentence) -> None:
    path, _ = scene
    (tmp_path / "secret.tif").write_bytes(b"mine")
    (path.parent / "link.tif").symlink_to(tmp_path / "secret.tif")
    before = (path.parent / "B04.tif").read_bytes()
    with pytest.raises(SatsrError, match=sentence):
        located(*red(path, **changes), path)
    assert (path.parent / "B04.tif").read_bytes() == before


def test_a_note_beside_an_item_of_ones_own_makes_no_address_of_it(scene) -> None:
    path, _ = scene
    (path.parent / files.ADDRESS).write_text("http://127.0.0.1:1/x.json")
    assert located(*red(path), path) == (path.parent / "B04.tif").resolve()
