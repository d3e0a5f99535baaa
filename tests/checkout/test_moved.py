import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from satsr.checkout import moved
from satsr.errors import SatsrError
from satsr.locks import locked
from tests.killed import apart, struck
from tests.stages import ROOT

ZENML, MLFLOW = moved.DATABASES[1].file, Path("mlflow.db")
MLMODEL = Path("mlruns/qanet/models/m-1/artifacts/MLmodel")
CONFIG = "store:\n  backup_directory: {0}/.zenml/database_backup\n  url: sqlite:///{0}/.zenml/local_stores/x/zenml.db\n"


def model(root: Path) -> str:
    """As MLflow writes it: an address with escapes; a path for the case that it has one."""
    return f"artifact_path: {root.as_uri()}/mlruns/qanet\npath: '{root}/mlruns/qanet'\nother: /x{root}/mlruns/qanet\n"


def written(root: Path) -> Path:
    """A checkout whose databases name its files, as the tools write them there."""
    (root / ZENML).parent.mkdir(parents=True)
    (root / "mlruns/qanet/models/m-1/artifacts").mkdir(parents=True)
    (root / MLMODEL).write_text(model(root))
    (root / ".zenml/local_stores/1/logs").mkdir(parents=True)
    (root / ".zenml/local_stores/1/logs/a.log").touch()
    (root / "dvc.yaml").touch()
    (root / moved.CONFIG).write_text(CONFIG.format(root))
    with sqlite3.connect(root / MLFLOW) as database:
        database.execute("CREATE TABLE experiments (artifact_location TEXT)")
        database.execute("CREATE TABLE runs (artifact_uri TEXT)")
        database.execute("INSERT INTO experiments VALUES (?)", (f"{root}/mlruns/0",))
        rows = [
            (f"{root.as_uri()}/mlruns/qanet/1/artifacts",),
            ("s3://bucket/mlruns/2",),
            ("file:///unmounted/mlruns/3",),
        ]
        database.executemany("INSERT INTO runs VALUES (?)", rows)
    with sqlite3.connect(root / ZENML) as database:
        database.execute("CREATE TABLE logs (uri TEXT)")
        database.execute("INSERT INTO logs VALUES (?)", (f"{root}/.zenml/local_stores/1/logs/a.log",))
    return root


def column(root: Path, file: Path, asked: str) -> list[str]:
    with sqlite3.connect(root / file) as database:
        return [value for (value,) in database.execute(asked)]


def test_a_checkout_that_stayed_names_no_other_place(tmp_path: Path) -> None:
    root = written(tmp_path / "here")
    assert moved.former(root) == [] and moved.bring(root) == []
    assert (root / moved.CONFIG).read_text() == CONFIG.format(root)


def leads_to(new: Path) -> None:
    """Whether everything in the checkout names its place."""
    assert column(new, MLFLOW, "SELECT artifact_location FROM experiments") == [f"{new}/mlruns/0"]
    assert column(new, MLFLOW, "SELECT artifact_uri FROM runs")[0] == f"{new.as_uri()}/mlruns/qanet/1/artifacts"
    assert column(new, ZENML, "SELECT uri FROM logs") == [f"{new}/.zenml/local_stores/1/logs/a.log"]
    assert (new / moved.CONFIG).read_text() == CONFIG.format(new)
    assert (new / MLMODEL).read_text().splitlines()[:2] == model(new).splitlines()[:2]
    assert moved.former(new) == []


@pytest.mark.parametrize("name", ["there", "über there", "here/sub", r"a\1back\slash", "deep{old}"])
@pytest.mark.parametrize("copied", [False, True])
def test_every_path_leads_to_the_new_place(name: str, copied: bool, tmp_path: Path) -> None:
    old = written(tmp_path / "old place")
    new = tmp_path / name.format(old=old)
    new.parent.mkdir(exist_ok=True, parents=True)
    if copied:
        shutil.copytree(old, new)
    else:
        old.rename(new)
    assert moved.bring(new) == [str(old)]
    leads_to(new)
    assert (new / MLMODEL).read_text().splitlines()[2] == f"other: /x{old}/mlruns/qanet"


@pytest.mark.parametrize("place", range(2))
@pytest.mark.parametrize("after", [False, True])
def test_what_was_killed_in_mid_move_is_brought_to_its_end(place: int, after: bool, tmp_path: Path) -> None:
    old = written(tmp_path / "old place")
    new = old.rename(tmp_path / "new place")
    assert apart(struck, place, after, moved.bring, new) == -signal.SIGKILL
    moved.bring(new)
    leads_to(new)


