"""Stacks in ZenML's own store: what `satsr stack` registers, updates and leaves behind."""

import json
import shutil
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.papers import project_of
from tests.project import Project

pytestmark = pytest.mark.slow

SECRETS = {
    "AWS_ACCESS_KEY_ID": "satsr-test-key",
    "AWS_SECRET_ACCESS_KEY": "satsr-test-secret-1",
    "MLFLOW_TRACKING_USERNAME": "satsr-test-user",
    "MLFLOW_TRACKING_PASSWORD": "satsr-test-secret-2",
}
LOOK = """
import json
from zenml.client import Client
client = Client()
listed = client.list_stack_components(size=100, hydrate=True)
kinds = {f"{c.type.value} {c.name}": c.configuration for c in listed}
stacks = {}
for s in client.list_stacks(size=100, hydrate=True):
    names = {kind.value: found[0].name for kind, found in s.components.items()}
    stacks[s.name] = [dict(s.environment), [str(x) for x in s.secrets], names]
secrets = {s.name: client.get_secret(s.name).secret_values for s in client.list_secrets()}
print(json.dumps({"active": client.active_stack_model.name, "components": kinds, "stacks": stacks, "secrets": secrets}))
"""
SETTINGS = """
from pipelines.apart import watched
from pipelines.chain import train
from steps import zen
made = train("msdtgp")
import json
steps = {n: getattr(zen, n).configuration for n in ("convert", "train")}
found = {"docker": made.configuration.docker_settings.parent_image, "watched": watched()}
for name, c in steps.items():
    found[name] = {"settings": c.settings["orchestrator.kubernetes"].model_dump(), "retries": c.retry.max_retries}
print(json.dumps(found))
"""


def look(project: Project, code: str = LOOK) -> dict[str, Any]:
    return json.loads(project.run("python", "-c", code).splitlines()[-1])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return project_of("msdtgp", tmp_path_factory.mktemp("stacks") / "clone")


def edited(project: Project, kind: str, **change: Any) -> Path:
    """A copy of the shipped file with other keys; None takes one out."""
    yaml, path = YAML(typ="safe"), project.root / f"my-{kind}.yaml"
    values = yaml.load((project.root / f"stacks/{kind}.yaml").read_text()) | change
    yaml.dump({key: value for key, value in values.items() if value is not None}, path)
    return path


