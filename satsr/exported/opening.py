"""How other processes come to a model: not with its weights, but with where it lies and which one it is.

What travels has a few hundred bytes. A process opens a model when it first needs it and keeps it: of each model it has
one session, whatever the number of tasks.
"""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from satsr.errors import SatsrError

if TYPE_CHECKING:
    from satsr.exported.model import Model

KEPT = 4
"""Models that a process keeps open for others."""


@dataclass(frozen=True)
class Opening:
    """Where a model lies.

    Attributes:
        path: of its file, absolute; it may have been a temporary one, of a registry elsewhere.
        name: by which a process that does not have the file finds the model: ``rasvsr/3``, ``zoo:rasvsr-quick``.
        backend: ``onnx`` or ``torch``.
        device: as the user named it, so that each process takes what it has.
        digest: SHA-256 of the file.
    """

    path: str
    name: str
    backend: str
    device: str
    digest: str

    @property
    def reference(self) -> str:
        """What the model is loaded by here: its file, if there is one, else its name."""
        return self.path if Path(self.path).is_file() else self.name


Load = Callable[[Opening], "Model"]
_lock = RLock()
_loaded: "WeakValueDictionary[Opening, Model]" = WeakValueDictionary()


def note(opening: Opening, model: "Model") -> None:
    """Remembers, as long as it lives, a model that this process has loaded."""
    with _lock:
        _loaded[opening] = model


def reopened(opening: Opening, load: Load) -> "Model":
    """The model, opened at most once in this process.

    Args:
        opening: where it lies.
        load: opens it.

    Raises:
        SatsrError: it is not here, or what is here under its name is another one.
    """
    with _lock:
        found = _loaded.get(opening)
        return _opened(opening, load) if found is None else found


@lru_cache(maxsize=KEPT)
def _opened(opening: Opening, load: Load) -> "Model":
    try:
        model = load(opening)
    except SatsrError as error:
        raise SatsrError(f"{_here()} cannot open {opening.name}, which is {opening.path} elsewhere: {error}") from None
    if model.digest != opening.digest:
        raise SatsrError(
            f"{opening.name} is another model on {_here()} (SHA-256 {model.digest[:12]}... instead of "
            f"{opening.digest[:12]}...): install the same version there, or name a file that all processes see."
        )
    return model


def threads() -> int:
    """For a session in a process that was started to compute beside others: those of its Dask worker, else one."""
    if "distributed" not in sys.modules:
        return 1
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:  # no worker
        return 1


def _here() -> str:
    return f"process {os.getpid()} of {platform.node()}"
