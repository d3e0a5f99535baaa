"""Full-size RASVSR and MSDTGP on one GPU: training steps and inference, fast against plain, with the same result.

``python benchmarks/gpu.py`` prints tables as Markdown. Frames are those of ``$SATSR_SAMPLES/video`` (default
``../shared/data/video``) or of ``--frames FOLDER``: the last fifth is measured, the rest trains. The variants:

- ``plain``: float32, the deformable convolution one tap at a time, as implementations without a kernel of their own do;
- ``float32``: this project's convolution;
- ``bf16``: the same in ``train.precision = bf16-mixed``;
- ``bf16 channels-last``: with the weights, and by them what convolutions give, in that order;
- ``bf16 channels-last compiled``: the same through ``torch.compile``, on a GPU only.

Columns: samples a second of the training loop that the pipelines use, its share of the device's own rate at large
matrix products of the same type, the share of time spent waiting for data, peak memory of the device, PSNR on the
measured frames after the same steps from the same seed, and milliseconds of a forward pass. ``--tiny`` makes the
networks and the clip small, so that a CPU can try the script; figures of such a run mean nothing.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from models.shared import deform
from pipelines import msdtgp, rasvsr
from pipelines.configs.msdtgp import CONFIG as MSDTGP
from pipelines.configs.rasvsr import CONFIG as RASVSR
from satsr import quiet
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.degrade import downscale_frame
from satsr.imagery.images import read_rgb
from satsr.metrics import psnr
from satsr.project import root
from satsr.store.store import Store, StoreWriter
from satsr.train.devices import device
from satsr.train.loop import fit

PAPERS: dict[str, Any] = {"rasvsr": (rasvsr.PAPER, RASVSR), "msdtgp": (msdtgp.PAPER, MSDTGP)}
FREE = {"batch": 1, "time": 5, "dates": 5}
"""Sizes of the free axes of an exported graph; height and width are 32 px."""
TINY = {
    "rasvsr": {"mid_channels": 8, "num_blocks": 1, "high_channels": 8},
    "msdtgp": {"base_filter": 16, "feat": 8, "n_resblock": 1, "n_extract": 1},
}
HEAD = (
    "network", "variant", "samples/s", "of the device's rate", "waiting for data", "peak memory", "PSNR", "forward"
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """How a network is computed."""

    name: str
    precision: str = "32-true"
    plain: bool = False
    channels_last: bool = False
    compiled: bool = False


VARIANTS = (
    Variant("plain", plain=True),
    Variant("float32"),
    Variant("bf16", "bf16-mixed"),
    Variant("bf16 channels-last", "bf16-mixed", channels_last=True),
    Variant("bf16 channels-last compiled", "bf16-mixed", channels_last=True, compiled=True),
)


def row(paper: str, variant: Variant, store: Store, folder: Path, steps: int, tiny: bool) -> list[str]:
    """Trains and applies one network one way; the cells of its row."""
    recipe = _recipe(paper, variant, steps, tiny)
    torch.manual_seed(0)
    network = recipe.network().to(device())
    if variant.channels_last:
        network.to(memory_format=torch.channels_last)
    if variant.compiled:
        network.compile()
    _reset_memory()
    with _one_tap_at_a_time() if variant.plain else nullcontext():
        fitted = fit(recipe.objective(network), recipe.samples(store), recipe.config.train, folder, lambda networks: {})
        memory = _peak_memory()
        found = recipe.run(network.eval(), recipe.inputs(next(iter(store.scenes("val")))))
        forward = _milliseconds(lambda: network(_example(recipe, tiny)), variant)
        work = _flops(recipe, network)
    rate = steps * recipe.config.train.batch / fitted.seconds
    share = 3 * work * steps / fitted.seconds / peak_rate(variant.precision)  # backward is twice forward
    return [
        paper, variant.name, f"{rate:.2f}", f"{share:.1%}", f"{fitted.wait_share:.1%}", memory,
        f"{_psnr(recipe, store, found):.2f}", f"{forward:.1f} ms",
    ]  # fmt: skip


def peak_rate(precision: str) -> float:
    """Floating-point operations a second of the device at matrix products of 4096 (CPU: 512), the best of ten."""
    side = 4096 if device().type == "cuda" else 512
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    matrix = torch.rand(side, side, device=device(), dtype=dtype)
    return 2 * side**3 / min(_seconds(lambda: matrix @ matrix) for _ in range(10))


def frames_of(folder: Path) -> list[np.ndarray]:
    """The frames of the first clip below a folder, uint8 (H, W, 3)."""
    clip = min(path.parent for path in folder.rglob("*.png"))
    return [read_rgb(path) for path in sorted(clip.glob("*.png"))]


def variants() -> list[Variant]:
    """Those that the device can compute in a reasonable time."""
    return [variant for variant in VARIANTS if device().type == "cuda" or not variant.compiled]


def store_of(frames: list[np.ndarray], path: Path) -> Store:
    """A frame store whose last fifth is ``val``, made small four times by the cubic."""
    first = len(frames) - max(len(frames) // 5, 1)
    with StoreWriter(path, {"name": "gpu"}) as writer:
        for split, part in (("train", frames[:first]), ("val", frames[first:])):
            for index, frame in enumerate(part):
                writer.put(split, "clip", "hr", index, frame)
                writer.put(split, "clip", "lr", index, downscale_frame(frame, 4))
            writer.describe(split, "clip", {})
    return Store(path)


def runtime(model: Path) -> str:
    """How far ONNX Runtime's results on CUDA and on the CPU differ, or why that is not known."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "ONNX Runtime on CUDA was not measured: install onnxruntime-gpu in place of onnxruntime."
    if not model.is_file():
        return f"ONNX Runtime on CUDA was not measured: there is no {model}; run a pipeline, or name a file by --model."
    found = []
    for provider in ("CUDAExecutionProvider", "CPUExecutionProvider"):
        session = onnxruntime.InferenceSession(str(model), providers=[provider])
        shapes = {
            item.name: [side if isinstance(side, int) else FREE.get(side, 32) for side in item.shape]
            for item in session.get_inputs()
        }
        random = np.random.default_rng(0)
        inputs = {name: random.random(shape, dtype=np.float32) for name, shape in shapes.items()}
        found.append(session.run(None, inputs)[0])
    return f"ONNX Runtime on CUDA and on the CPU differ by {np.abs(found[0] - found[1]).max():.1e} at most."


