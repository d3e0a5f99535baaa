"""The YAML file of a stack: checked before anything is registered, and without a secret in it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from satsr.config.data import Section
from satsr.config.resolve import read_yaml
from satsr.errors import SECRET_NAME, SatsrError, hidden, listed, problems
from satsr.stack.parts import Artifacts, Kubeflow, Kubernetes, Local, Processes, Remote, Secret, Tracking, Variable
from satsr.stack.pod import STAGES, Name, Pod, PodSpec, Steps

KINDS = ("local", "kubernetes", "kubeflow")
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104
REFERENCE = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-._A-Za-z0-9]+$"


class Stack(Section):
    """A stack, with the resources of each step.

    Attributes:
        name: in ZenML.
        orchestrator: what runs the steps.
        image: the container image of every step.
        registry: where it lies.
        artifacts: ZenML's artifact store; on one machine a folder of ZenML's.
        tracking: MLflow; on one machine ``mlflow.db`` by default.
        remote: the DVC remote.
        secret: credentials of the three, by the names of their environment variables.
        environment: plain variables of every step.
        processes: into which a training is divided on its machine: how many, or ``gpu`` for one on each GPU there is;
            without it ``gpu`` where the training's pod has several.
        pod_secrets: variables of every pod that come from a Kubernetes secret: ``ZENML_STORE_API_KEY: satsr/api-key``.
        pull_secrets: Kubernetes secrets with which the image is pulled.
        defaults: of the pods.
        steps: where a step differs from them.
    """

    name: Name
    orchestrator: Annotated[Local | Kubernetes | Kubeflow, Field(discriminator="flavor")]
    image: str | None = Field(None, pattern=r"^[^\s@]+(@sha256:[0-9a-f]{64})?$")
    registry: str | None = Field(None, pattern=r"^[^\s@]+$")
    artifacts: Artifacts | None = None
    tracking: Tracking | None = None
    remote: Remote | None = None
    secret: Secret | None = None
    environment: dict[Variable, str] = Field({})
    processes: Processes | None = None
    pod_secrets: dict[Variable, Annotated[str, Field(pattern=REFERENCE)]] = Field({})
    pull_secrets: list[Name] = Field([])
    defaults: Pod = Pod()
    steps: Steps = Steps()

    @property
    def kind(self) -> str:
        """One of :data:`KINDS`."""
        return "local" if isinstance(self.orchestrator, Local) else self.orchestrator.flavor

    @property
    def divided(self) -> str | None:
        """In how many processes a training is divided on its machine, where the file says it."""
        return str(self.processes or "gpu") if self.processes or (self.pod("train").gpu or 0) > 1 else None

    def pod(self, stage: str) -> Pod:
        """What a stage's pod asks for."""
        return self.steps.of(stage).over(self.defaults)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """What belongs together is there, and what would be passed over is not."""
        needs, idle = NEEDS[self.orchestrator.flavor], IDLE[self.orchestrator.flavor]
        if missing := [name for name in needs if getattr(self, name) is None]:
            raise ValueError(f"the flavor {self.orchestrator.flavor} needs {', '.join(missing)}")
        if given := sorted(self.model_fields_set.intersection(idle)):
            raise ValueError(f"the flavor {self.orchestrator.flavor} has no use for {', '.join(given)}")
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """Pods have a loopback of their own."""
        addresses = {
            "artifacts.endpoint": self.artifacts and self.artifacts.endpoint,
            "tracking.uri": self.tracking and self.tracking.uri,
            "remote.endpoint": self.remote and self.remote.endpoint,
        }
        for key, value in addresses.items():
            if self.kind != "local" and value and urlsplit(value).hostname in LOOPBACK:
                raise ValueError(f"{key} is an address of this machine alone, which no pod can reach")
        return self

    @model_validator(mode="after")
    def _orchestrated(self) -> Self:
        """An orchestrator finds its cluster, and is asked for what it can do."""
        match self.orchestrator:
            case Kubernetes(context=None, in_cluster=False):
                raise ValueError("orchestrator.context is missing (kubectl config get-contexts), or in_cluster: true")
            case Kubeflow(hostname=None, context=None):
                raise ValueError("orchestrator.hostname or orchestrator.context is missing: where Kubeflow is")
            case Kubeflow():
                for stage in STAGES:
                    if self.pod(stage).disk or self.pod(stage).pod_spec != PodSpec():
                        raise ValueError(f"{stage}: Kubeflow Pipelines takes neither disk nor pod_spec")
        return self


NEEDS = {
    "local": (),
    "local_docker": ("image",),
    "kubernetes": ("image", "registry", "artifacts", "remote"),
    "kubeflow": ("image", "registry", "artifacts", "remote"),
}
PODS = ("pod_secrets", "pull_secrets", "defaults", "steps")
IDLE = {"local": ("image", "registry", *PODS), "local_docker": PODS, "kubernetes": (), "kubeflow": ()}


def read(kind: str, path: Path) -> Stack:
    """A stack of the kind that is asked for.

    Args:
        kind: one of :data:`KINDS`.
        path: the YAML file.

    Raises:
        SatsrError: the file is missing, holds a secret, does not say what it must, or describes another kind.
    """
    found = checked(read_yaml(path), str(path))
    if found.kind != kind:
        raise SatsrError(
            f"{path} describes a stack of the flavor {found.orchestrator.flavor}: "
            f"give it to `satsr stack {found.kind}`."
        )
    return found


def checked(values: Any, place: str) -> Stack:
    """A stack of plain values.

    Raises:
        SatsrError: as :func:`read`.
    """
    if not isinstance(values, Mapping):
        raise SatsrError(f"{place} holds no stack: see the files in stacks/, which say what is expected.")
    if secrets := sorted(set(_literal(values))):
        raise SatsrError(
            f"{place} holds what looks like a secret at {', '.join(secrets)}. Secrets are named, never written: give "
            "the variable's name under secret.variables and its value in the environment of `satsr stack`, or name a "
            "Kubernetes secret under pod_secrets."
        )
    try:
        return Stack.model_validate(values)
    except ValidationError as error:
        raise SatsrError(listed(f"{place} is no valid stack", [_clause(line) for line in problems(error)])) from None


def _clause(line: str) -> str:
    """A problem without what was found in it, which may be a secret, and without pydantic's word for a whole file."""
    key = line.partition(":")[0].partition(" ")[0]
    shown = line.partition(" (found ")[0] if re.match(r"secret|pod_secrets|environment|$", key) else line
    shown = shown.partition(" (found {")[0].removeprefix(": ")
    camel = re.fullmatch(r"unknown key (.*pod_spec)\.(\w*[A-Z]\w*)", shown)
    return shown + ": fields of pods are written like_this" * bool(camel)


def _literal(values: Any, key: str = "") -> Iterator[str]:
    """The keys at which a secret is written out: by the name of a variable, or by the look of a value."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            here = f"{key}.{name}".removeprefix(".")
            secret = key != "pod_secrets" and (SECRET_NAME.search(str(name)) or "ACCESS_KEY" in str(name).upper())
            yield from [here] if secret and isinstance(value, str) else _literal(value, here)
    elif isinstance(values, list):
        for value in values:
            yield from _literal(value, key)
    elif isinstance(values, str) and hidden(values) != values:
        yield key
