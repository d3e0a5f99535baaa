"""Which sources a stage depends on, as ``dvc.yaml`` says: the one list, for DVC and for the identity of checkpoints."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from satsr.config.resolve import ROOMS, paper_block, read_yaml

PLACES = ("models", "pipelines", "satsr", "steps")


def sources(stage: str, paper: str, root: Path) -> list[Path]:
    """The files and folders of code that ``stage`` of ``paper`` depends on."""
    listed = read_yaml(root / "dvc.yaml")["stages"][stage]["do"]["deps"]
    rooms = paper_block(paper, read_yaml(root / "params.yaml")).get(ROOMS) or {}
    values = {"key": paper, **{f"item.{ROOMS}.{name}": place for name, place in rooms.items()}}
    paths = [Path(_filled(text, values)) for text in listed]
    return [root / path for path in paths if path.parts[0] in PLACES]


def code_sha256(stage: str, paper: str, root: Path) -> str:
    """Hash of these sources, so that a checkpoint never meets other code."""
    files = {file for path in sources(stage, paper, root) for file in _files(path)}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([\w.]+)\}", lambda found: values.get(found[1], found[0]), text)