def _recipe(paper: str, variant: Variant, steps: int, tiny: bool) -> Any:
    """The profile ``hour`` for so many steps, with the learning rates of the first steps of that schedule."""
    build, config = PAPERS[paper]
    train = {"iterations": steps, "precision": variant.precision, "validate_every": steps, "checkpoint_every": steps}
    smaller = {"batch": 2, "workers": 0, "crop_px": 16} if tiny else {}
    still = {"still_until": 0, "frames": 2 if tiny else 15} if paper == "rasvsr" else {}
    changes = {"profile": "hour", "network": TINY[paper] if tiny else {}, "train": {**train, **smaller, **still}}
    return build(resolved(config, paper, merged(paper, root(), changes)))


def _example(recipe: Any, tiny: bool) -> Tensor:
    side = 32 if tiny else 160
    return torch.zeros(1, 5, 3, side, side, device=device())


def _psnr(recipe: Any, store: Store, output: np.ndarray) -> float:
    scene = next(iter(store.scenes("val")))
    frames = recipe.to_u8(output)
    return float(np.mean([psnr(frame, scene.read("hr", index)) for index, frame in enumerate(frames)]))


def _flops(recipe: Any, network: torch.nn.Module) -> float:
    """Of a forward pass of a training batch: convolutions and matrix products."""
    settings = recipe.config.train
    count = getattr(settings, "frames", 5)
    side = settings.crop_px
    batch = torch.zeros(settings.batch, count, 3, side, side, device=device())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.forward(batch)
    return float(counter.get_total_flops())


