import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satsr.errors import SatsrError
from satsr.locks import locked


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


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from satsr.locks import locked\n"
    code += "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")]).returncode == -signal.SIGKILL
    with locked(tmp_path / "a", timeout=0):
        pass


def test_who_waits_too_long_is_told_so(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "a"),
        pytest.raises(SatsrError, match="another process has been working on"),
        locked(tmp_path / "a", timeout=0),
    ):
        pass
