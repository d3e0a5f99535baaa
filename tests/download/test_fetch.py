import hashlib
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from satsr.download.fetch import Patience, fetch
from satsr.errors import SatsrError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("checksum", [SHA, MD5, None])
def test_a_file_is_fetched_and_nothing_else_is_left(tmp_path: Path, server, checksum: str | None) -> None:
    server.files["/a.bin"] = CONTENT
    path = fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=checksum, size=len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is(tmp_path: Path, server) -> None:
    server.files["/a.bin"] = CONTENT
    (tmp_path / "a.bin").write_bytes(CONTENT)
    fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA)
    assert server.requests == []
    (tmp_path / "a.bin").write_bytes(b"old")
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA).read_bytes() == CONTENT


def test_a_download_cut_at_60_percent_is_resumed(
    tmp_path: Path, server, patience: Patience, pauses: list[float]
) -> None:
    server.files["/a.bin"], server.cut_at = CONTENT, [0.6]
    path = fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA, patience=patience)
    assert path.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=1800000-"]
    assert pauses == [1.0]


def test_a_server_that_stalls_in_mid_transfer_is_left_and_asked_again(tmp_path: Path, server) -> None:
    server.files["/a.bin"], server.stall_at = CONTENT, [0.6]
    impatient = Patience(attempts=2, first_pause=0, timeout=0.2)
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA, patience=impatient).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=1800000-"]


@pytest.mark.slow
def test_a_server_that_always_stalls_is_a_sentence_and_what_came_is_kept(tmp_path: Path, server) -> None:
    server.files["/a.bin"], server.stall_at = CONTENT, [0.1, 0.1, 0.1]
    impatient = Patience(attempts=2, first_pause=0, timeout=0.2)
    with pytest.raises(SatsrError, match=r"the server sent nothing for 0 s \(2 attempts\)"):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA, patience=impatient)
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:300_000]


def test_a_server_that_drips_is_left(tmp_path: Path, server) -> None:
    server.files["/a.bin"], server.drips = CONTENT, True
    with pytest.raises(SatsrError, match=r"the server sent only \d+ bytes in"):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", patience=Patience(attempts=1, timeout=0.2))
    assert CONTENT.startswith((tmp_path / "a.bin.part").read_bytes())


def test_a_later_run_resumes_what_an_earlier_one_left(tmp_path: Path, server) -> None:
    server.files["/a.bin"], server.cut_at = CONTENT, [0.6, 0.6, 0.6]
    once = Patience(attempts=1)
    with pytest.raises(SatsrError, match="the connection ended after 1800000 of 3000000 bytes"):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA, patience=once)
    assert names(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    server.cut_at = []
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA).read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=1800000-"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("ranges", [True, False], ids=["ETag changed", "Range ignored"])
def test_what_cannot_be_resumed_is_begun_anew(tmp_path: Path, server, ranges: bool) -> None:
    server.files["/a.bin"], server.cut_at, server.ranges = CONTENT[::-1], [0.6], ranges
    with pytest.raises(SatsrError):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA, patience=Patience(attempts=1))
    server.files["/a.bin"], server.etag = CONTENT, '"two"'
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA).read_bytes() == CONTENT


def test_without_an_etag_a_length_that_changed_begins_anew(tmp_path: Path, server, patience: Patience) -> None:
    server.files["/a.bin"], server.cut_at, server.etag = CONTENT + b"!", [0.6], None
    with pytest.raises(SatsrError):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", patience=Patience(attempts=1))
    server.files["/a.bin"] = CONTENT
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", patience=patience).read_bytes() == CONTENT


def test_a_wrong_checksum_names_both_removes_the_file_and_tries_the_mirror(tmp_path: Path, server) -> None:
    server.files["/bad.bin"], server.files["/a.bin"] = b"x" * len(CONTENT), CONTENT
    found = hashlib.sha256(server.files["/bad.bin"]).hexdigest()
    with pytest.raises(SatsrError, match=f"expected sha256 {SHA[7:]}, found {found}"):
        fetch([f"{server.url}/bad.bin"], tmp_path / "a.bin", checksum=SHA)
    assert names(tmp_path) == []
    urls = [f"{server.url}/bad.bin", f"{server.url}/none.bin", f"{server.url}/a.bin"]
    assert fetch(urls, tmp_path / "a.bin", checksum=SHA).read_bytes() == CONTENT


