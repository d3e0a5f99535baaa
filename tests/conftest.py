"""What the tests share: where golden files and real imagery lie, and how a skipped test says why."""

import gc
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from satsr import quiet
from tests.golden.load import Golden

MakeClip = Callable[..., np.ndarray]
MakeStore = Callable[[Path], str]

quiet.calm()
gc.disable()  # while everything is imported: until the end of the collection
ROOT = Path(__file__).resolve().parents[1]
SLOW_IMPORTS = ("convert", "export", "pipelines", "register", "review", "train", "validate", "test_tracking.py")
"""Tests of the quick loop that load Great Expectations, Lightning, MLflow or torch's exporter: seconds a process."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process runs whole files; in the quick loop one takes all that needs the tools that are slow to load."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "tools" if file.removeprefix("tests/").split("/")[0] in SLOW_IMPORTS else file

    together = config.getoption("dist") == "loadfile" and config.getoption("markexpr") == "not slow"
    return Scheduling(config, log) if together else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick loop does not import files of slow tests alone, with the tools that they load."""
    if collection_path.suffix != ".py" or config.getoption("markexpr") != "not slow":
        return None
    slow = re.search(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", collection_path.read_text(), re.MULTILINE)
    return True if slow else None


def pytest_collection_finish() -> None:
    gc.freeze()  # nothing of what was imported is looked at again
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests come first, those of whole runs before them, so that the processes end together.

    ``--no-loadscope-reorder`` keeps this order.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent != ROOT / "tests"))


@pytest.fixture(autouse=True)
def draws_do_not_depend_on_the_tests_before() -> None:
    torch = sys.modules.get("torch")  # the tests that need it have imported it
    if torch is not None:
        torch.set_num_threads(1)  # small tensors: more threads only wait for each other
        torch.default_generator.manual_seed(0)  # torch.manual_seed writes a traceback down for every absent GPU


@pytest.fixture(autouse=True)
def no_store_of_another_test() -> Iterator[None]:
    """MLflow writes the address of the last store into the environment."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session", autouse=True)
def one_set_up_for_all_projects(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The tests' processes share the states of ZenML and MLflow that projects begin with: see tests/project.py."""
    here = tmp_path_factory.getbasetemp()
    shared = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    os.environ["SATSR_TEST_STATES"] = str(shared / "states")


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


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """``mlflow_store(folder)`` puts an empty MLflow store there, a copy of one made once, and gives its address."""
    made: list[Path] = []

    def copy(folder: Path) -> str:
        from satsr import tracking

        if not made:
            root = tmp_path_factory.mktemp("mlflow")
            tracking.client(root)
            os.environ.pop("MLFLOW_TRACKING_URI", None)  # else the first test writes into what the others copy
            made.append(root / tracking.DATABASE)
        shutil.copyfile(made[0], folder / tracking.DATABASE)
        return tracking.local(folder)

    return copy


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
