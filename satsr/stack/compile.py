"""A pipeline for an orchestrator, without registering anything and without a server: to be read and compared."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zenml.artifact_stores import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.client import Client
from zenml.config.compiler import Compiler
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.container_registries.base_container_registry import BaseContainerRegistry, BaseContainerRegistryConfig
from zenml.enums import StackComponentType as Type
from zenml.image_builders import LocalImageBuilder, LocalImageBuilderConfig
from zenml.orchestrators.utils import get_config_environment_vars
from zenml.pipelines.pipeline_definition import Pipeline
from zenml.stack import Stack as ZenStack
from zenml.utils.env_utils import get_runtime_environment

from satsr.stack.file import Stack
from satsr.stack.parts import Kubeflow
from satsr.stack.settings import FLAVOR, environment, of_pipeline, of_steps

NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True)
class Image:
    """In place of ZenML's record of a build: the one image of every step."""

    name: str

    def get_image(self, component_key: str, step: str | None = None) -> str:
        """The image."""
        return self.name


@dataclass(frozen=True)
class Snapshot:
    """In place of a snapshot in ZenML's store: what orchestrators ask of one.

    Attributes:
        pipeline_configuration: ZenML's.
        step_configurations: ZenML's, by stage.
        build: the image.
        id: nobody's; a pipeline that is submitted has the one of ZenML's server there.
        schedule: none.
    """

    pipeline_configuration: Any
    step_configurations: Mapping[str, Any]
    build: Image
    id: uuid.UUID = NOBODY
    schedule: None = None


def of_server() -> dict[str, str]:
    """Variables by which a pod finds ZenML's server, its token among them; none where ZenML's state is on this disk."""
    if Client().zen_store.is_local_store():
        return {}
    plain, secrets = get_config_environment_vars()
    return plain | secrets


def kubeflow(pipeline: Pipeline, stack: Stack, server: Mapping[str, str]) -> tuple[str, list[str]]:
    """The YAML of Kubeflow Pipelines for one paper's pipeline.

    Args:
        pipeline: of :func:`pipelines.chain.train`.
        stack: of the kind ``kubeflow``.
        server: as of :func:`of_server`.

    Returns:
        The YAML, and the names of the variables that ZenML would have written into it: secrets, and places of this
        machine.
    """
    from satsr.stack.kubeflow import Config, Written, private

    assert isinstance(stack.orchestrator, Kubeflow)
    found = stack.orchestrator
    place = {"kubeflow_hostname": found.hostname, "kubernetes_context": found.context}
    orchestrator = component(Written, Type.ORCHESTRATOR, FLAVOR, Config(kubeflow_namespace=found.namespace, **place))
    zen = on(orchestrator, stack)
    snapshot = compiled(pipeline, stack, zen)
    every = {
        name: {**server, **get_runtime_environment(step.config, zen)}
        for name, step in snapshot.step_configurations.items()
    }
    orchestrator.submit_pipeline(snapshot, zen, {}, every)
    left = {name for values in every.values() for name, value in values.items() if private(name, value)}
    return orchestrator.text, sorted(left - set(stack.pod_secrets))


def on(orchestrator: Any, stack: Stack) -> ZenStack:
    """A stack of ZenML with this orchestrator that is registered nowhere."""
    registry = BaseContainerRegistryConfig(uri=str(stack.registry))
    return ZenStack(
        NOBODY,
        stack.name,
        environment=environment(stack),
        orchestrator=orchestrator,
        artifact_store=component(LocalArtifactStore, Type.ARTIFACT_STORE, "local", LocalArtifactStoreConfig()),
        container_registry=component(BaseContainerRegistry, Type.CONTAINER_REGISTRY, "default", registry),
        image_builder=component(LocalImageBuilder, Type.IMAGE_BUILDER, "local", LocalImageBuilderConfig()),
    )


def compiled(pipeline: Pipeline, stack: Stack, zen: ZenStack) -> Snapshot:
    """The pipeline with the settings of the stack's file, as ZenML's orchestrators get it."""
    pipeline = pipeline.copy()
    pipeline.prepare()
    asked = PipelineRunConfiguration(settings=of_pipeline(stack), steps=of_steps(stack))
    made = Compiler().compile(pipeline, zen, asked)
    return Snapshot(made.pipeline_configuration, made.step_configurations, Image(str(stack.image)))


def component(made: type, kind: Type, flavor: str, config: Any) -> Any:
    """A component of ZenML that is registered nowhere."""
    now = datetime.now(UTC)
    return made(name=flavor, id=NOBODY, config=config, flavor=flavor, type=kind, user=None, created=now, updated=now)
