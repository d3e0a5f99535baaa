"""Writing ONNX graphs of the full networks, against torch's exporter as it comes.

What is spared is said in :mod:`satsr.export.operators`. The networks and the sizes are those of
:mod:`benchmarks.speed.runtime`.
"""

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import torch

import models
from benchmarks.speed.ratio import Row, Work, measure
from benchmarks.speed.runtime import CASES
from satsr.export import onnx


def rows(only: str = "") -> Iterator[Row]:
    """Each network, or those that are called so; one to three minutes each."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            if only in name:
                export = _exporting(name, Path(folder) / f"{name}.onnx")
                yield measure(name, export, "torch's exporter", _plain(export), repeats=2)


def _exporting(name: str, path: Path) -> Work:
    shapes, axes, _ = CASES[name]
    torch.manual_seed(0)
    network = models.build(name).eval()
    inputs = {called: torch.cat([torch.rand(shape)] * 2) for called, shape in shapes.items()}
    return lambda: onnx.export(network, inputs, axes, path, {})


def _plain(export: Work) -> Work:
    def run() -> None:
        with patch.object(onnx, "traced_once", nullcontext):
            export()

    return run
