"""The jobs that ZenML's Kubernetes orchestrator submits for the shipped stack."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from satsr.stack.pod import STAGES

ABSENT = find_spec("kubernetes") is None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(ABSENT, reason="the client of Kubernetes is not installed")]


@pytest.fixture(scope="module")
def jobs(written: Callable[[str], Path]) -> dict[str, Any]:
    folder = written("kubernetes")
    assert "Ignoring" not in (folder / "said.txt").read_text() and "Invalid" not in (folder / "said.txt").read_text()
    return json.loads((folder / "jobs.json").read_text())


def pod(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]


def container(job: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(job)["containers"]
    return found


def test_every_step_is_a_job_of_the_image(jobs: dict[str, Any]) -> None:
    assert set(jobs) == {*STAGES, "orchestrator"}
    assert {container(job)["image"] for job in jobs.values()} == {"registry.example.org/satsr:0.1.0"}


def test_train_asks_for_a_gpu_memory_disk_and_its_nodes(jobs: dict[str, Any]) -> None:
    limits = {"memory": "64Gi", "ephemeral-storage": "500Gi", "nvidia.com/gpu": "1"}
    assert container(jobs["train"])["resources"] == {"requests": {"cpu": "8", **limits}, "limits": limits}
    found = pod(jobs["train"])
    assert found["nodeSelector"] == {"accelerator": "nvidia"}
    assert found["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert found["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}]
    assert container(jobs["train"])["volumeMounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]


def test_convert_asks_for_cores_and_no_gpu(jobs: dict[str, Any]) -> None:
    asked = container(jobs["convert"])["resources"]
    assert asked["requests"] == {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "500Gi"}
    assert "nvidia.com/gpu" not in asked["limits"] and "nodeSelector" not in pod(jobs["convert"])


def test_retries_are_those_of_the_job_and_finished_jobs_are_kept_for_a_day(jobs: dict[str, Any]) -> None:
    assert {name: jobs[name]["spec"]["backoffLimit"] for name in STAGES} == {**dict.fromkeys(STAGES, 1), "train": 3}
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in jobs.values()} == {86400}


def test_secrets_are_references_in_every_pod(jobs: dict[str, Any]) -> None:
    reference = {"secretKeyRef": {"name": "proxy", "key": "address"}}
    for job in jobs.values():
        assert {"name": "HTTPS_PROXY", "valueFrom": reference} in container(job)["env"]
        assert pod(job)["imagePullSecrets"] == [{"name": "login"}]


def test_a_further_field_of_the_pod_arrives(jobs: dict[str, Any]) -> None:
    assert {pod(jobs[name])["priorityClassName"] for name in STAGES} == {"low"}
