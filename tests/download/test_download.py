import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from satsr.download.card import Card, Source
from satsr.download.download import download, zenodo_files
from satsr.errors import SatsrError
from satsr.files import sha256
from satsr.store.raw import Raw, raw_root, read_raw

EMBEDDED = {"kind": "video", "train": 1, "val": 1, "frames": 2, "size": (64, 64)}


def card(layout: str = "auto", **source: object) -> Card:
    return Card(name="test", layout=layout, source=Source.model_validate(source))


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return buffer.getvalue()


def serve_record(server, files: dict[str, bytes], number: int = 7) -> None:
    """What Zenodo's API answers, as far as it is read."""
    entries = []
    for name, content in files.items():
        server.files[f"/files/{name}/content"] = content
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        link = {"self": f"{server.url}/files/{name}/content"}
        entries.append({"key": name, "size": len(content), "checksum": f"md5:{md5}", "links": link})
    server.files[f"/api/records/{number}"] = json.dumps({"id": number, "files": entries}).encode()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_embedded_scenes_are_drawn_to_the_same_bytes(tmp_path: Path) -> None:
    first, second = (download(card("gt_lr", embedded=EMBEDDED), tmp_path / name) for name in ("a", "b"))
    assert first == second == read_raw(tmp_path / "a")
    assert first.root == "."
    assert [entry["path"] for entry in first.files] == [
        f"{split}/GT/000/0000000{frame}.png" for split in ("train", "val") for frame in (0, 1)
    ]
    entry = first.files[0]
    path = tmp_path / "a" / entry["path"]
    assert (entry["bytes"], entry["sha256"]) == (path.stat().st_size, sha256(path))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a", "b"]


def test_files_of_ones_own_are_listed_not_copied(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "my frames" / "clip", 2)
    (tmp_path / "my frames" / ".hidden").write_text("x")
    found = download(card(files={"path": "my frames"}), tmp_path / "raw", base=tmp_path)
    assert found.root == "my frames"
    assert [entry["path"] for entry in found.files] == ["clip/00000000.png", "clip/00000001.png"]
    assert names(tmp_path / "raw") == ["raw.json"]
    assert raw_root(tmp_path / "raw", found, tmp_path) == tmp_path / "my frames"


def test_a_change_of_ones_own_files_changes_the_download_and_is_noticed(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "f", 3)
    source = card(files={"path": "f"})
    before = download(source, tmp_path / "raw", base=tmp_path)
    make_clip(tmp_path / "f", 2, seed=1)
    os.truncate(tmp_path / "f/00000002.png", 5)
    with pytest.raises(SatsrError, match=r"00000002\.png.*run it again"):
        raw_root(tmp_path / "raw", before, tmp_path)
    after = download(source, tmp_path / "raw", base=tmp_path)
    assert [entry["sha256"] for entry in before.files] != [entry["sha256"] for entry in after.files]


def test_folders_behind_links_are_followed_once(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "disk" / "clip", 2)
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "disk")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "disk")
    found = download(card(files={"path": str(tmp_path / "data")}), tmp_path / "raw")
    assert [entry["path"] for entry in found.files] == ["linked/clip/00000000.png", "linked/clip/00000001.png"]


def test_links_that_lead_nowhere_are_listed(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "clip", 2)
    for name in ("00000002.png", "00000003.png"):
        (tmp_path / "clip" / name).symlink_to(tmp_path / "gone" / name)
    with pytest.raises(SatsrError, match=r"(?s)lead nowhere.*\(2 found\).*00000002\.png -> .*00000003\.png -> "):
        download(card(files={"path": "clip"}), tmp_path / "raw", base=tmp_path)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(("path", "says"), [("none", "does not exist"), ("empty", "is empty")])
