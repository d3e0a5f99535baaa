"""What ``satsr dashboard`` looks at before it starts anything; the rest is in tests/test_everyday.py."""

from pathlib import Path

import pytest

from satsr.cli import main
from satsr.dashboard.command import STORE, environment, require_free, require_local
from satsr.errors import SatsrError
from tests.download.conftest import server  # noqa: F401
from tests.s3 import free_port


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of ZenML's in the environment."""
    monkeypatch.delenv("ZENML_STORE_URL", raising=False)


def test_a_port_that_somebody_listens_on_is_refused(server) -> None:  # noqa: F811
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(SatsrError, match=f"port {port} of this computer is taken: .* give --port {port + 1}"):
        require_free(port)
    require_free(free_port())


def test_a_project_without_runs_and_one_whose_runs_are_on_a_server_are_a_sentence(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(SatsrError, match=r"zenml\.db is not there, so ZenML knows no runs: `satsr setup`"):
        require_local(tmp_path)
    (tmp_path / STORE).parent.mkdir(parents=True)
    (tmp_path / STORE).touch()
    for config in ("", "store:\n  type: sql\n  url: sqlite:////a/zenml.db\n", "store: 3\n"):
        (tmp_path / "config.yaml").write_text(config)
        require_local(tmp_path)
    (tmp_path / "config.yaml").write_text("store:\n  type: rest\n  url: https://me:secret@zenml.example\n")
    with pytest.raises(SatsrError, match=r"runs are on a ZenML server: open https://\*\*\*@zenml\.example"):
        require_local(tmp_path)
    monkeypatch.setenv("ZENML_STORE_URL", "http://127.0.0.1:8080")
    with pytest.raises(SatsrError, match=r"open http://127\.0\.0\.1:8080"):
        require_local(tmp_path)


def test_the_server_is_told_of_this_store_alone_and_tells_nobody(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ZENML_STORE_API_KEY", "of another server")
    monkeypatch.setenv("ZENML_SERVER_AUTH_SCHEME", "EXTERNAL")
    told = environment(tmp_path / "state", tmp_path / "own")
    assert told["ZENML_STORE_URL"] == f"sqlite:///{tmp_path / 'state' / STORE}" and "ZENML_STORE_API_KEY" not in told
    assert told["ZENML_CONFIG_PATH"] == str(tmp_path / "own") and told["ZENML_ANALYTICS_OPT_IN"] == "false"
    assert told["ZENML_SERVER_AUTH_SCHEME"] == "NO_AUTH"


def test_a_server_that_is_not_installed_is_a_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setattr("satsr.dashboard.command.NEEDED", ("json", "a_server_that_nobody_installs"))
    assert main(["dashboard"]) == 1
    said = capsys.readouterr().err
    assert 'not installed (a_server_that_nobody_installs): pip install "satsr[server]"' in said


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_is_a_number_of_ports(port: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["dashboard", f"--port={port}"])
    assert f"a number from 1 to 65535 is expected, not {port}" in capsys.readouterr().err
