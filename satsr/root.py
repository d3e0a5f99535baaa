"""The project's root: satsr is an application that runs from its repository."""

import os
from pathlib import Path

from satsr.errors import SatsrError


def root() -> Path:
    """The folder that holds ``params.yaml`` and ``dvc.yaml``: the nearest one upwards from the working directory.

    ``SATSR_ROOT`` overrides it.

    Raises:
        SatsrError: the command was started outside the project.
    """
    named = os.environ.get("SATSR_ROOT")
    start = Path(named) if named else Path.cwd()
    for folder in (start, *start.resolve().parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder.resolve()
    raise SatsrError(f"{start} is not inside a satsr checkout (no params.yaml and dvc.yaml upwards of it): cd there.")
