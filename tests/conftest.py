"""What the tests share: where golden files and real imagery lie, and how a skipped test says why."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from satsr import quiet

MakeClip = Callable[..., np.ndarray]

quiet.apply()
torch.set_num_threads(1)  # small tensors: more threads only wait for each other
ROOT = Path(__file__).resolve().parents[1]


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    return folder if folder.is_absolute() else ROOT / folder


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Path]:
    """``golden("rasvsr/metrics.npz")`` is that golden file; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = _folder("SATSR_GOLDEN", "../shared/golden") / name
        if not path.exists():
            pytest.skip(f"golden file {path} is absent: set SATSR_GOLDEN")
        return path

    return find


@pytest.fixture(scope="session")
def samples() -> Callable[[str], Path]:
    """``samples("video")`` is that folder of real imagery; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = _folder("SATSR_SAMPLES", "../shared/data") / name
        if not path.exists():
            pytest.skip(f"real imagery {path} is absent: set SATSR_SAMPLES")
        return path

    return find


@pytest.fixture(scope="session")
def make_weights(golden: Callable[[str], Path]) -> Callable[[str], ModuleType]:
    """``make_weights("rasvsr")`` is the module that makes that paper's golden weights from key names."""

    def load(paper: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"make_weights_{paper}", golden(f"{paper}/make_weights.py"))
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def make_clip() -> MakeClip:
    """``make_clip(folder, frames, (height, width))`` writes a clip of smooth noise as PNG and returns its frames."""

    def make(folder: Path, frames: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> np.ndarray:
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, frames])
        clip = np.stack(
            [
                cv2.resize(rng.integers(0, 256, (size[0] // 4, size[1] // 4, 3), dtype=np.uint8), size[::-1])
                for _ in range(frames)
            ]
        )
        for index, frame in enumerate(clip):
            assert cv2.imwrite(str(folder / f"{index:08d}.png"), frame[..., ::-1])
        return clip

    return make


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., object]:
    """``tiny(image_graph, channels=4)`` is that model, loaded from its file."""

    def make(graph: Callable[..., Path], **settings: object) -> object:
        from satsr import load

        return load(graph(tmp_path / f"{graph.__name__}.onnx", **settings), device="cpu")

    return make
