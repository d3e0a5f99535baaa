"""Networks as ONNX graphs: one file with everything in it, the same bytes from every clone, equal to the network.

The file describes itself: the metadata property ``satsr`` holds the facts of :mod:`satsr.exported.facts` as JSON.
"""

import copy
import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from satsr import quiet
from satsr.errors import SatsrError
from satsr.export.operators import traced_once, translations
from satsr.exported.runners import OnnxRunner
from satsr.files import disk_errors, replacing

OPSET = 20  # the first with every operator of the networks; ONNX Runtime 1.27 and later run it
OUTPUT = "sr"


def export(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    axes: Mapping[str, Mapping[int, str]],
    path: Path,
    facts: Mapping[str, Any],
) -> None:
    """Writes ``network`` as an ONNX graph with one output, ``sr``; the network itself is left as it is.

    Args:
        network: of :mod:`models`, on any device; its evaluation mode is exported.
        inputs: examples by the names of ``forward``'s parameters; free axes need different sizes, each at least 2.
        axes: the free axes of each input and what they are called.
        path: of the .onnx file, written completely or not at all.
        facts: what the file says about itself (:meth:`satsr.paper.Paper.describe`).

    Raises:
        SatsrError: the network cannot be exported with these axes, or the disk is full.
    """
    quiet.apply()
    plain = _with_known_slopes(copy.deepcopy(network).cpu().eval().requires_grad_(False))
    free = {name: dict.fromkeys(axes.get(name, {}), torch.export.Dim.DYNAMIC) for name in inputs}
    try:
        with _silence(), traced_once(), torch.no_grad():
            program = torch.onnx.export(
                plain,
                kwargs={name: value.detach().cpu() for name, value in inputs.items()},
                dynamic_shapes=free,
                output_names=[OUTPUT],
                opset_version=OPSET,
                custom_translation_table=translations(),
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises its own types around anything
        reason = " ".join(str(error.__cause__ or error).split())[:400]
        raise SatsrError(f"{type(network).__name__} cannot be exported to ONNX: {reason}") from error
    assert program is not None
    model = program.model_proto
    _tidy(model, type(network).__name__, axes)
    entry = model.metadata_props.add()
    entry.key, entry.value = "satsr", json.dumps(dict(facts), sort_keys=True)
    _check(model)
    with disk_errors("writing the ONNX graph"), replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _with_known_slopes(network: nn.Module) -> nn.Module:
    """The same network, whose PReLUs of one slope are LeakyReLUs, which ONNX Runtime computes with a convolution."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.PReLU) and child.weight.numel() == 1:
                setattr(module, name, nn.LeakyReLU(float(child.weight)))
    return network


def describe(path: Path, facts: Mapping[str, Any]) -> None:
    """Puts another description into an exported file; the graph stays as it is.

    Raises:
        SatsrError: the disk is full.
    """
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = "satsr", json.dumps(dict(facts), sort_keys=True)
    with disk_errors("writing the ONNX graph"), replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def parity(network: nn.Module, path: Path, cases: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """How far the graph in ``path`` is from the network, on the CPU.

    Args:
        network: that was exported.
        path: of the .onnx file.
        cases: inputs by name, float32 (or whole numbers where the network takes them).

    Returns:
        ``max_abs``, the largest deviation in the network's value range; ``psnr_db``, the lowest PSNR against the
        network's own range of values in that case; ``cases``, both with the inputs' shapes for each case.

    Raises:
        SatsrError: the graph cannot be read or run, or its output has another shape, or is not finite where the
            network's is.
    """
    quiet.apply()
    runner = OnnxRunner(path, device="cpu")
    plain = copy.deepcopy(network).cpu().eval()
    rows: list[dict[str, Any]] = []
    for case in cases:
        with torch.inference_mode():
            expected = plain(**{name: torch.from_numpy(value) for name, value in case.items()}).numpy()
        found = runner.run(case)
        shapes = {name: list(value.shape) for name, value in case.items()}
        if found.shape != expected.shape or not np.isfinite(found[np.isfinite(expected)]).all():
            raise SatsrError(
                f"the graph {path} gives {found.shape} on inputs {shapes} where the network gives {expected.shape}, or "
                "values that are not finite: export it again, and with an example of other sizes."
            )
        rows.append({"shapes": shapes, **_deviation(found, expected)})
    return {
        "max_abs": max(row["max_abs"] for row in rows),
        "psnr_db": min(row["psnr_db"] for row in rows),
        "cases": rows,
    }


def _deviation(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    difference = found.astype(np.float64) - expected
    error, span = float(np.square(difference).mean()), float(np.ptp(expected)) or 1.0
    # 200 dB instead of infinity, which JSON does not know
    decibels = 200.0 if error == 0 else min(200.0, 10 * np.log10(span**2 / error))
    return {"max_abs": float(np.abs(difference).max()), "psnr_db": float(decibels)}


def _tidy(model: Any, name: str, axes: Mapping[str, Mapping[int, str]]) -> None:
    """Makes the file the same for everyone: no source paths, no versions; free axes by their names."""
    model.producer_name, model.producer_version, model.doc_string = "satsr", "", ""
    del model.metadata_props[:]
    symbols = {
        value.type.tensor_type.shape.dim[axis].dim_param: called
        for value in model.graph.input
        for axis, called in axes.get(value.name, {}).items()
    }
    for graph in _graphs(model.graph):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for tensor in graph.initializer:
            tensor.doc_string = ""
            del tensor.metadata_props[:]
        for value in (*graph.input, *graph.output):
            value.doc_string = ""
            del value.metadata_props[:]
        del graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = re.sub(r"\w+", lambda word: symbols.get(word[0], word[0]), side.dim_param)
    model.graph.name = name


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and the graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _check(model: Any) -> None:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's own types share no base class
        raise SatsrError(f"the exported graph is not valid ONNX: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """No warnings and no log lines of torch's exporter, whose every message concerns its own insides."""
    names = ("torch.onnx", "torch.export", "torch._export", "torch._dynamo", "onnxscript", "onnx_ir")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
