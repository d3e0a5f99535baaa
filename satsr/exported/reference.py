"""From what a user calls a model to its file: a registered model by alias or version, or a file."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError

REGISTERED = re.compile(r"(?:models:/)?([A-Za-z0-9._-]+)(?:@([A-Za-z0-9._-]+)|/(\d+))?")
SUFFIXES = (".onnx", ".safetensors")
EXAMPLES = "rasvsr@champion, rasvsr/3, or a path to an .onnx or .safetensors file"


@dataclass(frozen=True)
class Located:
    """A model file.

    Attributes:
        path: of the file, as long as the context lasts.
        name: for people and tags: ``rasvsr/3``, or the file's name.
    """

    path: Path
    name: str


@contextmanager
def located(reference: str, backend: str) -> Iterator[Located]:
    """Finds the file that ``reference`` means.

    Args:
        reference: ``name@alias``, ``name/version``, ``name`` (its champion), or a path.
        backend: ``onnx`` wants the graph, ``torch`` the weights.

    Raises:
        SatsrError: there is no such file, model, alias or version.
    """
    path = Path(reference)
    if path.suffix in SUFFIXES:
        if not path.is_file():
            raise SatsrError(f"there is no model file {path}: give {EXAMPLES}.")
        yield Located(path, path.name)
        return
    found = REGISTERED.fullmatch(reference)
    if path.exists() or found is None:
        raise SatsrError(f"{reference!r} is no model: give {EXAMPLES}.")
    name, alias, number = found.groups()
    with tempfile.TemporaryDirectory(prefix="satsr-model-") as folder:
        yield _fetched(name, alias or (None if number else "champion"), number, backend, Path(folder))


def _fetched(name: str, alias: str | None, number: str | None, backend: str, folder: Path) -> Located:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from satsr.project import root
    from satsr.tracking import client

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # five files need no bar
    registry = client(root())
    try:
        version = (
            registry.get_model_version_by_alias(name, alias) if alias else registry.get_model_version(name, number)
        )
    except MlflowException:
        raise SatsrError(_absent(registry, name, alias or number)) from None
    label = f"{name}/{version.version}"
    try:
        if backend == "onnx":
            place = Path(download_artifacts(f"models:/{label}", dst_path=str(folder)))
        else:
            place = Path(registry.download_artifacts(version.run_id, "weights", str(folder)))
    except (MlflowException, OSError) as error:
        if backend == "torch":
            raise SatsrError(f"{label} was registered without weights for torch: use --backend onnx.") from None
        reason = " ".join(str(error).split())[:200]
        raise SatsrError(f"the files of {label} cannot be fetched from the registry ({reason}).") from None
    suffix = ".onnx" if backend == "onnx" else ".safetensors"
    files = sorted(place.rglob(f"*{suffix}"))
    if not files:
        raise SatsrError(f"{label} holds no {suffix} file: use the other --backend, or register the model again.")
    chosen = next((file for file in files if file.stem == "ema"), files[0])
    return Located(chosen, label)


def _absent(registry: Any, name: str, wanted: str | None) -> str:
    """What the registry has instead."""
    models = {model.name: model for model in registry.search_registered_models(max_results=1000)}
    if name not in models:
        listed = f"it has {', '.join(sorted(models))}" if models else "it is empty: train one, or give a file"
        return f"the registry has no model {name!r}; {listed}."
    versions = sorted(int(item.version) for item in registry.search_model_versions(f"name = '{name}'"))
    aliases = ", ".join(sorted(models[name].aliases)) or "none"
    return (
        f"{name} has no {wanted!r}; its versions are {', '.join(map(str, versions))}, its aliases {aliases}: use one, "
        f"such as {name}/{versions[-1]}, or make it the champion with satsr review approve {name}/{versions[-1]}."
    )
