import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from satsr import moved

ZENML, MLFLOW = moved.DATABASES[1].file, Path("mlflow.db")
CONFIG = "store:\n  backup_directory: {0}/.zenml/database_backup\n  url: sqlite:///{0}/.zenml/local_stores/x/zenml.db\n"


def written(root: Path) -> Path:
    """A checkout whose databases name its files, as the tools write them there."""
    (root / ZENML).parent.mkdir(parents=True)
    (root / "mlruns/qanet/models/m-1/artifacts").mkdir(parents=True)
    (root / "mlruns/qanet/models/m-1/artifacts/MLmodel").write_text(f"path: {root.as_uri()}/mlruns/qanet\n")
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


@pytest.mark.parametrize("name", ["there", "über there", "here/sub"])
@pytest.mark.parametrize("copied", [False, True])
def test_every_path_leads_to_the_new_place(name: str, copied: bool, tmp_path: Path) -> None:
    old, new = written(tmp_path / "old place"), tmp_path / name
    if copied:
        shutil.copytree(old, new)
    else:
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
    assert moved.bring(new) == [str(old)]
    assert column(new, MLFLOW, "SELECT artifact_location FROM experiments") == [f"{new}/mlruns/0"]
    assert column(new, MLFLOW, "SELECT artifact_uri FROM runs")[0] == f"{new.as_uri()}/mlruns/qanet/1/artifacts"
    assert column(new, ZENML, "SELECT uri FROM logs") == [f"{new}/.zenml/local_stores/1/logs/a.log"]
    assert (new / moved.CONFIG).read_text() == CONFIG.format(new)
    assert moved.former(new) == []


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
