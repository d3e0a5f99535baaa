import os
import shutil
import subprocess
from pathlib import Path

import pytest

from satsr import doctor
from satsr.files import write_json, write_text
from satsr.project import lent


def test_a_virtual_environment_that_moved_is_found_and_repaired(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / ".venv/bin").mkdir(parents=True)
    write_text(old / ".venv/pyvenv.cfg", f"home = /usr/bin\ncommand = /usr/bin/python3 -m venv {old}/.venv\n")
    assert doctor.environment(old).fine
    write_text(old / ".venv/bin/tool", f"#!{old}/.venv/bin/python\nprint('it runs')\n")
    (old / ".venv/bin/tool").chmod(0o755)
    (old / ".venv/bin/python").symlink_to(shutil.which("python3"))
    (old / ".venv/bin/program").write_bytes(b"\x7fELF\xff" + str(old).encode())
    write_text(old / ".venv/lib/python3.11/site-packages/__editable__.satsr-0.1.0.pth", f"{old}\n")
    old.rename(new)
    found = doctor.environment(new)
    assert not found.fine and f"was made in {old}/.venv" in found.words and found.mend is not None
    found.mend()
    assert doctor.environment(new).fine
    assert subprocess.run([new / ".venv/bin/tool"], capture_output=True, text=True).stdout == "it runs\n"
    assert (new / ".venv/lib/python3.11/site-packages/__editable__.satsr-0.1.0.pth").read_text() == f"{new}\n"
    assert str(old).encode() in (new / ".venv/bin/program").read_bytes()


def test_a_copied_environment_is_said_to_run_the_other_checkout(tmp_path: Path) -> None:
    (tmp_path / "first/.venv").mkdir(parents=True)
    write_text(tmp_path / "copy/.venv/pyvenv.cfg", f"command = /usr/bin/python3 -m venv {tmp_path}/first/.venv\n")
    found = doctor.environment(tmp_path / "copy")
    assert not found.fine and f"(satsr, zenml, dvc, mlflow) run the checkout in {tmp_path}/first." in found.words
    (tmp_path / "first/.venv").rmdir()
    assert "start nothing" in doctor.environment(tmp_path / "copy").words


def test_what_is_not_set_up_yet_is_no_fault_and_a_store_elsewhere_needs_no_database_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor.folders(tmp_path)
    assert found.fine and str(found).startswith("to do  tools") and "`satsr setup`" in found.words and found.mend
    for name in (".dvc", ".zen"):
        (tmp_path / name).mkdir()
    assert "mlflow.db missing" in doctor.folders(tmp_path).words
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert doctor.folders(tmp_path).fine


def test_an_environment_in_a_place_with_spaces_is_made_again(tmp_path: Path) -> None:
    root = tmp_path / "my work"
    write_text(root / ".venv/pyvenv.cfg", "command = /usr/bin/python3 -m venv /gone/.venv\n")
    found = doctor.environment(root)
    assert not found.fine and found.mend is None and found.words.endswith("rm -rf .venv && make install.")


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    from importlib.metadata import version

    write_text(tmp_path / "requirements.lock", f"# made by hand\nnumpy=={version('numpy')}\n")
    assert doctor.packages(tmp_path).fine
    write_text(tmp_path / "requirements.lock", "numpy==0.1\nno-such-package==1.0\n")
    found = doctor.packages(tmp_path)
    assert not found.fine
    assert "missing: no-such-package; other than in requirements.lock: numpy" in found.words
    assert found.words.endswith("touch pyproject.toml && make install.")


PARAMS = "papers: {qanet: {profile: quick, train: {lr: 0.1}}}\n"


@pytest.mark.parametrize(
    ("now", "left", "told"),
    [
        (PARAMS.replace("0.1", "9"), PARAMS, "ok     params.yaml repaired: holds no other run's settings"),
        (PARAMS.replace("0.1", "9") + "# mine\n", PARAMS + "# mine\n", "were taken out (qanet.train.lr = 0.1)."),
        ("papers: {", "papers: {", "WRONG  params.yaml still holds the settings of a run that was killed."),
        ("papers: {", "papers: {", "was edited while it held the settings of a run, and is no YAML now"),
    ],
)
def test_the_settings_of_a_killed_run_are_found_and_taken_out(now: str, left: str, told: str, tmp_path: Path) -> None:
    assert doctor.params(tmp_path).fine
    write_text(tmp_path / "params.yaml", now)
    noted = {"paper": "qanet", "run": "", "before": PARAMS, "after": PARAMS.replace("0.1", "9")}
    write_json(lent(tmp_path), noted)
    assert not doctor.params(tmp_path).fine
    (found,) = doctor.doctor(tmp_path, True, doctor.params)
    assert told in str(found)
    assert (tmp_path / "params.yaml").read_text() == left
    assert doctor.params(tmp_path).fine is (left != "papers: {")


def test_the_settings_of_a_run_that_is_going_on_are_left_alone(tmp_path: Path) -> None:
    from satsr.locks import locked

    write_json(lent(tmp_path), {"paper": "qanet", "before": "before", "after": "after"})
    with locked(tmp_path / "scratch" / "params"):
        found = doctor.params(tmp_path)
    assert found.fine and found.mend is None and "going on" in found.words


def test_a_damaged_database_and_one_of_another_version_are_told(tmp_path: Path) -> None:
    import sqlite3

    assert doctor.databases(tmp_path).fine
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('451aebb31d03')")
    assert "mlflow.db was made by another version of mlflow" in doctor.databases(tmp_path).words
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    found = doctor.databases(tmp_path)
    assert not found.fine and "mlflow.db cannot be read" in found.words


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_files_of_another_user_are_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    assert "may not write results: sudo chown" in doctor.user(tmp_path).words


LOCK = """\
schema: '2.0'
stages:
  convert@tiny:
    cmd: python -m steps convert tiny
    deps:
    - path: data/raw/tiny
      hash: md5
      md5: aa11.dir
    outs:
    - path: data/lmdb/tiny
      hash: md5
      md5: bb22.dir
      size: 3
  train@tiny:
    cmd: python -m steps train tiny
    outs:
    - path: results/tiny/train
      hash: md5
      md5: cc33.dir
"""


def test_outputs_that_are_neither_here_nor_in_the_cache_are_counted(tmp_path: Path) -> None:
    write_text(tmp_path / "dvc.lock", LOCK)
    (tmp_path / "results/tiny/train").mkdir(parents=True)
    assert doctor.cache(tmp_path).words == "1 of 2 outputs of dvc.lock are here; runs make the others"
    write_text(tmp_path / ".dvc/cache/files/md5/bb/22.dir", "[]")
    assert doctor.cache(tmp_path).words == "2 of 2 outputs of dvc.lock are here"
    assert doctor.cache(tmp_path / "fresh").fine


def test_a_finding_is_one_line() -> None:
    assert str(doctor.Finding("git", "commit 1234")) == "ok     git         commit 1234"
    assert str(doctor.Finding("git", "is not installed.", fine=False)).startswith("WRONG  git ")
