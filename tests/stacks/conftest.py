"""What the tests of stacks share: a process that has ZenML's state in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``written("kubeflow")`` is a folder of what tests/stacks/compiled.py writes for that kind."""

    def run(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        state = {"ZENML_CONFIG_PATH": str(folder.parent / "zenml"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.stacks.compiled", kind, str(folder)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **state}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "said.txt").write_text(done.stdout + done.stderr)
        return folder

    return run
