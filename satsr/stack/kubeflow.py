"""Kubeflow Pipelines: ZenML's orchestrator, with what it drops.

ZenML 0.98 raises a TypeError for memory, passes a number of GPUs over, takes of node selectors one label and of
tolerations none, and writes its store's token into the pipeline's YAML. Everything else is ZenML's.
"""

import re
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from kfp import dsl, kubernetes
from pydantic import Field, model_validator
from zenml.integrations.kubeflow.flavors.kubeflow_orchestrator_flavor import (
    KubeflowOrchestratorConfig,
    KubeflowOrchestratorFlavor,
    KubeflowOrchestratorSettings,
)
from zenml.integrations.kubeflow.orchestrators.kubeflow_orchestrator import KubeflowOrchestrator

from satsr.errors import SECRET_NAME, SatsrError, hidden
from satsr.stack.pod import Pod
from satsr.stack.settings import FLAVOR

STORE_KEY = "ZENML_STORE_API_KEY"
"""With which a pod signs in to ZenML's server, as a service account."""
HARMLESS = ("DISABLE_CREDENTIALS_DISK_CACHING", "ZENML_SECRETS_STORE_TYPE")
"""Variables of ZenML that are named like secrets and are none."""
OF_A_MACHINE = re.compile(r"^(sqlite:|file:|/|~)")


class Settings(KubeflowOrchestratorSettings):
    """ZenML's, and what satsr's file of the stack says of a step's pod."""

    pod: dict[str, Any] = Field({}, description="The pod of the step, as in stacks/kubeflow.yaml.")
    pod_secrets: dict[str, str] = Field({}, description="Variable -> secret/key of Kubernetes.")
    pull_secrets: list[str] = Field([], description="Kubernetes secrets with which the image is pulled.")

    @model_validator(mode="before")
    @classmethod
    def _validate_and_migrate_pod_settings(cls, data: Any) -> Any:
        """In place of ZenML's, which fills ``pod_settings`` in, and then warns that they are passed over."""
        return data


class Config(KubeflowOrchestratorConfig, Settings):
    """ZenML's."""

    @property
    def handles_step_retries(self) -> bool:
        """A pod is started again by Kubeflow, for one that was killed cannot try again itself."""
        return True


class Orchestrator(KubeflowOrchestrator):
    """Compiles the pipeline with the resources of each step, and without secrets or paths of this machine."""

    @property
    def settings_class(self) -> type[Settings]:
        """Ours."""
        return Settings

    def submit_pipeline(
        self,
        snapshot: Any,
        stack: Any,
        base_environment: dict[str, str],
        step_environments: dict[str, dict[str, str]],
        placeholder_run: Any = None,
    ) -> Any:
        """As ZenML's.

        Raises:
            SatsrError: the pods could not sign in to ZenML's server.
        """
        self._steps: dict[str, Any] = {
            name: self.get_settings(step) for name, step in snapshot.step_configurations.items()
        }
        self._require_entrance()
        shared = {name: shareable(values) for name, values in step_environments.items()}
        return super().submit_pipeline(snapshot, stack, shareable(base_environment), shared, placeholder_run)

    def _require_entrance(self) -> None:
        for name, settings in self._steps.items():
            if STORE_KEY not in settings.pod_secrets:
                raise SatsrError(
                    f"the pod of {name} could not sign in to ZenML's server, whose token is not written into a "
                    "pipeline: put the key of a service account into a Kubernetes secret, and name it in the stack's "
                    f"file as {STORE_KEY} under pod_secrets, as stacks/kubeflow.yaml does."
                )

    def _configure_container_resources(
        self, dynamic_component: dsl.PipelineTask, resource_settings: Any, node_selector_constraint: Any = None
    ) -> dsl.PipelineTask:
        """What the step's pod asks for."""
        arguments = dynamic_component.container_spec.args
        settings = self._steps[arguments[arguments.index("--step_name") + 1]]
        ask(dynamic_component, Pod.model_validate(settings.pod))
        for variable, reference in settings.pod_secrets.items():
            secret, _, key = reference.partition("/")
            kubernetes.use_secret_as_env(dynamic_component, secret, {key: variable})
        if settings.pull_secrets:
            kubernetes.set_image_pull_secrets(dynamic_component, settings.pull_secrets)
        return dynamic_component


class Flavor(KubeflowOrchestratorFlavor):
    """The flavor ``satsr_kubeflow``."""

    @property
    def name(self) -> str:
        """Its name in ZenML."""
        return FLAVOR

    @property
    def config_class(self) -> type[Config]:
        """Of its configuration."""
        return Config

    @property
    def implementation_class(self) -> type[Orchestrator]:
        """Of the orchestrator."""
        return Orchestrator


class Written(Orchestrator):
    """Keeps the compiled pipeline instead of uploading it."""

    text = ""

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory()

    @property
    def pipeline_directory(self) -> str:
        """A folder that goes with this object."""
        return self._folder.name

    def _require_entrance(self) -> None:
        """Nothing is submitted."""

    def _upload_and_run_pipeline(self, snapshot: Any, pipeline_file_path: str, run_name: str) -> None:
        text = Path(pipeline_file_path).read_text(encoding="utf-8")
        self.text = text.replace(run_name, snapshot.pipeline_configuration.name.replace("_", "-"))


def ask(task: dsl.PipelineTask, pod: Pod) -> None:
    """Resources, place and retries of a task."""
    if pod.cores:
        task.set_cpu_request(pod.cores)
    if pod.memory:
        task.set_memory_request(pod.memory).set_memory_limit(pod.memory)
    if pod.gpu:
        task.set_accelerator_type(pod.gpu_resource).set_accelerator_limit(pod.gpu)
    if pod.retries:
        task.set_retry(pod.retries)
    if pod.shared_memory:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=pod.shared_memory)  # noqa: S108
    for key, value in pod.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for one in pod.tolerations:
        kubernetes.add_toleration(task, one.key, one.operator, one.value, one.effect, one.seconds)


def shareable(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that may stand in a file: neither secrets nor places of this machine."""
    return {name: value for name, value in environment.items() if not private(name, value)}


def private(name: str, value: str) -> bool:
    """Whether a variable is a secret, or names a file of this machine."""
    secret = SECRET_NAME.search(name) and name not in HARMLESS
    return bool(secret or OF_A_MACHINE.match(value) or hidden(value) != value)
