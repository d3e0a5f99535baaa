"""A checkout on a file system that is read-only: models are applied from it, and what would write says so."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MakeClip
from tests.papers import project_of
from tests.project import NAMESPACE, STATES, Project

pytestmark = pytest.mark.slow
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """As a fresh clone: `satsr setup` was not run."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace of its own is allowed here")
    made = project_of("msdtgp", tmp_path / "clone")
    for name in STATES:
        shutil.rmtree(path) if (path := made.root / name).is_dir() else path.unlink(missing_ok=True)
    return made


def said(project: Project, *command: str, code: int) -> str:
    """What a command says that sees the checkout read-only."""
    apart = [*NAMESPACE, "sh", "-c", READ_ONLY, str(project.root)]
    done = subprocess.run([*apart, *command], env=project.environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_models_are_applied_and_what_would_write_is_a_sentence(
    project: Project, tmp_path: Path, make_clip: MakeClip
) -> None:
    make_clip(tmp_path / "frames", 2)
    out = tmp_path / "sharp"
    said(
        project,
        "satsr",
        "upscale",
        "--force",
        "--model",
        "zoo:msdtgp-quick",
        str(tmp_path / "frames"),
        str(out),
        code=0,
    )
    assert len(list(out.glob("*.png"))) == 2
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*")}
    for command in (
        ("satsr", "set", "msdtgp", "train.lr=0.1"),
        ("satsr", "setup"),
        ("python", "-m", "steps", "download", "msdtgp"),
        ("zenml", "pipeline", "run", "train_msdtgp"),
    ):
        text = said(project, *command, code=1)
        assert "stopped because the file system is read-only" in text and "Traceback" not in text, text
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*")} == before
