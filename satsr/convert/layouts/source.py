"""A scene as a layout's reader found it, before any of its frames is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val"}
SPLITS |= {"test": "val"}
TARGETS = ("gt", "hr")


@dataclass(frozen=True)
class Frame:
    """One array that is not loaded yet.

    Attributes:
        origin: the file it comes from, for messages.
        load: gives the array, or raises SatsrError.
    """

    origin: str
    load: Callable[[], np.ndarray]


@dataclass(frozen=True)
class SceneSource:
    """A scene as a reader found it.

    Attributes:
        id: unique within its split.
        split: ``train`` or ``val`` if the layout says so.
        roles: by role, the frames in order.
        form: "video": the roles are ``hr`` and perhaps ``lr``, frame by frame; frames are cut to whole LR pixels and
            clips may be divided in time. "series": stored as it is.
        meta: what else is known (JSON values).
    """

    id: str
    split: str | None
    roles: dict[str, Sequence[Frame]]
    form: str = "video"
    meta: dict[str, Any] = field(default_factory=dict)


def split_of(parts: Sequence[str]) -> str | None:
    """The split that a path's folders name, the innermost first."""
    return next((SPLITS[part.lower()] for part in reversed(parts) if part.lower() in SPLITS), None)
