"""One process at a time in a stage of a paper: a second pipeline of the same clone waits, and finds the work done."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from satsr.locks import locked
from satsr.project import Places

SECONDS = 30 * 86400.0
"""Longer than a training takes."""


def turn(stage: str, paper: str, root: Path, purpose: str = "") -> AbstractContextManager[None]:
    """Held while a stage runs; the others of one distributed training (torchrun) run beside its first process.

    Args:
        stage: its name.
        paper: whose stage.
        root: the project's.
        purpose: another word makes another lock.

    Raises:
        SatsrError: another process was in the stage for a month.
    """
    if int(os.environ.get("RANK", "0")) > 0:
        return nullcontext()
    said = f"{stage} of {paper} is running in another process of this clone: waiting for it"
    return locked(Places(root, paper).scratch / f"{stage}{purpose}", SECONDS, waiting=said)
