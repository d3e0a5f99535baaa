"""The MLflow store: made once, whole, and a sentence where it cannot be used."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from satsr import tracking
from satsr.errors import SatsrError

pytestmark = pytest.mark.slow  # MLflow's store
OPEN = """
import sys
from pathlib import Path
from satsr import tracking

root = Path(sys.argv[1])
with tracking.run(root, "rasvsr", name="run") as run:
    run.metrics({"loss": 1.0})
"""


@pytest.fixture(autouse=True)
def _no_other_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_processes_that_begin_together_share_one_store_and_one_experiment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    client = tracking.client(tmp_path)
    experiment = client.get_experiment_by_name("rasvsr")
    assert len(client.search_runs([experiment.experiment_id])) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db"]


def test_a_store_that_is_half_made_or_no_database_is_a_sentence(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("create table secrets (secret_id text)")
    with pytest.raises(SatsrError, match=r"mlflow\.db cannot be used.*made by this version of MLflow"):
        tracking.client(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(SatsrError, match=r"mlflow\.db cannot be used"):
        tracking.client(other)
