"""What the tests share: where golden files and real imagery lie, and how a skipped test says why."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from satsr import quiet

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
