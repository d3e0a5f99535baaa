"""An exported graph as an MLflow model that MLflow's own commands can use: one ONNX file, and no code or pickle.

``mlflow.onnx.load_model`` gives the graph, whose numbers are the network's. ``mlflow.pyfunc.load_model`` and ``mlflow
models serve`` load it with :mod:`satsr.exported.served`, so they take and give native numbers, as :func:`satsr.load`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.exported.facts import Facts, decode, parse

LOADER = "satsr.exported.served"
INPUTS = {
    "image": ("images", "N, H, W, {}"),
    "video": ("frames", "T, H, W, {}"),
    "window": ("frames", "T, H, W, {}"),
    "series": ("dates", "T, H, W, {}"),
    "imageset": ("views", "T, H, W"),
}
"""What each kind's input is called in signatures, and its axes."""
QUALITY = "quality"
LONGEST = 3
"""Images of the example, where a graph takes any number of them."""
REQUIREMENTS = ["onnxruntime", "numpy", "opencv-python-headless", "rasterio", "filelock"]
"""Of satsr itself, which is on no package index and has to be installed where a model is served."""

NO_STEP = -1
"""Of a run's metrics MLflow copies those of a step to the model that is logged there, and refuses the model if two
values of one name have the same time, as a training that went on elsewhere may leave them: the model has its own."""


@dataclass(frozen=True)
class Takes:
    """What a graph takes.

    Attributes:
        facts: its description.
        kind: how it is applied.
        images: at once, in the example.
        channels: of one image.
    """

    facts: Facts
    kind: str
    images: int
    channels: int

    @property
    def sentence(self) -> str:
        """Name, axes and range, for people: ``frames (T, H, W, 3), numbers in 0..255``."""
        return sentence(self.facts.raw, self.kind, self.channels)

    @property
    def example(self) -> dict[str, np.ndarray]:
        """A small input: slopes over the middle of the native range, whole numbers."""
        top = self.facts.normalisation.native[1]
        side, kind = self.facts.smallest, np.uint8 if top <= 255 else np.uint16
        images, rows, columns, bands = np.indices((self.images, side, side, self.channels))
        share = (rows + 2 * columns + 3 * bands + images) / (3 * side + 3 * self.channels + self.images)
        values = (top * (0.05 + 0.2 * share)).astype(kind)
        if self.kind != "imageset":
            return {INPUTS[self.kind][0]: values}
        return {INPUTS[self.kind][0]: values[..., 0], QUALITY: np.ones(values.shape[:3], np.uint8)}


def sentence(description: Mapping[str, Any], kind: str, channels: int) -> str:
    """What a model of this description takes: ``frames (T, H, W, 3), numbers in 0..255``."""
    facts = parse(description, "the model")
    name, axes = INPUTS[kind]
    unit = " (reflectance x 10000)" if facts.reflectance else ""
    low, high = facts.normalisation.native
    return f"{name} ({axes.format(channels)}), numbers in {low:g}..{high:g}{unit}"


def takes(graph: Any) -> Takes | None:
    """What an ONNX graph takes; None if it does not say (:func:`satsr.exported.facts.decode`)."""
    try:
        described = decode({entry.key: entry.value for entry in graph.metadata_props}, "the graph")
        facts = parse(described, "the graph")
    except SatsrError:
        return None
    sides = next([side.dim_value for side in _sides(value)] for value in graph.graph.input if value.name == "x")
    kind = "image" if facts.kind == "series" and len(sides) == 4 else facts.kind
    if kind in ("image", "imageset"):
        return Takes(facts, kind, 1 if kind == "image" else sides[1] or LONGEST, sides[1] if kind == "image" else 1)
    return Takes(facts, kind, sides[1] or (facts.dates if kind == "series" else LONGEST), sides[2] or facts.channels)


def log(graph: Any, name: str, **more: Any) -> Any:
    """Logs a graph as a model of the active run.

    Args:
        graph: the loaded ONNX file; one that does not describe itself becomes a plain model of MLflow's ONNX flavour.
        name: of the logged model.
        more: ``params``, ``tags`` and ``metadata`` for MLflow.

    Returns:
        MLflow's facts of the logged model.
    """
    from mlflow.models import Model

    found = takes(graph)
    metadata = {**more.pop("metadata", {}), **({"takes": found.sentence} if found else {})}
    return Model.log(
        artifact_path=None,
        name=name,
        flavor=_Flavor(graph, found),
        flavor_name="onnx",
        metadata=metadata,
        step=NO_STEP,
        validate_serving_input=False,  # which would load :data:`LOADER`, on which no stage depends
        **({"input_example": _example(found)} if found else {}),
        **more,
    )


class _Flavor:
    """What MLflow calls to write the files of a model."""

    def __init__(self, graph: Any, found: Takes | None) -> None:
        self._graph, self._found = graph, found

    def save_model(self, path: str, mlflow_model: Any, **more: Any) -> None:
        """MLflow's own files of an ONNX model, which it shall load with :data:`LOADER`."""
        import mlflow

        more.pop("validate_serving_input")
        mlflow.onnx.save_model(
            self._graph,
            path,
            mlflow_model=mlflow_model,
            signature=_signature(self._graph, self._found),
            pip_requirements=REQUIREMENTS if self._found else ["onnxruntime", "numpy"],
            save_as_external_data=False,
            onnx_execution_providers=["CPUExecutionProvider"],
            **more,
        )
        if self._found is not None:
            mlflow_model.flavors["python_function"]["loader_module"] = LOADER
            mlflow_model.save(str(Path(path) / "MLmodel"))


def _example(found: Takes) -> Any:
    """As MLflow takes it: an array where there is one input."""
    values = found.example
    return values if len(values) > 1 else next(iter(values.values()))


def _signature(graph: Any, found: Takes | None) -> Any:
    """Of the native arrays: any type of numbers goes in, and base64 texts, which MLflow's ``object`` stands for."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    if found is None:
        ends: list[Any] = [[_plain(value) for value in values] for values in (graph.graph.input, graph.graph.output)]
        return ModelSignature(inputs=Schema(ends[0]), outputs=Schema(ends[1]))
    given: list[Any] = [TensorSpec(np.dtype(object), (-1,), name) for name in found.example]
    axes = (2 if found.kind == "imageset" else 3) + (found.kind in ("image", "video", "window"))
    shape = (-1,) * axes if found.kind == "imageset" else (*(-1,) * (axes - 1), found.channels)
    params = [ParamSpec("constraint", "string", ""), ParamSpec("seed", "long", 0), ParamSpec("gain", "double", 0.0)]
    params += [ParamSpec("days", "double", [], (-1,))] if found.kind == "series" else []
    made = TensorSpec(np.dtype(np.float32), shape, "sr")
    return ModelSignature(inputs=Schema(given), outputs=Schema([made]), params=ParamSchema(params))


def _plain(value: Any) -> Any:
    from mlflow.types import TensorSpec

    return TensorSpec(np.dtype(np.float32), tuple(side.dim_value or -1 for side in _sides(value)), value.name)


def _sides(value: Any) -> Any:
    return value.type.tensor_type.shape.dim