def _milliseconds(forward: Callable[[], object], variant: Variant) -> float:
    """The median of nine, after two."""
    reduced = variant.precision == "bf16-mixed"
    with torch.inference_mode(), torch.autocast(device().type, torch.bfloat16, enabled=reduced):
        return 1000 * statistics.median([_seconds(forward) for _ in range(11)][2:])


def _seconds(work: Callable[[], object]) -> float:
    _wait()
    begin = time.perf_counter()
    work()
    _wait()
    return time.perf_counter() - begin


def _wait() -> None:
    if device().type == "cuda":
        torch.cuda.synchronize()


def _reset_memory() -> None:
    if device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak_memory() -> str:
    return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if device().type == "cuda" else "–"


@contextmanager
def _one_tap_at_a_time() -> Iterator[None]:
    """The deformable convolution as a sum over its taps."""
    kept, deform._sample_and_multiply = deform._sample_and_multiply, tap_by_tap
    try:
        yield
    finally:
        deform._sample_and_multiply = kept


def tap_by_tap(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Tensor:
    """:func:`models.shared.deform.modulated_deform_conv`, each tap sampled and multiplied by itself."""
    batch, channels, height, width = x.shape
    kernel, size = (weight.shape[2], weight.shape[3]), (mask.shape[2], mask.shape[3])
    taps = kernel[0] * kernel[1]
    groups = mask.shape[1] // taps
    base = deform._tap_positions(kernel, size, (stride, padding, dilation), x.device).float()
    position = offset.reshape(batch * groups, taps, 2, *size) + base
    strength = mask.reshape(batch * groups, taps, 1, *size)
    image = x.reshape(batch * groups, channels // groups, height, width)
    total = x.new_zeros(batch, weight.shape[0], *size) if bias is None else bias.view(1, -1, 1, 1)
    for tap in range(taps):
        y, x_ = position[:, tap, 0], position[:, tap, 1]
        grid = torch.stack([(2 * x_ + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
        sampled = F.grid_sample(image, grid, padding_mode="zeros", align_corners=False) * strength[:, tap]
        part = weight[:, :, tap // kernel[1], tap % kernel[1]]
        total = total + F.conv2d(sampled.view(batch, channels, *size), part[:, :, None, None])
    return total


def main() -> None:
    """Prints the tables."""
    quiet.apply()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    samples = Path(os.environ.get("SATSR_SAMPLES", "../shared/data"))
    parser.add_argument("--frames", type=Path, default=samples / "video", help="a folder with a clip of PNG frames")
    parser.add_argument("--steps", type=int, default=300, help="training steps of each variant")
    parser.add_argument("--model", type=Path, default=Path("results/rasvsr/export/model.onnx"))
    parser.add_argument("--tiny", action="store_true", help="small networks, to try the script")
    given = parser.parse_args()
    name = torch.cuda.get_device_name() if device().type == "cuda" else "CPU: the figures mean nothing"
    print(f"torch {torch.__version__}, {name}, {given.steps} steps\n")
    print("\n".join("| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD))))
    with tempfile.TemporaryDirectory(prefix="satsr-gpu-") as temporary:
        frames = frames_of(given.frames)
        if given.tiny:
            frames = [frame[:64, :64] for frame in frames[:10]]
        store = store_of(frames, Path(temporary) / "store")
        for paper in PAPERS:
            for variant in variants():
                folder = Path(temporary) / f"{paper} {variant.name}"
                print("| " + " | ".join(row(paper, variant, store, folder, given.steps, given.tiny)) + " |", flush=True)
    print("\n" + runtime(given.model))


if __name__ == "__main__":
    main()
