"""From what a user calls a model to its file: a registered model by alias or version, one of the zoo, or a file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from satsr import zoo
from satsr.errors import SatsrError, meant
from satsr.tracking.versions import VersionName, parsed, registered

SUFFIXES = (".onnx", ".safetensors")
EXAMPLES = "rasvsr@champion, rasvsr/3, zoo:rasvsr, or a path to an .onnx or .safetensors file"


@dataclass(frozen=True)
class Located:
    """A model file.

    Attributes:
        path: of the file, as long as the context lasts.
        name: for people and tags: ``rasvsr/3``, ``zoo:rasvsr-quick``, or the file's name.
    """

    path: Path
    name: str


@contextmanager
def located(name: str, backend: str) -> Iterator[Located]:
    """Finds the file that ``name`` means.

    Args:
        name: ``name@alias``, ``name/version``, ``name`` (its champion), ``zoo:name``, or a path.
        backend: ``onnx`` wants the graph, ``torch`` the weights.

    Raises:
        SatsrError: there is no such file, model, alias or version.
    """
    path = Path(name)
    if name.startswith(zoo.PREFIX):
        yield _of_the_zoo(name.removeprefix(zoo.PREFIX), backend)
        return
    if path.suffix in SUFFIXES:
        if not path.is_file():
            raise SatsrError(f"there is no model file {path}: give {EXAMPLES}.")
        yield Located(path, path.name)
        return
    wanted = parsed(name)
    if path.exists() or wanted is None:
        raise SatsrError(f"{name!r} is no model: give {EXAMPLES}.")
    wanted = replace(wanted, alias="champion") if wanted.bare else wanted
    with tempfile.TemporaryDirectory(prefix="satsr-model-") as folder:
        yield _fetched(wanted, backend, Path(folder))


def _of_the_zoo(name: str, backend: str) -> Located:
    found = zoo.find(name)
    if backend != "onnx":
        raise SatsrError(f"the zoo holds ONNX files alone, so {found.name} needs --backend onnx.")
    return Located(found.path, f"{zoo.PREFIX}{found.name}")


def _fetched(wanted: VersionName, backend: str, folder: Path) -> Located:
    from satsr.tracking.reading import reader

    registry = reader(_registry(wanted.name))
    version = registered(registry, wanted)
    if version is None:
        raise SatsrError(_absent(registry, wanted.name, wanted.alias or str(wanted.number)))
    label = f"{wanted.name}/{version.version}"
    place = getattr(version, "folder", None) if backend == "onnx" else None  # of a local registry
    place = place or _downloaded(label, version.run_id, backend, folder)
    suffix = ".onnx" if backend == "onnx" else ".safetensors"
    files = sorted(place.rglob(f"*{suffix}"))
    if not files:
        raise SatsrError(f"{label} holds no {suffix} file: use the other --backend, or register the model again.")
    chosen = next((file for file in files if file.stem == "ema"), files[0])
    return Located(chosen, label)


def _registry(name: str) -> Path:
    """The checkout whose registry is asked for a model of that name.

    Raises:
        SatsrError: there is none here, so that only the zoo and files can be named.
    """
    from satsr.project import root

    try:
        return root()
    except SatsrError:
        models = [zoo.PREFIX + found.name for found in zoo.entries()]
        raise SatsrError(
            f"{Path.cwd()} is outside any checkout, so there is no registry that could hold the model {name!r}: name "
            f"one of the zoo{meant(zoo.PREFIX + name, models)}, which has {', '.join(models)}, or an .onnx or "
            ".safetensors file, or go to the checkout in which it was registered."
        ) from None


def _downloaded(label: str, run: str, backend: str, folder: Path) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from satsr.project import root
    from satsr.tracking import client

    registry = client(root())
    try:
        if backend == "onnx":
            return Path(download_artifacts(f"models:/{label}", dst_path=str(folder)))
        return Path(registry.download_artifacts(run, "weights", str(folder)))
    except (MlflowException, OSError) as error:
        if backend == "torch":
            raise SatsrError(f"{label} was registered without weights for torch: use --backend onnx.") from None
        reason = " ".join(str(error).split())[:200]
        raise SatsrError(f"the files of {label} cannot be fetched from the registry ({reason}).") from None


def _absent(registry: Any, name: str, wanted: str) -> str:
    """What the registry has instead."""
    models = {model.name: model for model in registry.search_registered_models(max_results=1000)}
    if name not in models:
        others = "train one, name one of the zoo (satsr zoo), or give a file"
        listed = f"it has {', '.join(sorted(models))}" if models else f"it is empty: {others}"
        near = meant(
            name, [*models, *(zoo.PREFIX + found for entry in zoo.entries() for found in (entry.name, entry.paper))]
        )
        return f"the registry has no model {name!r}{near}; {listed}."
    versions = sorted(int(item.version) for item in registry.search_model_versions(f"name = '{name}'"))
    aliases = ", ".join(sorted(models[name].aliases)) or "none"
    return (
        f"{name} has no {wanted!r}; its versions are {', '.join(map(str, versions))}, its aliases {aliases}: use one, "
        f"such as {name}/{versions[-1]}, or make it the champion with satsr review approve {name}/{versions[-1]}."
    )
