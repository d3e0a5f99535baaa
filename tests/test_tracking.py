"""The MLflow store: made once, whole, and a sentence where it cannot be used."""

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from satsr import tracking
from satsr.errors import SatsrError
from tests.conftest import MakeStore

ROOT = Path(__file__).resolve().parents[1]
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


OPEN_AGAIN = """
import sys
from pathlib import Path
from satsr import tracking
from satsr.errors import SatsrError

try:
    with tracking.run(Path(sys.argv[1]), "rasvsr"):
        print("began")
except SatsrError as error:
    print(error)
"""


def test_a_store_that_is_read_only_or_of_another_version_stops_before_anything_begins(
    tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    database = tmp_path / "mlflow.db"
    with tracking.run(tmp_path, "rasvsr"):
        pass
    read_only, as_it_is = f"sqlite:///file:{database}?mode=ro&uri=true", f"sqlite:///{database}"
    for address, words in ((read_only, "readonly database"), (as_it_is, "found version")):
        if address == as_it_is:
            with sqlite3.connect(database) as made:
                made.execute("update alembic_version set version_num = '0123456789ab'")
        environment = {**os.environ, "MLFLOW_TRACKING_URI": address, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", OPEN_AGAIN, str(tmp_path)]
        told = {"capture_output": True, "text": True, "timeout": 300}
        done = subprocess.run(command, cwd=tmp_path, env=environment, **told)  # MLflow makes a folder of the address
        assert "cannot be used" in done.stdout and words in done.stdout and "began" not in done.stdout
        assert done.returncode == 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("end", "status"),
    [(SystemExit(143), "KILLED"), (KeyboardInterrupt(), "KILLED"), (ZeroDivisionError(), "FAILED")],
)
def test_a_run_that_was_asked_to_end_is_killed_and_one_that_broke_has_failed(
    end: BaseException, status: str, tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    with pytest.raises(type(end)), tracking.run(tmp_path, "toy") as run:
        raise end
    assert run.client.get_run(run.id).info.status == status


def test_no_secret_reaches_the_store(tmp_path: Path, mlflow_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow_store(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hunter2secret")
    address = "https://me:hunter2secret@example.org/a.zip?token=hunter2secret"
    with tracking.run(tmp_path, "rasvsr") as run:
        run.params({"data": address, "network": {"start": "hunter2secret"}})
        run.tags({"start.file": address, "note": "password = hunter2secret"})
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert b"example.org/a.zip?token=***" in (tmp_path / "mlflow.db").read_bytes()
    assert all(b"hunter2secret" not in path.read_bytes() for path in kept)


@pytest.fixture
def address(tmp_path: Path, mlflow_store: MakeStore) -> tuple[str, list[str]]:
    """Of an MLflow server, and the command that starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "server").mkdir()
    store = mlflow_store(tmp_path / "server")
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--backend-store-uri", store]
    files = ["--default-artifact-root", (tmp_path / "artifacts").as_uri()]
    return f"http://127.0.0.1:{port}", [sys.executable, "-m", "mlflow", "server", *options, *files]


def started(url: str, command: list[str]) -> subprocess.Popen[bytes]:
    """The running server; urllib3 asks again until it answers."""
    from urllib3 import PoolManager, Retry

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # what judges language models
    server = subprocess.Popen(command, env=environment, **quiet)
    try:
        PoolManager().request("GET", f"{url}/health", retries=Retry(600, backoff_factor=0.2, backoff_max=0.2))
    except BaseException:
        stopped(server)
        raise
    return server


def stopped(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        os.killpg(server.pid, 9)
        server.wait()


def test_a_server_that_is_not_there_is_a_sentence_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(SatsrError, match="MLflow"), tracking.run(tmp_path, "toy"):
            pytest.fail("the training began")


def test_a_server_that_goes_away_in_mid_training_costs_lines_and_no_metrics(
    tmp_path: Path, address: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url, command = address
    for name, value in {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "MLFLOW_TRACKING_URI": url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    server = started(url, command)
    try:
        with tracking.run(tmp_path, "toy") as run:
            run.metrics({"loss": 3.0}, 1)
            stopped(server)
            run.metrics({"loss": 2.0}, 2)
            run.metrics({"loss": 1.0}, 3)
            server = started(url, command)
        told = capfd.readouterr().err
        assert told.count("MLflow does not answer") == 1 and "missing" not in told
        history = tracking.client(tmp_path).get_metric_history(run.id, "loss")
        assert [(point.step, point.value) for point in history] == [(1, 3.0), (2, 2.0), (3, 1.0)]
        with (
            pytest.raises(SatsrError, match=r"MLflow does not answer .*run the same command again"),
            tracking.run(tmp_path, "toy") as run,
        ):
            stopped(server)
            run.metrics({"loss": 2.0}, 2)
            run.tags({"a": "b"})
        assert "1 rows of metrics are missing from the MLflow run" in capfd.readouterr().err
    finally:
        stopped(server)
