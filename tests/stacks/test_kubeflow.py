"""The pipelines that `satsr stack kubeflow --compile` writes, for every paper, without a server."""

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from satsr.config.resolve import read_yaml
from satsr.stack.pod import STAGES
from steps.inputs import READS
from tests.stacks.compiled import ROOT, SERVER

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("kfp") is None, reason="kfp is not installed")]
PAPERS = list(read_yaml(ROOT / "params.yaml")["papers"])


class Written(NamedTuple):
    text: str
    pipeline: dict[str, Any]
    platform: dict[str, Any]

    def task(self, stage: str) -> dict[str, Any]:
        return self.pipeline["root"]["dag"]["tasks"][stage]

    def container(self, stage: str) -> dict[str, Any]:
        return self.pipeline["deploymentSpec"]["executors"][f"exec-{stage}"]["container"]

    def pod(self, stage: str) -> dict[str, Any]:
        return self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{stage}"]


@pytest.fixture(scope="module")
def folder(written: Callable[[str], Path]) -> Path:
    return written("kubeflow")


def read(path: Path) -> Written:
    text = path.read_text()
    return Written(text, *YAML(typ="safe").load_all(text))


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_is_seven_components_with_the_graph_of_its_stages(folder: Path, paper: str) -> None:
    found = read(folder / f"{paper}.yaml")
    assert set(found.pipeline["components"]) == {f"comp-{stage}" for stage in STAGES}
    graph = {stage: set(found.task(stage).get("dependentTasks", [])) for stage in STAGES}
    for stage, before in READS.items():
        assert graph[stage] <= set(before) | reached(graph, graph[stage]) and set(before) <= reached(graph, {stage})
    assert found.pipeline["pipelineInfo"]["name"] == f"train-{paper}"
    for stage in STAGES:
        assert found.container(stage)["args"][-2:] == ["--step_name", stage]
        assert found.container(stage)["image"] == "registry.example.org/satsr:0.1.0"


def reached(graph: dict[str, set[str]], stages: set[str]) -> set[str]:
    """All stages before these."""
    before = set().union(*(graph[stage] for stage in stages)) if stages else set()
    return before | (reached(graph, before) if before else set())


@pytest.mark.parametrize("paper", PAPERS)
def test_train_has_its_gpu_memory_place_and_retries(folder: Path, paper: str) -> None:
    found = read(folder / f"{paper}.yaml")
    asked = found.container("train")["resources"]
    assert asked["accelerator"]["resourceType"] == "nvidia.com/gpu" and asked["accelerator"]["resourceCount"] == "1"
    assert (asked["resourceMemoryLimit"], asked["resourceCpuRequest"]) == ("64Gi", "8")
    pod = found.pod("train")
    assert pod["nodeSelector"] == {"labels": {"accelerator": "nvidia"}}
    assert pod["tolerations"] == [{"effect": "NoSchedule", "key": "nvidia.com/gpu", "operator": "Exists"}]
    assert pod["emptyDirMounts"][0]["sizeLimit"] == "16Gi"
    assert found.task("train")["retryPolicy"]["maxRetryCount"] == 3
    convert = found.container("convert")["resources"]
    assert convert["resourceCpuRequest"] == "8" and "accelerator" not in convert
    assert "nodeSelector" not in found.pod("convert")


def test_no_file_names_a_place_of_this_machine_or_a_token(folder: Path) -> None:
    for path in folder.glob("*.yaml"):
        text = path.read_text()
        assert not re.search(rf"sqlite|/home/|/root|/tmp|{re.escape(str(ROOT))}|{re.escape(str(folder))}", text)
        assert SERVER["ZENML_STORE_API_TOKEN"] not in text and "API_TOKEN" not in text
        values = [value for line in text.splitlines() if (value := line.partition("value: ")[2])]
        assert values and not [value for value in values if value.startswith(("/", "'/"))]


def test_pods_sign_in_to_a_server_by_a_secret_of_kubernetes(folder: Path) -> None:
    found = read(folder / "server.yaml")
    for stage in STAGES:
        names = {one["name"]: one["value"] for one in found.container(stage)["env"]}
        assert names["ZENML_STORE_URL"] == SERVER["ZENML_STORE_URL"]
        (secret,) = found.pod(stage)["secretAsEnv"]
        assert secret["secretName"] == "satsr"
        assert secret["keyToEnv"] == [{"envVar": "ZENML_STORE_API_KEY", "secretKey": "api-key"}]
        assert found.pod(stage)["imagePullSecret"][0]["secretName"] == "login"
    assert json.loads((folder / "left.json").read_text()) == ["ZENML_CONFIG_PATH", "ZENML_STORE_API_TOKEN"]


def test_it_is_the_same_file_every_time_and_says_that_it_is_to_be_read(folder: Path) -> None:
    said = (folder / "said.txt").read_text()
    assert said.count("to be read: its snapshot is nobody's") == len(PAPERS) and "will be ignored" not in said
    first = read(folder / "rasvsr.yaml")
    assert "--snapshot_id\n        - 00000000-0000-0000-0000-000000000000" in first.text
    again = (folder / "msdtgp.yaml").read_text().replace("msdtgp", "rasvsr")
    assert again == first.text


def test_what_cannot_sign_in_is_not_submitted(folder: Path) -> None:
    from satsr.errors import SatsrError
    from satsr.stack.kubeflow import Orchestrator, Settings

    orchestrator = Orchestrator.__new__(Orchestrator)
    orchestrator._steps = {"train": Settings(pod_secrets={"A": "b/c"})}
    with pytest.raises(SatsrError, match=r"pod of train could not sign in .* ZENML_STORE_API_KEY under pod_secrets"):
        orchestrator._require_entrance()
