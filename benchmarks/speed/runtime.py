"""Exported graphs on ONNX Runtime against the same networks in torch, one thread each.

The graphs are those of ``satsr.export``, their sessions those of ``satsr.exported``. Exporting is not part of the time.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import models
from benchmarks.speed.ratio import Row, measure
from satsr.export import onnx
from satsr.exported.runners import OnnxRunner

Shapes = dict[str, tuple[int, ...]]
BATCH, CLIP, IMAGE = {0: "batch"}, {3: "height", 4: "width"}, {2: "height", 3: "width"}
DATES = BATCH | {1: "dates"}
# network -> its inputs, their free axes, and the peer's ratio
CASES: dict[str, tuple[Shapes, dict[str, dict[int, str]], float | None]] = {
    "rasvsr": ({"x": (1, 3, 3, 64, 72)}, {"x": BATCH | {1: "time"} | CLIP}, 1.04),
    "msdtgp": ({"x": (1, 5, 3, 32, 40)}, {"x": BATCH | CLIP}, 0.73),
    "qanet": ({"x": (1, 9, 32, 40), "quality": (1, 9, 32, 40)}, {"x": BATCH | IMAGE, "quality": BATCH | IMAGE}, 1.16),
    "srresnet": ({"x": (1, 3, 48, 56)}, {"x": BATCH | IMAGE}, None),
    "rrdb": ({"x": (1, 3, 32, 40)}, {"x": BATCH | IMAGE}, None),
    "highresnet_ltae": (
        {"x": (1, 8, 3, 32, 40), "days": (1, 8)}, {"x": DATES | CLIP, "days": DATES}, None,
    ),
}  # fmt: skip
TARGET = 1.0


def rows(only: str = "") -> Iterator[Row]:
    """Each network, or those that are called so, as it is applied."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (shapes, axes, peer) in CASES.items():
            if only in name:
                yield _row(name, shapes, axes, peer, Path(folder) / f"{name}.onnx")


def _row(name: str, shapes: Shapes, axes: dict[str, dict[int, str]], peer: float | None, path: Path) -> Row:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = models.build(name).eval()
    inputs = {called: torch.rand(shape) for called, shape in shapes.items()}
    onnx.export(network, {called: torch.cat([value] * 2) for called, value in inputs.items()}, axes, path, {})
    runner = OnnxRunner(path, "cpu", threads=1)
    arrays: dict[str, np.ndarray] = {called: value.numpy() for called, value in inputs.items()}

    def eager() -> None:
        with torch.inference_mode():
            network(**inputs)

    size = "x".join(map(str, shapes["x"]))
    return measure(f"{name} {size}", lambda: runner.run(arrays), "torch eager", eager, peer=peer, target=TARGET)
