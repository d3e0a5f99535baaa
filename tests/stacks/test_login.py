"""A pipeline with an MLflow server that asks for a user's name and a password, as stacks/server has it."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from urllib3 import PoolManager, Retry

from tests.conftest import MakeStore
from tests.papers import project_of
from tests.project import STAGES, Project

ABSENT = find_spec("flask_wtf") is None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(ABSENT, reason="Flask-WTF, MLflow's login, is not installed")]
PASSWORD = "satsr-test-password"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, mlflow_store: MakeStore) -> Iterator[str]:
    """Of a server with one user, which keeps files itself."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    shipped = (ROOT / "stacks/server/auth.ini").read_text()
    (folder / "auth.ini").write_text(shipped.replace("sqlite:////mlflow", f"sqlite:///{folder}"))
    secrets = {"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD, "MLFLOW_FLASK_SERVER_SECRET_KEY": "satsr-test-key"}
    secrets["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # processes that judge language models
    environment = {**os.environ, **secrets, "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini")}
    options = ["--app-name", "basic-auth", "--host", "127.0.0.1", "--port", url.rpartition(":")[2], "--workers", "1"]
    places = ["--backend-store-uri", mlflow_store(folder), "--artifacts-destination", str(folder / "files")]
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "mlflow", "server", *options, *places]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        PoolManager().request("GET", f"{url}/health", retries=Retry(600, backoff_factor=0.2, backoff_max=0.2))
        yield url
    finally:
        os.killpg(server.pid, 9)
        server.wait()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, address: str) -> Project:
    made = project_of("msdtgp", tmp_path_factory.mktemp("login") / "clone")
    found = {"MLFLOW_TRACKING_URI": address, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    made.environment |= {**found, "MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    return made


def test_all_stages_and_the_review_work_with_a_login(project: Project) -> None:
    for stage in STAGES:
        project.run("python", "-m", "steps", stage, "msdtgp")
    assert re.search(r"msdtgp.*champion", project.run("satsr", "review"), re.DOTALL)
    assert "champion already" in project.run("satsr", "review", "approve", "msdtgp/1", "--why", "a test", code=1)
    assert not (project.root / "mlruns").exists()


def test_a_wrong_password_is_one_sentence_without_it(project: Project) -> None:
    wrong = "another-password-123"
    project.environment |= {"MLFLOW_TRACKING_PASSWORD": wrong}
    for command in (("python", "-m", "steps", "train", "msdtgp"), ("satsr", "review")):
        said = project.run(*command, code=1)
        (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
        assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in line
        assert wrong not in said and PASSWORD not in said and "Traceback" not in said


def test_no_file_of_the_project_holds_the_password(project: Project) -> None:
    kept = [path for path in project.root.rglob("*") if path.is_file() and ".git/" not in str(path)]
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]
    assert Path(project.root / "results/msdtgp/register").is_dir()
