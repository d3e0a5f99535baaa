import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from satsr.errors import SatsrError
from satsr.files import NOT_HELD, disk_errors, finite, read_json, replacing, require_space, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for name in ("first", "second"):
        with replacing(folder) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [item.name for item in folder.iterdir()] == ["second"]
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


KILLED = """
import os, sys
from pathlib import Path
from satsr.files import replacing

def die(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), 9)

with replacing(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    (temporary / "new").touch()
    die("writing")
    replace = Path.replace
    Path.replace = lambda self, target: die("renaming") or replace(self, target)
"""


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_what_a_killed_process_left_is_gone_after_the_next_and_nothing_is_lost(moment: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), moment])
    assert done.returncode == -signal.SIGKILL
    assert [item.name for item in tmp_path.glob(".*")] == [".out.0.tmp"]
    with suppress(RuntimeError), replacing(path):
        raise RuntimeError("no new one")
    assert [item.name for item in path.iterdir()] == ["old"]
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_what_a_second_process_left_is_gone_as_well(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    with suppress(RuntimeError), replacing(path):  # holds number 0 meanwhile
        for moment in ("writing", "renaming"):
            subprocess.run([sys.executable, "-c", KILLED, str(path), moment])
        assert [item.name for item in tmp_path.iterdir()] == [".out.0.tmp", ".out.1.tmp"] and not path.exists()
        raise RuntimeError
    with suppress(RuntimeError), replacing(tmp_path / "out.1"):  # of another name
        raise RuntimeError
    assert {item.name for item in tmp_path.iterdir()} == {".out.1.tmp"}
    with suppress(RuntimeError), replacing(path):
        raise RuntimeError
    assert [item.name for item in path.iterdir()] == ["old"]
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("number", NOT_HELD)
def test_where_folders_cannot_be_held_nothing_stays_and_what_was_killed_goes_after_a_day(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(handle: int, operation: int) -> None:
        raise OSError(number, "this file system locks no folders")

    monkeypatch.setattr("fcntl.flock", refused)
    path = tmp_path / "out"
    with replacing(path) as first, replacing(path) as second:
        assert first.parent != second.parent
        first.write_text("first")
        second.write_text("second")
    assert [item.name for item in tmp_path.iterdir()] == ["out"]
    path.unlink()
    for name, age in (("killed000", 90_000), ("at_work0", 80_000)):
        left = tmp_path / f".out.free-{name[:8]}.tmp"
        (left / "replaced").mkdir(parents=True)
        for file in (left / "replaced", left):
            os.utime(file, (time.time() - age,) * 2)
    with suppress(RuntimeError), replacing(path):
        raise RuntimeError
    assert {item.name for item in tmp_path.iterdir()} == {"out", ".out.free-at_work0.tmp"} and path.is_dir()


def test_two_that_replace_the_same_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        assert first.parent != second.parent
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_infinite_numbers_become_null_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"psnr": float("inf"), "rows": [float("nan"), 1.5]})
    assert read_json(tmp_path / "a.json") == {"psnr": None, "rows": [None, 1.5]}
    assert finite({1: (2.0,)}) == {"1": [2.0]}


def test_broken_json_is_a_sentence(tmp_path: Path) -> None:
    for broken in (b"{", b"\xff", b"[" * 100_000, b"1" * 5000):
        (tmp_path / "a.json").write_bytes(broken)
        with pytest.raises(SatsrError, match="is not valid JSON"):
            read_json(tmp_path / "a.json")
    with pytest.raises(SatsrError, match="run the stage that makes it"):
        read_json(tmp_path / "b.json")


def test_what_does_not_fit_is_refused_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=r"needs 1000000000.00 GB in .* are free"):
        require_space(tmp_path / "not" / "there", 10**18, "converting")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission is denied")],
)
def test_errors_of_the_disk_are_sentences(number: int, words: str) -> None:
    with pytest.raises(SatsrError, match=words), disk_errors("writing"):
        raise OSError(number, "x", "file.bin")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(OSError, match="x"), disk_errors("writing"):
        raise OSError(errno.EIO, "x")
