"""What a stack consists of besides its pods: the orchestrator, and what the steps share."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from satsr.config.data import Section
from satsr.errors import hidden
from satsr.stack.pod import Name


def _address(value: str) -> str:
    if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
        raise ValueError("an address is expected, such as https://mlflow.example.org")
    return value


def _bucket(value: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/\S*)?", value):
        raise ValueError("a place in a bucket is expected, such as s3://satsr/zenml")
    return value


def _count(value: object) -> object:
    if value == "gpu" or (type(value) is int and value > 0):
        return value
    raise ValueError("a number of processes is expected, or gpu for one on each GPU there is")


Address = Annotated[str, AfterValidator(_address)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Processes = Annotated[int | str, BeforeValidator(_count)]


class Local(Section):
    """ZenML's orchestrators of one machine: steps in this process, or each in a container."""

    flavor: Literal["local", "local_docker"]


class Kubernetes(Section):
    """ZenML's ``kubernetes`` orchestrator.

    Attributes:
        context: of kubectl's configuration.
        in_cluster: submitted from a pod of the same cluster, which needs no context.
        namespace: where pods are made.
        service_account: of the pods; ZenML makes one where none is named.
        parallel: how many steps run at a time; all that can by default.
        keep_seconds: how long finished jobs are kept.
    """

    flavor: Literal["kubernetes"]
    context: str | None = None
    in_cluster: bool = False
    namespace: Name = "zenml"
    service_account: Name | None = None
    parallel: int | None = Field(None, gt=0)
    keep_seconds: int | None = Field(None, ge=0)


class Kubeflow(Section):
    """Kubeflow Pipelines, by :mod:`satsr.stack.kubeflow`.

    Attributes:
        hostname: of Kubeflow Pipelines' API; else ``context``.
        context: of kubectl's configuration.
        namespace: where Kubeflow is installed.
        user_namespace: where runs are made, if Kubeflow has several users.
        wait_seconds: how long the submitting command waits for the run; 0: not at all.
    """

    flavor: Literal["kubeflow"]
    hostname: Address | None = None
    context: str | None = None
    namespace: Name = "kubeflow"
    user_namespace: Name | None = None
    wait_seconds: int = Field(0, ge=0)


class Artifacts(Section):
    """ZenML's artifact store, which carries code and references between the steps."""

    path: Bucket
    endpoint: Address | None = None
    region: str | None = None


class Tracking(Section):
    """An MLflow server."""

    uri: Address


class Remote(Section):
    """The DVC remote, by which data go from step to step."""

    url: Bucket
    endpoint: Address | None = None


class Secret(Section):
    """A ZenML secret, whose keys are environment variables of every step.

    Attributes:
        name: of the secret.
        variables: its keys; ``satsr stack`` takes their values from the environment that it is run in.
    """

    name: Name
    variables: list[Variable] = Field(min_length=1)

    @field_validator("variables")
    @classmethod
    def _named(cls, names: list[str]) -> list[str]:
        if any(hidden(name) != name or re.fullmatch(r"[A-Z0-9]{16,}|[0-9a-f]{16,}", name) for name in names):
            raise ValueError("names of environment variables are expected, never their values")
        return names
