import json
import os
from pathlib import Path

import pytest

from satsr import doctor
from satsr.checkout import marks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path


def ended() -> int:
    """The number of a process that has ended."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def mark(root: Path, write: dict[str, int], read: dict[str, list[int]]) -> Path:
    def one(pid: int) -> dict[str, object]:
        return {"pid": pid, "cmd": "dvc repro"}

    found = {
        "write": {path: one(pid) for path, pid in write.items()},
        "read": {path: [one(pid) for pid in pids] for path, pids in read.items()},
    }
    (root / marks.FILE).write_text(json.dumps(found))
    return root / marks.FILE


def test_marks_of_the_dead_go_and_those_of_the_living_stay(root: Path) -> None:
    assert marks.left(root) == "" and doctor.lock(root).fine
    dead = ended()
    file = mark(root, {"/a": dead, "/b": os.getppid()}, {"/c": [dead], "/d": [dead, os.getppid()]})
    assert f"processes that are gone ({dead})" in doctor.lock(root).words
    (found,) = doctor.doctor(root, True, doctor.lock)
    assert found.fine
    kept = json.loads(file.read_text())
    assert list(kept["write"]) == ["/b"] and list(kept["read"]) == ["/d"]
    assert [one["pid"] for one in kept["read"]["/d"]] == [os.getppid()]


def test_a_number_that_was_given_again_is_no_living_holder(root: Path) -> None:
    """As in a container that was started anew: the mark is older than the process that has its number."""
    file = mark(root, {"/a": os.getppid()}, {})
    assert marks.left(root) == ""
    os.utime(file, (1e9, 1e9))
    assert str(os.getppid()) in marks.left(root)
    marks.sweep(root)
    assert json.loads(file.read_text()) == {"write": {}, "read": {}}


@pytest.mark.parametrize("text", ["", '{"write": {"/a": {"pi', "[]", '{"write": {"/a": {"cmd": "dvc"}}, "read": {}}'])
def test_half_a_file_of_marks_stops_nobody(text: str, root: Path) -> None:
    (root / marks.FILE).write_text(text)
    assert "is cut off" in doctor.lock(root).words
    marks.sweep(root)
    assert not (root / marks.FILE).exists() and doctor.lock(root).fine
