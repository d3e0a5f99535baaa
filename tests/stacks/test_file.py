"""A stack's file: what the shipped ones say, and what is refused, with a sentence and without a secret."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from satsr.errors import SatsrError
from satsr.stack.file import KINDS, Stack, checked, read
from satsr.stack.pod import STAGES, PodSpec, Toleration
from satsr.stack.settings import (
    environment,
    label,
    of_pipeline,
    of_step,
    of_steps,
    pod_settings,
    remembered,
    toleration,
)
from tests.project import STAGES as PIPELINE

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {
    "name": "ours",
    "orchestrator": {"flavor": "kubernetes", "context": "c"},
    "image": "registry.example.org/satsr:1",
    "registry": "registry.example.org",
    "artifacts": {"path": "s3://ours/zenml"},
    "remote": {"url": "s3://ours/dvc", "endpoint": "https://s3.example.org"},
}
KUBEFLOW = {"flavor": "kubeflow", "hostname": "https://k.example.org/pipeline"}
LOCAL = {"name": "here", "orchestrator": {"flavor": "local"}}


def shipped(kind: str) -> Stack:
    return read(kind, ROOT / "stacks" / f"{kind}.yaml")


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_file_is_valid_and_of_its_kind(kind: str) -> None:
    assert shipped(kind).kind == kind
    assert sorted(path.stem for path in (ROOT / "stacks").glob("*.yaml")) == sorted(KINDS)


def test_steps_are_those_of_the_pipeline() -> None:
    assert STAGES == PIPELINE


@pytest.mark.parametrize("kind", ["kubernetes", "kubeflow"])
def test_convert_has_cores_and_train_has_a_gpu_memory_and_a_place(kind: str) -> None:
    stack = shipped(kind)
    assert stack.pod("convert").cores == "8" and not stack.pod("convert").gpu
    train = stack.pod("train")
    assert (train.gpu, train.memory, train.node_selector, train.retries) == (1, "64Gi", {"accelerator": "nvidia"}, 3)
    assert train.tolerations == [Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")]
    assert stack.pod("register").retries == stack.defaults.retries == 1


def test_a_key_of_a_step_replaces_that_of_the_defaults_and_no_other() -> None:
    steps = {"train": {"cpu": 0.5, "node_selector": {"gpu": "a100"}}}
    stack = checked({**WHOLE, "defaults": {"memory": "4Gi", "node_selector": {"disk": "ssd"}}, "steps": steps}, "x")
    assert (stack.pod("train").cores, stack.pod("train").memory) == ("500m", "4Gi")
    assert stack.pod("train").node_selector == {"gpu": "a100"}
    assert stack.pod("export").node_selector == {"disk": "ssd"}


def test_memory_disk_and_gpus_are_requests_and_limits_and_cores_are_requests() -> None:
    pod = {"cpu": 1.5, "memory": "2Gi", "disk": "5Gi", "gpu": 2, "gpu_resource": "amd.com/gpu"}
    stack = checked({**WHOLE, "steps": {"train": pod}}, "x")
    limits = {"memory": "2Gi", "ephemeral-storage": "5Gi", "amd.com/gpu": "2"}
    assert pod_settings(stack, stack.pod("train"))["resources"] == {
        "requests": {"cpu": "1500m", **limits},
        "limits": limits,
    }
    assert "resources" not in pod_settings(stack, stack.pod("export"))


def test_shared_memory_is_a_volume_and_secrets_are_references() -> None:
    stack = checked(
        {
            **WHOLE,
            "pod_secrets": {"HTTPS_PROXY": "proxy/address"},
            "pull_secrets": ["login"],
            "defaults": {"shared_memory": "1Gi", "pod_spec": {"priority_class_name": "low"}},
        },
        "x",
    )
    found = pod_settings(stack, stack.pod("train"))
    assert found["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]
    assert found["volume_mounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]
    reference = {"secretKeyRef": {"name": "proxy", "key": "address"}}
    assert found["env"] == [{"name": "HTTPS_PROXY", "valueFrom": reference}]
    assert found["image_pull_secrets"] == ["login"]
    assert found["additional_pod_spec_args"] == {"priority_class_name": "low"}


def test_a_toleration_is_spelled_as_kubernetes_does() -> None:
    made = toleration(Toleration(key="a", value="b", effect="NoExecute", seconds=60))
    assert made == {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 60}


def test_retries_go_to_the_step_and_the_image_to_the_pipeline() -> None:
    stack = checked({**WHOLE, "steps": {"train": {"retries": 3}}}, "x")
    assert of_step(stack, "train")["retry"] == {"max_retries": 3}
    assert "retry" not in of_step(stack, "export")
    assert of_pipeline(stack)["docker"] == {"parent_image": WHOLE["image"], "skip_build": True}


def test_steps_of_one_machine_have_no_settings() -> None:
    assert of_steps(checked(LOCAL, "x")) == {} == of_pipeline(checked(LOCAL, "x"))


def test_steps_are_told_where_the_remote_and_mlflow_are() -> None:
    stack = checked({**WHOLE, "tracking": {"uri": "https://m.example.org"}, "environment": {"A": "1"}}, "x")
    assert environment(stack) == {
        "A": "1",
        "SATSR_REMOTE": "s3://ours/dvc",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.org",
        "MLFLOW_TRACKING_URI": "https://m.example.org",
    }


def test_a_training_has_the_processes_of_the_file_else_one_on_each_gpu_of_its_pod() -> None:
    def told(stack: dict, **more: object) -> str | None:
        return environment(checked({**stack, **more}, "x")).get("SATSR_PROCESSES")

    assert told(WHOLE) is told(LOCAL) is told(WHOLE, steps={"train": {"gpu": 1}}) is None
    assert told(WHOLE, steps={"train": {"gpu": 4}}) == told(LOCAL, processes="gpu") == "gpu"
    assert told(WHOLE, steps={"train": {"gpu": 4}}, processes=2) == told(LOCAL, processes=2) == "2"
    assert told(WHOLE, steps={"evaluate": {"gpu": 4}}) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_zenml_remembers_is_the_file(kind: str) -> None:
    assert remembered(label(shipped(kind))) == shipped(kind)
    assert remembered({"team": "a"}) is None is remembered(None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nam": "x"}, "unknown key nam"),
        ({"steps": {"trian": {}}}, "unknown key steps.trian"),
        ({"steps": {"train": {"gpus": 1}}}, "unknown key steps.train.gpus"),
        ({"defaults": {"memory": "64GB"}}, "defaults.memory: string should match pattern"),
        ({"defaults": {"cpu": 0}}, "defaults.cpu: input should be greater than 0"),
        ({"defaults": {"gpu": -1}}, "defaults.gpu"),
        ({"defaults": {"pod_spec": {"hostNetwork": True}}}, "hostNetwork: fields of pods are written like_this"),
        ({"defaults": {"pod_spec": {"host_network": True}}}, "unknown key defaults.pod_spec.host_network"),
        ({"image": None}, "kubernetes needs image"),
        ({"remote": None, "artifacts": None}, "needs artifacts, remote"),
        ({"artifacts": {"path": "/shared/zenml"}}, "artifacts.path: a place in a bucket is expected, such as s3://"),
        ({"orchestrator": {"flavor": "kubernetes"}}, "orchestrator.context is missing"),
        ({"orchestrator": {"flavor": "airflow"}}, "orchestrator"),
        ({"orchestrator": {"flavor": "kubeflow"}}, "orchestrator.hostname or orchestrator.context is missing"),
        ({"orchestrator": KUBEFLOW, "steps": {"train": {"disk": "1Gi"}}}, "train: Kubeflow Pipelines takes neither"),
        ({"orchestrator": {"flavor": "local"}}, "local has no use for image, registry"),
        ({"orchestrator": {"flavor": "local_docker"}, "steps": {}}, "local_docker has no use for steps"),
        ({"tracking": {"uri": "sqlite:///mlflow.db"}}, "tracking.uri: an address is expected"),
        ({"tracking": {"uri": "http://localhost:5000"}}, "tracking.uri is an address of this machine alone"),
        (
            {"remote": {"url": "s3://ours", "endpoint": "http://127.0.0.1:9000"}},
            "remote.endpoint is an address of this",
        ),
        ({"processes": 0}, "processes: a number of processes is expected, or gpu"),
        ({"processes": "gpus"}, "processes: a number of processes is expected, or gpu"),
        ({"pod_secrets": {"A": "satsr"}}, "pod_secrets.A: string should match"),
        ({"pod_secrets": {"A B": "satsr/key"}}, "pod_secrets.A B"),
        ({"name": "Our Stack"}, "name: string should match pattern"),
    ],
)
def test_what_is_wrong_is_a_sentence_with_its_key(change: dict, words: str) -> None:
    with pytest.raises(SatsrError) as caught:
        checked({**WHOLE, **change}, "my.yaml")
    assert words in str(caught.value) and str(caught.value).startswith("my.yaml is no valid stack")


SECRET = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY99"


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"AWS_SECRET_ACCESS_KEY": SECRET}},
        {"environment": {"MLFLOW_TRACKING_PASSWORD": SECRET}},
        {"environment": {"AWS_ACCESS_KEY_ID": SECRET}},
        {"environment": {"EXTRA": f"--token={SECRET}"}},
        {"tracking": {"uri": f"https://me:{SECRET}@mlflow.example.org"}},
        {"tracking": {"uri": "https://mlflow.example.org", "password": SECRET}},
        {"artifacts": {"path": "s3://ours/zenml", "secret": SECRET}},
        {"remote": {"url": f"s3://me:{SECRET}@ours/dvc"}},
        {"password": SECRET},
        {"secret": {"name": "satsr", "variables": ["AKIAIOSFODNN7EXAMPLE"]}},
        {"secret": {"name": "satsr", "variables": ["AB", SECRET + "/+"]}},
        {"secret": {"name": "satsr", "variables": ["0123456789abcdef0123456789abcdef"]}},
        {"secret": {"name": "satsr", "variables": {"AWS_SECRET_ACCESS_KEY": SECRET}}},
        {"secret": SECRET},
        {"pod_secrets": {"ZENML_STORE_API_KEY": SECRET}},
    ],
)
def test_a_secret_in_the_file_is_refused_without_being_shown(change: dict) -> None:
    with pytest.raises(SatsrError) as caught:
        checked({**WHOLE, **change}, "my.yaml")
    assert SECRET not in str(caught.value) and "AKIA" not in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)


def test_a_written_out_secret_is_told_with_the_way_to_name_it() -> None:
    with pytest.raises(SatsrError, match=r"looks like a secret at environment.HF_TOKEN. .* secret.variables"):
        checked({**WHOLE, "environment": {"HF_TOKEN": SECRET}}, "my.yaml")


def test_a_file_of_another_kind_is_told_its_command(tmp_path: Path) -> None:
    YAML().dump(LOCAL, tmp_path / "my.yaml")
    with pytest.raises(SatsrError, match="flavor local: give it to `satsr stack local`"):
        read("kubeflow", tmp_path / "my.yaml")
    with pytest.raises(SatsrError, match="does not exist"):
        read("local", tmp_path / "none.yaml")
    (tmp_path / "my.yaml").write_text("- a\n")
    with pytest.raises(SatsrError, match="holds no stack"):
        read("local", tmp_path / "my.yaml")


@pytest.mark.slow
def test_further_fields_of_pods_are_those_of_kubernetes_client() -> None:
    client = pytest.importorskip("kubernetes.client", reason="the client of Kubernetes is not installed")
    assert set(PodSpec.model_fields) <= set(client.V1PodSpec.openapi_types)
