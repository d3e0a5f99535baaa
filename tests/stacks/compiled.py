"""What the orchestrators would submit, written into a folder: run in a process of its own, with ZenML's state there.

``python -m tests.stacks.compiled kubernetes FOLDER`` writes the jobs of each step, and of the orchestrator's pod, by
ZenML's own functions, as its orchestrator's pod puts them together;
``python -m tests.stacks.compiled kubeflow FOLDER`` writes the pipelines of all papers by the command, and one with what
ZenML adds when its state is on a server.
"""

import json
import sys
from pathlib import Path
from typing import Any

from satsr.cli import main
from satsr.config.resolve import read_yaml
from satsr.stack.file import checked

ROOT = Path(__file__).resolve().parents[2]
SERVER = {
    "ZENML_STORE_URL": "https://zenml.example.org",
    "ZENML_STORE_API_TOKEN": "satsr-test-store-token",
    "ZENML_CONFIG_PATH": "/home/someone/.zenml",
}
"""Of variables that ZenML gives to pods."""
SECRETS = {"pod_secrets": {"HTTPS_PROXY": "proxy/address"}, "pull_secrets": ["login"]}


def kubeflow(folder: Path) -> None:
    """The command for every paper, and one pipeline as of a server."""
    for paper in read_yaml(ROOT / "params.yaml")["papers"]:
        command = ["stack", "kubeflow", "--compile", paper, "--output", str(folder / f"{paper}.yaml")]
        assert main(command) == 0
    from pipelines.chain import train
    from satsr.stack.compile import kubeflow as compiled

    values = read_yaml(ROOT / "stacks/kubeflow.yaml") | {"pull_secrets": ["login"]}
    text, left = compiled(train("rasvsr"), checked(values, "x"), SERVER)
    (folder / "server.yaml").write_text(text)
    (folder / "left.json").write_text(json.dumps(left))


def kubernetes(folder: Path) -> None:
    """The jobs of the shipped stack, with secrets."""
    from kubernetes.client import ApiClient
    from zenml.enums import StackComponentType
    from zenml.integrations.kubernetes import kube_utils, manifest_utils
    from zenml.integrations.kubernetes.flavors import KubernetesOrchestratorConfig
    from zenml.integrations.kubernetes.orchestrators import KubernetesOrchestrator

    from pipelines.chain import train
    from satsr.stack.compile import compiled, component, on

    values = read_yaml(ROOT / "stacks/kubernetes.yaml") | SECRETS
    values["defaults"] |= {"pod_spec": {"priority_class_name": "low"}}
    values["orchestrator"] |= {"service_account": "satsr"}  # ZenML makes one in the cluster otherwise
    stack = checked(values, "x")
    config = KubernetesOrchestratorConfig(kubernetes_context="my-cluster", pass_zenml_token_as_secret=True)
    orchestrator = component(KubernetesOrchestrator, StackComponentType.ORCHESTRATOR, "kubernetes", config)
    snapshot = compiled(train("rasvsr"), stack, on(orchestrator, stack))
    jobs: dict[str, Any] = {}
    for name, step in snapshot.step_configurations.items():
        settings = orchestrator.get_settings(step)
        pod_settings = kube_utils.apply_default_resource_requests(memory="400Mi", pod_settings=settings.pod_settings)
        image = orchestrator.get_image(snapshot, name)
        pod = manifest_utils.build_pod_manifest(None, image, ["python"], [], settings.privileged, pod_settings)
        template = manifest_utils.pod_template_manifest_from_pod(pod)
        retries = step.config.retry.max_retries if step.config.retry else 0
        jobs[name] = manifest_utils.build_job_manifest(
            name, template, retries + settings.backoff_limit_margin, settings.ttl_seconds_after_finished
        )
    settings = orchestrator.get_settings(snapshot)
    pod_settings = settings.orchestrator_pod_settings
    jobs["orchestrator"] = orchestrator._prepare_job_manifest(
        "o", ["python"], [], stack.image, {}, {}, {}, settings, pod_settings
    )
    made = {name: ApiClient().sanitize_for_serialization(job) for name, job in jobs.items()}
    (folder / "jobs.json").write_text(json.dumps(made))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
