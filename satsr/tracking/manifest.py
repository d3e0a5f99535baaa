"""The manifest of a run: everything that decides its numbers, in one file."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from satsr.files import sha256

PACKAGES = ("satsr", "torch", "numpy", "onnx", "onnxruntime", "lightning-fabric", "zenml", "dvc", "mlflow")
COMMIT = "SATSR_COMMIT"
"""Environment variable: a commit, with ``-dirty`` behind it where tracked files differ."""
GENERATED = (":!dvc.lock", ":!results", ":!params.yaml")


def versions() -> dict[str, str]:
    """Installed versions of what computes the numbers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def git(root: Path) -> dict[str, Any]:
    """Commit and whether tracked files differ from it (dvc.lock, results and params.yaml aside: runs write them)."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:  # a machine that was sent the code alone
        stated, _, dirty = os.environ.get(COMMIT, "").partition("-")
        return {"commit": stated or None, "dirty": bool(dirty) if stated else None}
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *GENERATED)
    return {"commit": commit, "dirty": bool(changed)}


def stated(root: Path) -> dict[str, str]:
    """The environment variable by which a machine that is sent the code alone knows what :func:`git` says here."""
    found = git(root)
    return {COMMIT: f"{found['commit']}{'-dirty' if found['dirty'] else ''}"} if found["commit"] else {}


def code(root: Path) -> dict[str, Any]:
    """Git state, lock file and versions."""
    lock = root / "requirements.lock"
    return {"git": git(root), "lock_sha256": sha256(lock) if lock.exists() else None, "versions": versions()}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
