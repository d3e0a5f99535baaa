"""A stack in ZenML: registered, updated and made active, with nothing left over of what it was before."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.enums import StackComponentType as Type
from zenml.exceptions import ZenKeyError, ZenMLBaseException
from zenml.models import ComponentResponse, StackResponse
from zenml.pipelines.pipeline_definition import Pipeline

from satsr.errors import SatsrError, redact
from satsr.stack.file import Stack
from satsr.stack.parts import Kubeflow, Kubernetes, Secret
from satsr.stack.settings import FLAVOR, environment, label, of_pipeline, of_steps, remembered

SOURCE = "satsr.stack.kubeflow.Flavor"
UNREACHED = (
    "its pods cannot reach ZenML's state on this disk: `zenml login ADDRESS` of a server, then this command once more"
)
Config = dict[str, Any]


class Component(NamedTuple):
    """A component of a stack; without a flavor, one that is there already under this name."""

    name: str
    flavor: str | None
    config: Config


def require_answer() -> None:
    """Asks ZenML's store who this user is, before anything is made.

    Raises:
        SatsrError: its server does not answer, or does not let this user in.
    """
    try:
        with _quietly():
            GlobalConfiguration().zen_store.get_user()  # a client would not find a .zen that is made later
    except (RuntimeError, OSError, ZenMLBaseException) as error:
        said = redact(" ".join(str(error).split()))[:300].rstrip(".")
        raise SatsrError(
            f"ZenML's server does not answer, or does not let this user in ({said}): look at `zenml status`; `zenml "
            "login ADDRESS` signs in, `zenml logout` goes back to the state on this disk."
        ) from None


def register(stack: Stack, root: Path) -> list[str]:
    """Registers the stack, or brings a registered one up to date, and makes it active in the project.

    Args:
        stack: what is registered.
        root: the project's root, which becomes ZenML's as well.

    Returns:
        What was done, a line each, for the terminal.

    Raises:
        SatsrError: a secret that it names does not exist and cannot be made, or ZenML refuses a component.
    """
    with _quietly():
        if not (root / ".zen").is_dir():  # no more of `satsr setup`: it waits for the former stack's MLflow
            Client.initialize(root)
        client = Client(root)
        lines = _secret(client, stack.secret)
        _flavor(client, stack)
        wanted = components(stack)
        ids = {kind: _component(client, kind, one) for kind, one in wanted.items()}
        existed = _find(client, stack.name)
        before = existed.components if existed else {}
        _stack(client, stack, existed, ids)
        lines += [f"removed {name}" for name in _orphans(client, before, set(ids.values()))]
        client.activate_stack(stack.name)
    shown = ", ".join(f"{kind.value} {one.flavor or one.name}" for kind, one in wanted.items())
    lines += [f"{'updated' if existed else 'registered'} {stack.name}: {shown}", f"{stack.name} is active"]
    return [*lines, UNREACHED] if stack.kind != "local" and client.zen_store.is_local_store() else lines


def components(stack: Stack) -> dict[Type, Component]:
    """The components of a stack; their names hold the flavor, which ZenML changes in none that exists."""
    made = {
        Type.ORCHESTRATOR: _own(stack, *_orchestrator(stack)),
        Type.ARTIFACT_STORE: Component("default", None, {}),
    }
    if stack.artifacts:
        place = {"endpoint_url": stack.artifacts.endpoint, "region_name": stack.artifacts.region}
        options = {key: value for key, value in place.items() if value}
        keys = _references(stack.secret, {"key": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY"})
        made[Type.ARTIFACT_STORE] = _own(
            stack, "s3", {"path": stack.artifacts.path, "client_kwargs": options or None, **keys}
        )
    if stack.registry:
        made[Type.CONTAINER_REGISTRY] = _own(stack, "default", {"uri": stack.registry})
    if stack.image:
        made[Type.IMAGE_BUILDER] = _own(stack, "local", {})
    if stack.tracking:
        made[Type.EXPERIMENT_TRACKER] = _own(stack, "mlflow", _tracking(stack))
    return made


def on_stack(pipeline: Pipeline, steps: Any) -> Pipeline:
    """The pipeline with the settings that the active stack's file has for it and its steps.

    Values of a file that is given with ``-c`` go before.

    Args:
        pipeline: one of the papers'.
        steps: the module with its steps.
    """
    stack = remembered(Client().active_stack_model.labels)
    if stack is None or (stack.kind == "local" and not stack.image):
        return pipeline
    for stage, options in of_steps(stack).items():
        getattr(steps, stage).configure(**options)
    return pipeline.configure(settings=of_pipeline(stack))


def _orchestrator(stack: Stack) -> tuple[str, Config]:
    match stack.orchestrator:
        case Kubernetes() as found:
            place = {"kubernetes_context": found.context, "kubernetes_namespace": found.namespace}
            return "kubernetes", {**place, "incluster": found.in_cluster, "pass_zenml_token_as_secret": True}
        case Kubeflow() as found:
            place = {"kubeflow_hostname": found.hostname, "kubeflow_namespace": found.namespace}
            return FLAVOR, {**place, "kubernetes_context": found.context}
    return stack.orchestrator.flavor, {}


def _tracking(stack: Stack) -> Config:
    """ZenML refuses a server without credentials; one that asks for none takes any."""
    assert stack.tracking
    user = {"tracking_username": "MLFLOW_TRACKING_USERNAME", "tracking_password": "MLFLOW_TRACKING_PASSWORD"}
    found = _references(stack.secret, user) or _references(stack.secret, {"tracking_token": "MLFLOW_TRACKING_TOKEN"})
    return {"tracking_uri": stack.tracking.uri, **(found or {"tracking_token": "none"})}


def _references(secret: Secret | None, variables: Mapping[str, str]) -> Config:
    """ZenML's references to keys of the secret; none unless it has all of them."""
    if secret is None or not set(variables.values()) <= set(secret.variables):
        return {}
    return {key: f"{{{{{secret.name}.{variable}}}}}" for key, variable in variables.items()}