def test_an_address_that_is_no_server_of_zenml_is_a_sentence_without_the_key(project: Project) -> None:
    plain = project.environment
    state = {"ZENML_CONFIG_PATH": str(project.root / "elsewhere"), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        store = {"ZENML_STORE_TYPE": "rest", "ZENML_STORE_URL": f"http://127.0.0.1:{server.server_port}"}
        project.environment = {**plain, **state, **store, "ZENML_STORE_API_KEY": "satsr-test-1"}
        said = project.run("satsr", "stack", "local", code=1)
        server.shutdown()
    project.environment = plain
    assert "error: ZenML's server does not answer" in said and "zenml login ADDRESS" in said
    assert "satsr-test-1" not in said and "Traceback" not in said


def test_a_secret_without_values_is_a_sentence_and_registers_nothing(project: Project) -> None:
    before = look(project)
    said = project.run("satsr", "stack", "kubernetes", code=1)
    assert said.startswith("error: the ZenML secret satsr has no value for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ")
    assert "***" not in said and said.rstrip().endswith("export them and run it again.")
    assert look(project) == before


def test_one_file_registers_all_components_with_secrets_by_reference(project: Project) -> None:
    project.environment |= SECRETS
    said = project.run("satsr", "stack", "kubernetes")
    project.environment = {key: value for key, value in project.environment.items() if key not in SECRETS}
    assert "satsr-kubernetes is active" in said and "`zenml login ADDRESS` of a server" in said
    assert not [value for value in SECRETS.values() if value in said]
    found = look(project)
    assert found["active"] == "satsr-kubernetes"
    assert found["secrets"] == {"satsr": SECRETS}
    environment, secrets, components = found["stacks"]["satsr-kubernetes"]
    assert environment == {"SATSR_REMOTE": "s3://satsr/dvc", "MLFLOW_TRACKING_URI": "https://mlflow.example.org"}
    assert len(secrets) == 1
    kinds = {"orchestrator", "artifact_store", "container_registry", "image_builder", "experiment_tracker"}
    assert set(components) == kinds
    values = {kind: found["components"][f"{kind} {name}"] for kind, name in components.items()}
    orchestrator = values["orchestrator"]
    assert orchestrator["kubernetes_namespace"] == "satsr" and orchestrator["pass_zenml_token_as_secret"] is True
    store, tracker = values["artifact_store"], values["experiment_tracker"]
    assert (store["key"], store["secret"]) == ("{{satsr.AWS_ACCESS_KEY_ID}}", "{{satsr.AWS_SECRET_ACCESS_KEY}}")
    assert tracker["tracking_password"] == "{{satsr.MLFLOW_TRACKING_PASSWORD}}"
    assert not [value for value in SECRETS.values() if value in json.dumps(values)]


def test_the_steps_of_the_chain_have_what_the_active_stack_says_of_them(project: Project) -> None:
    found = look(project, SETTINGS)
    assert found["docker"] == "registry.example.org/satsr:0.1.0"
    assert found["watched"] == "the steps run as jobs of Kubernetes: kubectl --namespace satsr get jobs"
    train, convert = found["train"]["settings"]["pod_settings"], found["convert"]["settings"]["pod_settings"]
    assert train["resources"]["limits"] == {"memory": "64Gi", "ephemeral-storage": "500Gi", "nvidia.com/gpu": "1"}
    assert train["node_selectors"] == {"accelerator": "nvidia"} and found["train"]["retries"] == 3
    assert convert["resources"]["requests"]["cpu"] == "8" and "tolerations" not in convert


def test_registering_again_updates_and_leaves_nothing_over(project: Project) -> None:
    before = look(project)
    path = edited(project, "kubernetes", tracking=None, environment={"A": "1"}, artifacts={"path": "s3://other/zenml"})
    said = project.run("satsr", "stack", "kubernetes", "--file", str(path))
    assert "removed the experiment tracker satsr-kubernetes-mlflow" in said and "updated satsr-kubernetes" in said
    found = look(project)
    assert set(found["components"]) == set(before["components"]) - {"experiment_tracker satsr-kubernetes-mlflow"}
    environment, _, components = found["stacks"]["satsr-kubernetes"]
    assert environment == {"SATSR_REMOTE": "s3://satsr/dvc", "A": "1"}
    assert "experiment_tracker" not in components
    assert found["components"]["artifact_store satsr-kubernetes-s3"]["path"] == "s3://other/zenml"
    project.run("satsr", "stack", "kubernetes", "--file", str(path))
    assert look(project) == found


def test_another_orchestrator_of_the_same_stack_takes_the_place_of_the_first(project: Project) -> None:
    shutil.rmtree(project.root / ".zen")  # as in a fresh clone, which the command sets up first
    project.run("satsr", "stack", "local")
    assert look(project)["active"] == "satsr-local"
    flavor = {"flavor": "local_docker"}
    path = edited(project, "local", orchestrator=flavor, image="registry.example.org/satsr:1")
    said = project.run("satsr", "stack", "local", "--file", str(path))
    assert "removed the orchestrator satsr-local-local" in said
    found = look(project)
    _, _, components = found["stacks"]["satsr-local"]
    assert components["orchestrator"] == "satsr-local-local-docker" and components["artifact_store"] == "default"
    names = {name for name in found["components"] if "satsr-local" in name}
    assert names == {"orchestrator satsr-local-local-docker", "image_builder satsr-local-local"}


@pytest.mark.skipif(find_spec("kfp") is None, reason="kfp is not installed")
def test_kubeflow_is_registered_with_a_flavor_of_our_own_once(project: Project) -> None:
    for word in ("registered", "updated"):
        assert f"{word} satsr-kubeflow: orchestrator satsr_kubeflow" in project.run("satsr", "stack", "kubeflow")
    found = look(project)
    assert found["active"] == "satsr-kubeflow"
    configuration = found["components"]["orchestrator satsr-kubeflow-satsr-kubeflow"]
    assert configuration["kubeflow_hostname"] == "https://kubeflow.example.org/pipeline"
    assert "satsr-kubernetes" in found["stacks"] and found["secrets"]["satsr"] == SECRETS


@pytest.mark.skipif(find_spec("kfp") is not None, reason="kfp is installed")
def test_kubeflow_without_kfp_is_a_sentence_and_the_stack_before_stays(project: Project) -> None:
    before = look(project)
    for more in ((), ("--compile", "msdtgp")):
        assert "error: this needs kfp, which is not installed" in project.run(
            "satsr", "stack", "kubeflow", *more, code=1
        )
    assert look(project) == before
