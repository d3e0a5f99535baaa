import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satsr.errors import SatsrError
from satsr.locks import held, held_in, locked


def count_up(path: Path) -> None:
    """Reads and writes without care, many times: only a lock keeps the count right."""
    for _ in range(20):
        with locked(path):
            path.write_text(str(int(path.read_text()) + 1))


def test_one_process_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(count_up, [path] * 3)
    assert path.read_text() == "60"
    assert [file.name for file in tmp_path.iterdir()] == ["count"]


def test_a_killed_holders_lock_blocks_nobody_and_goes_with_the_next(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from satsr.locks import locked\n"
    code += "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")]).returncode == -signal.SIGKILL
    assert (tmp_path / ".a.lock").exists() and not held(tmp_path / "a")
    with locked(tmp_path / "a", timeout=0):
        assert held(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_what_is_held_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "qanet").mkdir()
    (tmp_path / ".left.lock").touch()
    with locked(tmp_path / "params"), locked(tmp_path / "qanet" / "train"):
        assert held_in(tmp_path) == [tmp_path / "params", tmp_path / "qanet" / "train"]
    assert held_in(tmp_path) == []


def test_who_waits_too_long_is_told_so(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "a"),
        pytest.raises(SatsrError, match="another process has been working on"),
        locked(tmp_path / "a", timeout=0),
    ):
        pass