def test_a_wrong_size_is_refused_before_it_is_fetched(tmp_path: Path, server) -> None:
    server.files["/a.bin"] = CONTENT
    with pytest.raises(SatsrError, match="expected 7 bytes, the server offers 3000000"):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", size=7)
    assert names(tmp_path) == []


def test_a_web_page_is_not_taken_for_data(tmp_path: Path, server) -> None:
    server.html = True
    with pytest.raises(SatsrError, match="a web page came instead of the file"):
        fetch([f"{server.url}/a.zip"], tmp_path / "a.zip")
    server.html, server.files["/b"] = False, b"\n<!doctype HTML>log in"
    with pytest.raises(SatsrError, match="a web page came instead of the file"):
        fetch([f"{server.url}/b"], tmp_path / "b")
    server.files["/c.zip"] = b"Too many requests"
    with pytest.raises(SatsrError, match="the content is not what the name says"):
        fetch([f"{server.url}/c.zip"], tmp_path / "c.zip")
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again_with_growing_pauses(
    tmp_path: Path, server, patience, pauses: list[float]
) -> None:
    server.files["/a.bin"], server.statuses = CONTENT, [503, 429]
    fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA, patience=patience)
    assert pauses == [1.0, 2.0]


def test_a_missing_file_is_not_asked_for_again(tmp_path: Path, server, patience, pauses: list[float]) -> None:
    with pytest.raises(SatsrError, match=r"a\.bin could not be downloaded.*HTTP 404"):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", patience=patience)
    assert len(server.requests) == 1
    assert pauses == []


def test_no_server_at_all_is_a_sentence(tmp_path: Path, server, patience: Patience) -> None:
    with pytest.raises(SatsrError, match=r"refused.*\(3 attempts\)"):
        fetch(["http://127.0.0.1:1/a.bin"], tmp_path / "a.bin", patience=patience)


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(SatsrError, match="only http and https"):
        fetch([(tmp_path / "secret").as_uri()], tmp_path / "a.bin")


def test_a_server_that_sends_on_is_followed_to_http_alone(tmp_path: Path, server) -> None:
    server.files["/b.bin"], server.sent_on = CONTENT, {"/a.bin": "/b.bin", "/c.bin": "ftp://127.0.0.1:1/c.bin"}
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", checksum=SHA).read_bytes() == CONTENT
    with pytest.raises(SatsrError, match="sends on to an address that is not http or https"):
        fetch([f"{server.url}/c.bin"], tmp_path / "c.bin")


@pytest.mark.parametrize("lengths", [True, False])
def test_no_more_than_the_limit_is_taken(tmp_path: Path, server, lengths: bool) -> None:
    server.files["/a.bin"], server.lengths = CONTENT, lengths
    with pytest.raises(SatsrError, match="more than the limit of 1500000"):
        fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", limit=1_500_000)
    assert names(tmp_path) == []
    assert fetch([f"{server.url}/a.bin"], tmp_path / "a.bin", limit=len(CONTENT)).read_bytes() == CONTENT


def test_secrets_in_addresses_are_shown_nowhere(tmp_path: Path, server) -> None:
    server.files["/a.bin"], server.cut_at = CONTENT, [0.5]
    url = server.url.replace("http://", "http://me:hunter2@") + "/a.bin?token=abcdef123"
    with pytest.raises(SatsrError) as caught:
        fetch([url, f"{server.url}/a.bin?token=abcdef123"], tmp_path / "a.bin", patience=Patience(attempts=1))
    told = str(caught.value) + "".join(file.read_text() for file in tmp_path.glob("*.json"))
    assert "a.bin" in told
    assert "hunter2" not in told
    assert "abcdef123" not in told


def test_proxies_of_the_environment_are_used(tmp_path: Path, server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["http://data.example/a.bin"] = CONTENT  # a proxy is asked for the whole address
    monkeypatch.setenv("http_proxy", server.url)
    assert fetch(["http://data.example/a.bin"], tmp_path / "a.bin", checksum=SHA).read_bytes() == CONTENT


def _fetch(arguments: tuple[str, Path]) -> bytes:
    return fetch([arguments[0]], arguments[1], checksum=SHA).read_bytes()


def test_two_processes_share_one_download(tmp_path: Path, server) -> None:
    server.files["/a.bin"] = CONTENT
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_fetch, [(f"{server.url}/a.bin", tmp_path / "a.bin")] * 2) == [CONTENT] * 2
    assert len(server.requests) == 1
    assert names(tmp_path) == ["a.bin"]
