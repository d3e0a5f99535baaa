"""What the tests share: where golden files and real imagery lie, and how a skipped test says why."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from satsr import quiet
from tests.golden.load import Golden

MakeClip = Callable[..., np.ndarray]

quiet.apply()
torch.set_num_threads(1)  # small tensors: more threads only wait for each other
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def draws_do_not_depend_on_the_tests_before() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def golden() -> Golden:
    """``golden("rasvsr/metrics.npz")`` are the arrays of that golden file: see tests/golden/README.md."""
    return Golden()


@pytest.fixture(scope="session")
def samples() -> Callable[[str], Path]:
    """``samples("video")`` is that folder of real imagery; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = ROOT / os.environ.get("SATSR_SAMPLES", "../shared/data") / name
        if not path.exists():
            pytest.skip(f"real imagery {path} is absent: set SATSR_SAMPLES")
        return path

    return find


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