def _own(stack: Stack, flavor: str, config: Config) -> Component:
    return Component(f"{stack.name}-{flavor.replace('_', '-')}", flavor, config)


def _secret(client: Client, secret: Secret | None) -> list[str]:
    """Makes or updates the secret from the environment; values that are not there stay as they are."""
    if secret is None:
        return []
    found = {name: os.environ[name] for name in secret.variables if os.environ.get(name)}
    try:
        known = set(client.get_secret(secret.name, allow_partial_name_match=False, allow_partial_id_match=False).values)
    except (KeyError, ZenKeyError):
        known = None
    if missing := [name for name in secret.variables if name not in (known or set()) | set(found)]:
        raise SatsrError(
            f"the ZenML secret {secret.name} has no value for {', '.join(missing)}, nor has the environment of this "
            "command, which would put them there: export them and run it again."
        )
    if known is None:
        client.create_secret(secret.name, found)
        return [f"made the secret {secret.name} of {', '.join(sorted(found))}"]
    stale = sorted(known - set(secret.variables))
    if found or stale:
        client.update_secret(secret.name, add_or_update_values=found, remove_values=stale)
    return [f"updated the secret {secret.name}: {', '.join(sorted(found))}"] if found else []


def _flavor(client: Client, stack: Stack) -> None:
    """Makes ours known to ZenML, once."""
    if isinstance(stack.orchestrator, Kubeflow) and not client.list_flavors(name=FLAVOR, type=Type.ORCHESTRATOR).total:
        from satsr.stack import kubeflow  # noqa: F401  # says what is not installed, which ZenML tells otherwise

        client.create_flavor(SOURCE, Type.ORCHESTRATOR)


def _component(client: Client, kind: Type, one: Component) -> Any:
    """The id of the component, which has exactly this configuration afterwards."""
    found = client.list_stack_components(name=one.name, type=kind, hydrate=True).items
    given = {key: value for key, value in one.config.items() if value is not None}
    if one.flavor is None:
        return found[0].id
    try:
        if not found:
            return client.create_stack_component(one.name, one.flavor, kind, given).id
        dropped = dict.fromkeys(set(found[0].configuration) - set(given))
        return client.update_stack_component(found[0].id, kind, configuration={**dropped, **given}).id
    except (ValueError, TypeError) as error:
        raise SatsrError(f"ZenML refuses the {kind.value} {one.name}: {' '.join(str(error).split())}") from None


def _find(client: Client, name: str) -> StackResponse | None:
    found = client.list_stacks(name=name, hydrate=True).items
    return found[0] if found else None


def _stack(client: Client, stack: Stack, existed: StackResponse | None, ids: Mapping[Type, Any]) -> None:
    """Makes the stack of exactly these components, variables and secrets."""
    secrets = [stack.secret.name] if stack.secret else []
    if existed is None:
        client.create_stack(stack.name, ids, labels=label(stack), secrets=secrets)
        had: dict[str, Any] = {}
    else:
        had = dict(existed.environment)
        gone: dict[Type, list[Any]] = {kind: [] for kind in existed.components if kind not in ids and kind in OURS}
        known = [str(client.get_secret(one).id) for one in secrets]
        client.update_stack(
            stack.name,
            labels=label(stack),
            component_updates={**gone, **ids},
            add_secrets=[one for one in known if one not in map(str, existed.secrets)],
            remove_secrets=[one for one in existed.secrets if str(one) not in known],
        )
    if changed := {**dict.fromkeys(had), **environment(stack)}:
        client.update_stack(stack.name, environment=changed)


OURS = (
    *(Type.ORCHESTRATOR, Type.ARTIFACT_STORE, Type.CONTAINER_REGISTRY, Type.IMAGE_BUILDER),
    Type.EXPERIMENT_TRACKER,
)
"""What a file describes; a step operator or an alerter that somebody added stays."""


def _orphans(client: Client, before: Mapping[Type, list[ComponentResponse]], used: set[Any]) -> Iterator[str]:
    """Deletes what the stack was made of and no stack has any more."""
    for kind, found in before.items():
        for one in found:
            ours = kind in OURS and one.name != "default" and one.id not in used
            if ours and not client.list_stacks(component_id=one.id).total:
                client.delete_stack_component(one.id, kind)
                yield f"the {kind.value.replace('_', ' ')} {one.name}"


@contextmanager
def _quietly() -> Iterator[None]:
    """ZenML tells each of its steps, and warns of secrets that are references, from loggers of their own."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
