"""Whether a stage reads what the stages before it wrote.

DVC puts a file of its cache back without a look at its content, so a damaged one would come out as a stage's output and
the next stages would use it. So both doors hash what a stage is about to read and compare it with ``dvc.lock``.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

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
    for output in recorded(root / "dvc.lock", stage, paper).get("outs", ()):
        path = root / output["path"]
        if path.exists() and md5(path) != output["md5"]:
            name, expected = _other(path, output["md5"], root)
            copy = f".dvc/cache/files/md5/{expected[:2]}/{expected[2:]}"
            raise SatsrError(
                f"{name} is not what {stage}@{paper} wrote (dvc.lock says {expected}): it was altered, or damaged in "
                f"DVC's cache. To make it again: `rm -rf {output['path']} {copy}`, then `dvc repro --force "
                f"--single-item {stage}@{paper}`. To keep it as it is: `dvc commit --force {stage}@{paper}`."
            )


def recorded(lock: Path, stage: str, paper: str) -> dict[str, Any]:
    """What ``dvc.lock`` says of a stage; nothing where it does not know it.

    Reads this part of the file alone: all of it takes half a second.

    Raises:
        SatsrError: the file holds both sides of a merge, or is no YAML.
    """
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    require_merged(text)
    block = re.search(rf"^  {re.escape(stage)}@{re.escape(paper)}:\n((?:    .*\n)*)", text, re.MULTILINE)
    try:
        return YAML(typ="safe").load(block[1]) or {} if block else {}
    except YAMLError as error:
        raise SatsrError(
            f"dvc.lock cannot be read ({' '.join(str(error).split())[:120]}): `git checkout dvc.lock` brings back the "
            "last committed one, and `dvc repro` what is missing."
        ) from None


def require_merged(text: str) -> None:
    """Refuses a lock file with marks of a merge.

    Raises:
        SatsrError: it has some.
    """
    if re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE):
        raise SatsrError(
            "dvc.lock holds both sides of a merge (lines with <<<<<<<): take one side whole, `git checkout --ours "
            "dvc.lock` or `--theirs`; then `dvc repro` takes what it can from the cache and makes the rest again."
        )


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
    for entry in json.loads(listed.read_text()) if expected.endswith(".dir") and listed.is_file() else ():
        file = path / entry["relpath"]
        if not file.is_file() or _file_md5(file) != entry["md5"]:
            return file.relative_to(root).as_posix(), entry["md5"]
    return path.relative_to(root).as_posix(), expected


def _file_md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
