"""The model registry: versions that carry what a reviewer needs, and the aliases ``challenger`` and ``champion``."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from satsr import quiet
from satsr.tracking import Run

CHAMPION, CHALLENGER = "champion", "challenger"


def add_version(run: Run, name: str, graph: Path, tags: Mapping[str, Any], card: str) -> int:
    """Logs the ONNX graph as a model of ``run`` and registers it as a new version of ``name``.

    Args:
        run: the open MLflow run of the training.
        name: the registered model.
        graph: the ONNX file.
        tags: what the version carries: metrics, hashes, commit, parity.
        card: the model card (Markdown), which becomes the version's description.

    Returns:
        The version's number.
    """
    quiet.apply()
    import mlflow
    import onnx

    model = onnx.load(str(graph))
    with mlflow.start_run(run_id=run.id, log_system_metrics=False):
        logged = mlflow.onnx.log_model(
            model,
            name="model",
            signature=_signature(model),
            metadata={key: str(value) for key, value in tags.items()},
            pip_requirements=["onnxruntime", "numpy"],
            save_as_external_data=False,
            onnx_execution_providers=["CPUExecutionProvider"],
        )
    if not _exists(run.client, name):
        run.client.create_registered_model(name)
    version = run.client.create_model_version(
        name, source=f"models:/{logged.model_id}", run_id=run.id, model_id=logged.model_id, description=card
    )
    for key, value in tags.items():
        run.client.set_model_version_tag(name, version.version, key, str(value))
    return int(version.version)


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


def _exists(client: Any, name: str) -> bool:
    return bool(client.search_registered_models(filter_string=f"name = '{name}'", max_results=1))


def _signature(model: Any) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def specs(values: Any) -> Any:
        rows: list[Any] = []
        for value in values:
            shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim)
            rows.append(TensorSpec(np.dtype(np.float32), shape, value.name))
        return Schema(rows)

    return ModelSignature(inputs=specs(model.graph.input), outputs=specs(model.graph.output))