def test_a_missing_or_empty_folder_is_a_sentence(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SatsrError, match=says):
        download(card(files={"path": path}), tmp_path / "raw", base=tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["empty"]


def test_one_archive_is_unpacked_and_removed(tmp_path: Path, server) -> None:
    server.files["/d.zip"] = zipped("train/GT/000/0.png", "val/GT/000/0.png")
    found = download(card(urls=[{"name": "d.zip", "urls": [f"{server.url}/d.zip"]}]), tmp_path / "raw")
    assert [entry["path"] for entry in found.files] == ["train/GT/000/0.png", "val/GT/000/0.png"]
    assert names(tmp_path) == ["raw/raw.json", "raw/train/GT/000/0.png", "raw/val/GT/000/0.png"]


def test_what_was_fetched_is_kept_while_the_card_and_the_bytes_are_the_same(tmp_path: Path, server) -> None:
    server.files["/d.zip"] = zipped("train/GT/000/0.png", "val/GT/000/0.png")
    source = card(urls=[{"name": "d.zip", "urls": [f"{server.url}/d.zip"]}])
    first = download(source, tmp_path / "raw")
    fetched = len(server.requests)
    assert download(source, tmp_path / "raw") == first and len(server.requests) == fetched
    damaged = tmp_path / "raw/val/GT/000/0.png"
    damaged.write_bytes(bytes(reversed(damaged.read_bytes())))
    assert download(source, tmp_path / "raw") == first and len(server.requests) == fetched + 1
    other = source.model_copy(update={"notes": "another card"})
    assert download(other, tmp_path / "raw").card_sha256 != first.card_sha256
    assert len(server.requests) == fetched + 2


def test_a_zenodo_record_is_resolved_and_checked(tmp_path: Path, server) -> None:
    serve_record(server, {"train.zip": zipped("GT/0/0.png"), "val.zip": zipped("GT/0/0.png"), "readme.txt": b"hello"})
    source = card(zenodo={"record": 7})
    download(source, tmp_path / "raw", zenodo=f"{server.url}/api/records")
    assert names(tmp_path) == ["raw/raw.json", "raw/readme.txt", "raw/train/GT/0/0.png", "raw/val/GT/0/0.png"]


def test_a_file_that_is_not_what_zenodo_lists_stops_and_changes_nothing(tmp_path: Path, server, patience) -> None:
    serve_record(server, {"a.txt": b"hello"})
    source = card("frames", zenodo={"record": 7})
    before = download(source, tmp_path / "raw", zenodo=f"{server.url}/api/records")
    server.files["/files/a.txt/content"] = b"jello"
    wider = card("frames", zenodo={"record": 7, "files": ["*.txt"]})  # another card is fetched anew
    with pytest.raises(SatsrError, match="expected md5"):
        download(wider, tmp_path / "raw", zenodo=f"{server.url}/api/records", patience=patience)
    assert read_raw(tmp_path / "raw") == before


@pytest.mark.parametrize(
    ("files", "says"),
    [({}, "lists no open files"), ({"a.txt": b"x"}, r"no file that matches \*\.zip \(it lists a\.txt\)")],
)
def test_a_record_without_the_files_is_a_sentence(tmp_path: Path, server, files: dict[str, bytes], says: str) -> None:
    serve_record(server, files)
    source = card(zenodo={"record": 7, "files": ["*.zip"]}).source.zenodo
    assert source is not None
    with pytest.raises(SatsrError, match=says):
        zenodo_files(source, tmp_path, None, f"{server.url}/api/records")


def test_an_archive_that_cannot_be_unpacked_is_not_even_fetched(tmp_path: Path, server) -> None:
    serve_record(server, {"a.7z": b"x"})
    with pytest.raises(SatsrError, match="unpack it yourself"):
        download(card(zenodo={"record": 7}), tmp_path / "raw", zenodo=f"{server.url}/api/records")
    assert [path for path, _ in server.requests] == ["/api/records/7"]


def test_a_broken_download_is_continued_by_the_next_run(tmp_path: Path, server, patience) -> None:
    content = os.urandom(200_000)
    server.files["/a.bin"], server.cut_at = content, [0.6] * 3
    source = card("frames", urls=[{"name": "a.bin", "urls": [f"{server.url}/a.bin"]}])
    server.ranges = False
    with pytest.raises(SatsrError, match="connection ended"):
        download(source, tmp_path / "raw", patience=patience)
    assert not (tmp_path / "raw").exists()
    server.ranges = True
    download(source, tmp_path / "raw", patience=patience)
    assert server.requests[-1] == ("/a.bin", "bytes=120000-")
    assert (tmp_path / "raw/a.bin").read_bytes() == content
    assert [item.name for item in tmp_path.iterdir()] == ["raw"]


def test_data_to_be_fetched_by_hand_say_where_how_and_what_and_go_on_when_there(tmp_path: Path, make_clip) -> None:
    manual = {"where": "data/manual/x", "how": "Log in at example.org.", "size": "41 GB", "expected": "train/GT"}
    source = card(manual=manual)
    with pytest.raises(SatsrError, match=r"Log in at example\.org\. Put them into .*data/manual/x \(41 GB\).*train/GT"):
        download(source, tmp_path / "raw", base=tmp_path)
    make_clip(tmp_path / "data/manual/x/train/GT/0", 2)
    assert download(source, tmp_path / "raw", base=tmp_path).root == "data/manual/x"


def test_an_unfinished_download_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="run the download stage"):
        read_raw(tmp_path)
    (tmp_path / "raw.json").write_text("{}")
    with pytest.raises(SatsrError, match="written by another version"):
        read_raw(tmp_path)


def test_unknown_scenes_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="no embedded scenes are called 'moon'"):
        download(card(embedded={**EMBEDDED, "kind": "moon"}), tmp_path / "raw")


def test_the_total_size_is_known(tmp_path: Path) -> None:
    files = [{"path": "a", "bytes": 3, "sha256": ""}, {"path": "b", "bytes": 4, "sha256": ""}]
    assert Raw(".", {}, "", files).bytes == 7


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"files": 3},
        {"files": [{"key": "a.zip"}]},
        {"files": [{"key": "../a.zip", "size": 1, "checksum": "0" * 32, "links": {"self": "https://a/b"}}]},
        {"files": [{"key": "a.zip", "size": 1, "checksum": "0" * 32, "links": {"self": "file:///etc/passwd"}}]},
        {"files": [{"key": "a.zip", "size": "x", "checksum": 7, "links": []}]},
    ],
)
def test_an_answer_of_zenodo_that_makes_no_sense_is_a_sentence(tmp_path: Path, server, answer: object) -> None:
    server.files["/api/records/7"] = json.dumps(answer).encode()
    with pytest.raises(SatsrError, match="what Zenodo says of record 7 is not understood"):
        download(card(zenodo={"record": 7}), tmp_path / "raw", zenodo=f"{server.url}/api/records")
    assert not (tmp_path / "raw").exists()


def test_a_token_in_an_address_is_not_kept_with_the_data(tmp_path: Path, server) -> None:
    server.files["/a.bin"] = b"content"
    made = card(urls=[{"name": "a.bin", "urls": [f"{server.url}/a.bin?token=hunter2secret"]}])
    download(made, tmp_path / "raw")
    assert (tmp_path / "raw/a.bin").read_bytes() == b"content"
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and all(b"hunter2secret" not in path.read_bytes() for path in kept)
