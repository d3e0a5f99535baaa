"""A scene as a layout's reader found it, before any of its frames is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val"}
SPLITS |= {"test": "test", "testing": "test"}
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
        split: ``train``, ``val`` or ``test`` if the layout says so.
        roles: by role, the frames in order.
        form: "video": the roles are ``hr`` and perhaps ``lr``, frame by frame; frames are cut to whole LR pixels and
            clips may be divided in time. "series": stored as it is.
        meta: what else is known (JSON values).
        why: how it came into its split, a clause for people; empty where the names of the folders say so.
    """

    id: str
    split: str | None
    roles: dict[str, Sequence[Frame]]
    form: str = "video"
    meta: dict[str, Any] = field(default_factory=dict)
    why: str = ""


def folder_said(split: str | None, test_folder: str) -> str:
    """Why the clips of the published folder ``test_folder`` test."""
    known = split == "test" and test_folder.lower() != "test"
    return f"the published folder {test_folder}, on which the published figures are measured" if known else ""


def split_of(parts: Sequence[str], test_folder: str = "test") -> str | None:
    """The split that a path's folders name, the innermost first.

    Args:
        parts: the names of the folders.
        test_folder: which of them is for testing, whatever else its name would mean.
    """
    splits = {**SPLITS, test_folder.lower(): "test"}
    return next((splits[part.lower()] for part in reversed(parts) if part.lower() in splits), None)
