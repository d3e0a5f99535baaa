import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from satsr.checkout.first import first, made
from satsr.checkout.moved import DATABASES


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ZenML's database lies in a checkout."""
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(tmp_path / ".zenml"))
    file = tmp_path / DATABASES[1].file
    file.parent.mkdir(parents=True)
    return file


def fill(file: Path, *commands: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        for command in commands:
            database.execute(command)


TABLE, USERS = "CREATE TABLE project (name TEXT)", "CREATE TABLE user (name TEXT)"
VERSION = ("CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('0.98.0')")


def test_half_a_database_of_a_killed_process_goes_and_any_other_stays(file: Path, tmp_path: Path) -> None:
    fill(file, TABLE)
    first(tmp_path)
    assert not file.exists()


@pytest.mark.parametrize(
    ("commands", "whole"),
    [
        ((TABLE, *VERSION), False),
        ((TABLE, *VERSION, USERS), False),
        ((TABLE, *VERSION, USERS, "INSERT INTO user VALUES ('default')"), True),
    ],
)
def test_a_database_that_has_its_version_is_kept(
    commands: tuple[str, ...], whole: bool, file: Path, tmp_path: Path
) -> None:
    fill(file, *commands)
    first(tmp_path)
    assert file.exists() and made(file) == whole


def test_what_is_no_database_is_left_to_zenml(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"no database" * 1000)
    first(tmp_path)
    assert file.exists()


def test_a_database_elsewhere_is_none_of_ours(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(file, TABLE)
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(tmp_path / "elsewhere"))
    first(tmp_path)
    assert file.exists()


PROCESS = """
import sqlite3, sys
from contextlib import closing
from pathlib import Path
from satsr.checkout.first import first, made

first(Path(sys.argv[1]))
print("made" if made(Path(sys.argv[2])) else "alone", flush=True)
for command in sys.stdin:
    with closing(sqlite3.connect(sys.argv[2])) as database, database:
        database.execute(command)
"""


@pytest.mark.slow
def test_who_comes_second_waits_until_the_database_is_there(file: Path, tmp_path: Path) -> None:
    def process() -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), str(file)], **pipes)

    with process() as one:
        assert one.stdout.readline() == "alone\n"
        with process() as other:
            assert "being made by another process: waiting" in other.stderr.readline()
            for command in (TABLE, *VERSION, USERS, "INSERT INTO user VALUES ('default')"):
                one.stdin.write(f"{command}\n")
            one.stdin.flush()
            assert other.stdout.readline() == "made\n"
            other.stdin.close()
