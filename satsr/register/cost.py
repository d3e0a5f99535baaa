"""What a model costs: parameters, multiply-accumulates, time and memory, all of them on inputs of one stated size.

Whatever the paper, the inputs have 64 x 64 LR px and the sizes of :data:`SIZES` along the other free axes. Work and
time are divided by the images that come out, so that a network that makes a whole clip stands fairly beside one that
makes a single frame. ``python -m satsr.register.cost model.onnx '{"x": [1, 5, 3, 64, 64]}'`` is the fresh process in
which the graph runs.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.exported.runners import OnnxRunner

if TYPE_CHECKING:  # the process that measures memory does without torch
    from torch import Tensor, nn

SIDE = 64
SIZES = {"batch": 1, "time": 5, "dates": 8, "height": SIDE, "width": SIDE}
RUNS, ENOUGH_SECONDS = 5, 3.0


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        inputs: names and shapes, such as ``x 1x5x3x64x64``.
        images: that come out of one run on these inputs.
        parameters: numbers that were learnt.
        gmac: 10^9 multiply-accumulates of convolutions and matrix products for one image.
        milliseconds: time of the ONNX graph for one image, on the CPU: the fastest of up to five runs, which other work
            on the machine disturbs least.
        peak_mb: MB (10^6 bytes) by which a fresh process grows at its peak while it loads the graph and runs it on
            these inputs; None where the system does not tell (Linux does).
        machine: where time and memory were measured.
    """

    inputs: str
    images: int
    parameters: int
    gmac: float
    milliseconds: float
    peak_mb: float | None
    machine: str


def cost(
    network: "nn.Module",
    graph: Path,
    example: Mapping[str, "Tensor"],
    axes: Mapping[str, Mapping[int, str]],
    scale: int,
) -> Cost:
    """Counts what one run of ``network`` computes and measures its exported graph.

    Args:
        network: the exported module, on the CPU, in evaluation mode.
        graph: its .onnx file.
        example: the inputs that it was exported with (:meth:`satsr.paper.Paper.example`).
        axes: their free axes.
        scale: SR px per LR px.

    Raises:
        SatsrError: the graph cannot be run on these inputs.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    shapes = sizes({name: tuple(value.shape) for name, value in example.items()}, axes, scale)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = network(**{name: torch.rand(shape) for name, shape in shapes.items()})
    images = int(np.prod(output.shape[:-3]))
    seconds, peak = measured_apart(graph, shapes)
    return Cost(
        inputs=", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()),
        images=images,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        gmac=counter.get_total_flops() / 2e9 / images,
        milliseconds=1000 * seconds / images,
        peak_mb=peak,
        machine=f"{platform.machine()}, {os.cpu_count()} CPU cores",
    )


def sizes(
    shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, Mapping[int, str]], scale: int
) -> dict[str, tuple[int, ...]]:
    """The shapes with every free axis at the size that all models are measured at; others stay."""
    known = {**SIZES, "sr_height": SIDE * scale, "sr_width": SIDE * scale}
    return {
        name: tuple(known.get(axes.get(name, {}).get(axis, ""), side) for axis, side in enumerate(shape))
        for name, shape in shapes.items()
    }


def run(graph: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Loads and runs a graph in this process, which should have done nothing else before.

    Returns:
        ``seconds``, the fastest of up to five runs after the first; ``peak_mb``, as in :class:`Cost`.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the imports
    before = psutil.Process().memory_info().rss
    random = np.random.default_rng(0)
    inputs = {name: random.random(shape, dtype=np.float32) for name, shape in shapes.items()}
    runner = OnnxRunner(graph, device="cpu")
    runner.run(inputs)
    peak = memory.peak()
    times: list[float] = []
    while len(times) < RUNS and sum(times) < ENOUGH_SECONDS:
        begin = time.perf_counter()
        runner.run(inputs)
        times.append(time.perf_counter() - begin)
    return {"seconds": min(times), "peak_mb": (peak - before) / 1e6 if peak else None}


def measured_apart(graph: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[float, float | None]:
    """Seconds and peak memory of :func:`run` in a process of its own.

    Raises:
        SatsrError: the graph cannot be run on these inputs.
    """
    command = [sys.executable, "-m", "satsr.register.cost", str(graph.resolve()), json.dumps(shapes)]
    project = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project)
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise SatsrError(f"the cost of {graph} could not be measured ({reason}): is there enough memory?")
    found = json.loads(done.stdout)
    return found["seconds"], found["peak_mb"]


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), json.loads(sys.argv[2]))))
