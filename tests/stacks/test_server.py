"""The compose file of a server for a group: who can reach it, what it asks for, and which versions it has."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from satsr.config.resolve import read_yaml

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "stacks/server"
SECRET = re.compile(r"PASSWORD|SECRET|KEY|_URI$")
PLAIN = ("ZENML_SECRETS_STORE_TYPE",)
ASKED = re.compile(r"\$\{(\w+):\?[^}]+\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return read_yaml(SERVER / "compose.yaml")["services"]


def declared(package: str) -> str:
    found = re.search(rf'^    "{package}(?:\[\w+\])?==([\d.]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_it_is_mlflow_with_postgres_zenml_and_s3(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "s3", "mlflow", "zenml"}
    assert "basic-auth" in (SERVER / "mlflow.Dockerfile").read_text()
    assert services["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"].startswith("postgresql+psycopg2://")
    for service in services.values():
        assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped"


def test_every_port_is_this_computer_s_alone_unless_told_otherwise(services: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in services.items()}
    assert published["postgres"] == [] and all(published[name] for name in ("s3", "mlflow", "zenml"))
    for port in chain.from_iterable(published.values()):
        assert re.fullmatch(r"\$\{BIND:-127\.0\.0\.1\}:\d+:\d+", port)
    assert not any("network_mode" in service for service in services.values())


def test_every_secret_is_asked_for_and_has_no_default(services: dict[str, Any]) -> None:
    seen = set()
    for service in services.values():
        for name, value in service["environment"].items():
            if SECRET.search(name) and name not in PLAIN:
                assert ASKED.search(value), name
                seen |= set(ASKED.findall(value))
                assert not re.search(r":[^@/$]+@", ASKED.sub("", value)), name
    text = (SERVER / "compose.yaml").read_text()
    assert set(ASKED.findall(text)) == seen
    assert set(re.findall(r"\$\{(\w+):-", text)) == {"BIND", "MLFLOW_HOST"}
    lines = [line for line in (SERVER / ".env.example").read_text().splitlines() if line and line[0] != "#"]
    assert {line.removesuffix("=") for line in lines} == seen and all(line.endswith("=") for line in lines)


def test_versions_are_pinned_and_those_of_satsr(services: dict[str, Any]) -> None:
    for service in services.values():
        if "image" in service:
            assert re.fullmatch(r"[a-z]+(/[a-z-]+)?:\d+\.\d+(\.\d+)?", service["image"])
    assert services["zenml"]["image"].endswith(f":{declared('zenml')}")
    installed = re.findall(r"([\w-]+)==([\w.]+)", (SERVER / "mlflow.Dockerfile").read_text())
    assert dict(installed)["mlflow"] == declared("mlflow")
    assert {"Flask-WTF", "psycopg2-binary", "boto3"} < set(dict(installed))


def test_the_file_of_passwords_is_in_no_repository_and_no_image() -> None:
    assert "/stacks/server/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert "!stacks/server" not in (ROOT / ".dockerignore").read_text()