def test_a_checkout_that_only_dvc_was_used_in_is_brought_along(tmp_path: Path) -> None:
    old = written(tmp_path / "old place")
    shutil.rmtree(old / ".zenml")
    (old / "mlruns/0").mkdir()
    new = old.rename(tmp_path / "new place")
    assert moved.follow(new).startswith(f"this checkout was at {old}: ")
    assert column(new, MLFLOW, "SELECT artifact_location FROM experiments") == [f"{new}/mlruns/0"]


def test_nothing_is_rewritten_under_another_process(tmp_path: Path) -> None:
    old = written(tmp_path / "old place")
    new = old.rename(tmp_path / "new place")
    before = (new / MLFLOW).read_bytes(), (new / moved.CONFIG).read_bytes(), (new / MLMODEL).read_bytes()
    with locked(new / "scratch/qanet/train"):
        assert "another process is at work in it (scratch/qanet/train)" in moved.follow(new)
        with pytest.raises(SatsrError, match="when that has ended, satsr doctor --mend"):
            moved.bring(new)
    assert before == ((new / MLFLOW).read_bytes(), (new / moved.CONFIG).read_bytes(), (new / MLMODEL).read_bytes())
    moved.bring(new)
    leads_to(new)


def test_commands_that_only_read_rewrite_nothing_and_find_the_files(tmp_path: Path) -> None:
    old = written(tmp_path / "old")
    shutil.copytree(ROOT / "satsr", old / "satsr", ignore=shutil.ignore_patterns("__pycache__"))
    (old / "params.yaml").touch()
    new = old.rename(tmp_path / "new")
    before = {path: path.read_bytes() for path in (new / MLFLOW, new / ZENML, new / moved.CONFIG, new / MLMODEL)}
    environment = {**os.environ, "PYTHONPATH": str(new)}
    for arguments in (["--version"], ["--help"]):
        command = [sys.executable, "-m", "satsr.cli", *arguments]
        done = subprocess.run(command, cwd=new, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and str(old) not in done.stdout + done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert moved.present(old / "mlruns/qanet", new) == new / "mlruns/qanet"
    assert moved.present(old / "mlruns/none", new) == old / "mlruns/none"
    apply = [sys.executable, "-c", "from satsr import quiet; quiet.apply()"]
    done = subprocess.run(apply, cwd=new, env=environment, capture_output=True, text=True)
    assert done.stderr.startswith(f"this checkout was at {old}: ")
    leads_to(new)


def test_a_place_with_spaces_and_umlauts_is_known_as_zenml_writes_it(tmp_path: Path) -> None:
    root = written(tmp_path / "ein örtlicher Ort mit einem langen Namen, in dem YAML umbricht und maskiert €")
    config = root / moved.CONFIG
    config.write_text(yaml.dump(yaml.safe_load(CONFIG.format(root))))  # folded and escaped, by what ZenML takes
    assert str(root) not in config.read_text()
    assert moved.former(root) == []
    new = root.rename(tmp_path / "anderswo")
    assert moved.bring(new) == [str(root)] and moved.former(new) == []
    assert yaml.safe_load((new / moved.CONFIG).read_text()) == yaml.safe_load(CONFIG.format(new))


def test_artifacts_that_somebody_keeps_elsewhere_stay_there(tmp_path: Path) -> None:
    store = tmp_path / "big disk"
    (store / "mlruns/0").mkdir(parents=True)
    root = written(tmp_path / "here")
    (root / "mlruns/0").mkdir()
    with sqlite3.connect(root / MLFLOW) as database:
        database.execute("UPDATE experiments SET artifact_location = ?", (f"{store}/mlruns/0",))
    assert moved.bring(root) == []
    elsewhere = ["s3://bucket/mlruns/2", "file:///unmounted/mlruns/3"]
    assert column(root, MLFLOW, "SELECT artifact_uri FROM runs")[1:] == elsewhere
    assert column(root, MLFLOW, "SELECT artifact_location FROM experiments") == [f"{store}/mlruns/0"]


def test_a_fresh_clone_has_nothing_to_bring(tmp_path: Path) -> None:
    assert moved.bring(tmp_path) == [] and list(tmp_path.iterdir()) == []
