"""Whether a stage reads what the stages before it wrote.

DVC puts a file of its cache back without a look at its content, so a damaged one would come out as a stage's output and
the next stages would use it. So both doors hash what a stage is about to read and compare it with ``dvc.lock``.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from satsr.checkout.lockfile import NAME, entry, text
from satsr.errors import SatsrError

READS = {
    "download": (),
    "convert": ("download",),
    "validate": ("convert",),
    "train": ("convert", "validate"),
    "evaluate": ("convert", "train"),
    "export": ("convert", "train"),
    "register": ("validate", "train", "evaluate", "export"),
}
"""The stages whose outputs a stage depends on; a test compares them with ``dvc.yaml``."""


def require_unaltered(stage: str, paper: str, root: Path) -> None:
    """Compares the inputs of a stage with what ``dvc.lock`` says of them; what it does not know is not compared.

    Raises:
        SatsrError: a file is not the one that was written, or ``dvc.lock`` cannot be read.
    """
    for earlier in READS[stage]:
        require_written(earlier, paper, root)


def require_written(stage: str, paper: str, root: Path) -> None:
    """Compares the outputs of a stage with what ``dvc.lock`` says of them.

    Raises:
        SatsrError: as :func:`require_unaltered`.
    """
    for place, digest in _hashes(recorded(root / NAME, stage, paper)).items():
        path = root / place
        if digest and path.exists() and md5(path) != digest:
            name, expected = _other(path, digest, root)
            copy = f".dvc/cache/files/md5/{expected[:2]}/{expected[2:]}"
            raise SatsrError(
                f"{name} is not what {stage}@{paper} wrote (dvc.lock says {expected}): it was altered, or damaged in "
                f"DVC's cache. To make it again: `rm -rf {place} {copy}`, then `dvc repro --force "
                f"--single-item {stage}@{paper}`. To keep it as it is: `dvc commit --force {stage}@{paper}`."
            )


def require_unchanged(name: str, before: Mapping[str, Mapping[str, Any]], root: Path) -> None:
    """Whether what a run's earlier stages made is still what ``dvc.lock`` says that they made.

    Args:
        name: of the stage that reads it, such as ``train@rasvsr``.
        before: what ``dvc.lock`` said of each when it ended in this run.
        root: of the project.

    Raises:
        SatsrError: another command made it again meanwhile, of other settings, data or code.
    """
    for earlier, made in before.items():
        known = recorded(root / NAME, *earlier.split("@"))
        if _hashes(known) != _hashes(made):
            raise SatsrError(
                f"another command of this clone made the outputs of {earlier} again, with another result, and {name} "
                "would mix the two runs: when that command has ended, give this one again."
            )


def _hashes(known: Mapping[str, Any]) -> dict[str, Any]:
    return {one["path"]: one.get("md5") for one in known.get("outs") or ()}


def recorded(lock: Path, stage: str, paper: str) -> dict[str, Any]:
    """What ``dvc.lock`` says of a stage; nothing where it does not know it.

    Waits while a DVC command is writing the file, so it is not for those who hold DVC's lock.

    Raises:
        SatsrError: the file holds both sides of a merge, or is cut off or no YAML.
    """
    return entry(text(lock.parent), stage, paper)


def md5(path: Path) -> str:
    """DVC's hash of a file, or of a folder: that of the sorted list of its files with their hashes."""
    if path.is_file():
        return _file_md5(path)
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    listed = [{"md5": _file_md5(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    listed.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _other(path: Path, expected: str, root: Path) -> tuple[str, str]:
    """The file that differs and its hash in the cache; of a folder whose list is not in the cache, the folder."""
    listed = root / f".dvc/cache/files/md5/{expected[:2]}/{expected[2:]}"
    for one in json.loads(listed.read_text()) if expected.endswith(".dir") and listed.is_file() else ():
        file = path / one["relpath"]
        if not file.is_file() or _file_md5(file) != one["md5"]:
            return file.relative_to(root).as_posix(), one["md5"]
    return path.relative_to(root).as_posix(), expected


def _file_md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
