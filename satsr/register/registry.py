"""The model registry: versions that carry what a reviewer needs, and the aliases ``challenger`` and ``champion``."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from satsr import quiet
from satsr.tracking import DIGEST, NOTE, Data, Run
from satsr.tracking.versions import unknown

CHAMPION, CHALLENGER = "champion", "challenger"
DECISIONS = "\n\n**Decisions**\n\n"
"""Heading of the part of a registered model's description that lists what reviewers decided."""
UNFINISHED = "registration.unfinished"
"""Tag of a version and of its logged model until everything about them is written: see :mod:`satsr.register.again`."""


@dataclass(frozen=True)
class About:
    """What a registered model says about itself on the registry's first pages, whatever its versions.

    Attributes:
        description: Markdown.
        tags: few and short, since the list of models shows them.
    """

    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Numbers of a version, and the data they were taken on; MLflow shows them with the logged model.

    Attributes:
        metrics: of the logged model.
        data: that it was measured on.
        learnt: data that it was trained on, an input of the run as the others are; None if they are not at hand.
    """

    metrics: Mapping[str, float]
    data: Data
    learnt: Data | None = None


def add_version(
    run: Run,
    name: str,
    graph: Path,
    tags: Mapping[str, Any],
    card: str,
    *,
    facts: Mapping[str, Any] | None = None,
    about: About | None = None,
    measured: Measured | None = None,
) -> int:
    """Logs the ONNX graph as a model of ``run`` and registers it as a new version of ``name``.

    Args:
        run: the open MLflow run of the training.
        name: the registered model.
        graph: the ONNX file.
        tags: what the version's row shows, the most important first.
        card: the model card (Markdown), which becomes the version's description, the logged model's and the run's.
        facts: everything else, which become parameters of the logged model.
        about: what the registered model says about itself.
        measured: metrics of the logged model.

    Returns:
        The version's number.
    """
    quiet.apply()
    import mlflow
    import onnx

    from satsr.register import flavor

    with mlflow.start_run(run_id=run.id, log_system_metrics=False):
        logged = flavor.log(
            onnx.load(str(graph)),
            name,
            params=dict(facts or {}),
            tags={NOTE: card, **{key: str(tags[key]) for key in (UNFINISHED,) if key in tags}},
            metadata={key: str(value) for key, value in {**(facts or {}), **tags}.items()},
        )
    if measured is not None:
        run.measured(measured.metrics, measured.data, logged.model_id)
        _learnt(run, measured.learnt)
    _describe(run.client, name, about or About())
    source = f"models:/{logged.model_id}"
    version = run.client.create_model_version(
        name,
        source=source,
        run_id=run.id,
        model_id=logged.model_id,
        tags={key: str(value) for key, value in tags.items()},
    )
    describe_version(run, name, int(version.version), source, card)
    return int(version.version)


def describe_version(run: Run, name: str, version: int, source: str, card: str) -> None:
    """Puts the model card where MLflow shows a version, its logged model and its run, and links the first two.

    Args:
        run: the run of the training.
        name: the registered model.
        version: its version.
        source: of the version, such as ``models:/m-0123``.
        card: Markdown.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

    run.client.update_model_version(name, str(version), description=card)
    # Without the link the logged model's page says "not registered".
    link = json.dumps([{"name": name, "version": version}])
    run.client.set_logged_model_tags(source.rpartition("/")[2], {NOTE: card, MLFLOW_MODEL_VERSIONS: link})
    run.tags({NOTE: card})


def facts_of(client: Any, source: str) -> dict[str, str]:
    """The parameters of the logged model that a version was made from: none if somebody deleted it.

    Args:
        client: MLflow's client, or :class:`satsr.tracking.reading.Reading`.
        source: of the version, such as ``models:/m-0123``.
    """
    try:
        return dict(client.get_logged_model(source.rpartition("/")[2]).params)
    except Exception as error:
        if not unknown(error):
            raise
        return {}


def alias(client: Any, name: str, wanted: str) -> int | None:
    """The version that bears an alias, or None."""
    if not _exists(client, name):
        return None
    aliases: dict[str, Any] = client.get_registered_model(name).aliases
    return int(aliases[wanted]) if wanted in aliases else None


def set_alias(client: Any, name: str, wanted: str, version: int) -> None:
    """Gives the alias to ``version``, taking it from whichever had it, in one call."""
    client.set_registered_model_alias(name, wanted, str(version))


def drop_alias(client: Any, name: str, wanted: str) -> None:
    """Removes an alias if it is there."""
    with suppress(Exception):
        client.delete_registered_model_alias(name, wanted)


def _learnt(run: Run, data: Data | None) -> None:
    """Adds what a model was trained on to the inputs of its run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if data is not None:
        source, profile = json.dumps({"uri": data.source}), json.dumps(dict(data.facts))
        described = Dataset(data.name, data.sha256[:DIGEST], "local", source, profile=profile)
        context = InputTag("mlflow.data.context", "training")
        run.client.log_inputs(run.id, datasets=[DatasetInput(described, [context])])


def _describe(client: Any, name: str, about: About) -> None:
    if not _exists(client, name):
        client.create_registered_model(name)
    if about.description:
        described = client.get_registered_model(name).description or ""
        decided = "".join(described.partition(DECISIONS)[1:])
        client.update_registered_model(name, description=about.description + decided)
    for key, value in about.tags.items():
        client.set_registered_model_tag(name, key, value)


def _exists(client: Any, name: str) -> bool:
    return bool(client.search_registered_models(filter_string=f"name = '{name}'", max_results=1))
