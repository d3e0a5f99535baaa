"""Layouts of data sets, a file each: what lies in a folder becomes scenes with lazily loaded frames.

A layout is a function of a folder and of options from the dataset card. It looks at names only; every frame is loaded,
and found to be bad, later.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

from satsr.convert.layouts import (
    basicsr_lmdb,
    frames,
    photos,
    probav,
    probav_surrogate,
    sentinel2,
    series,
    series_surrogate,
    tables,
)
from satsr.convert.layouts.source import SceneSource
from satsr.errors import SatsrError
from satsr.files import natural
from satsr.imagery import images, video_file

LAYOUTS: dict[str, Callable[..., list[SceneSource]]] = {
    "frames": frames.frames,
    "gt_lr": frames.gt_lr,
    "jilin": frames.gt_lr,
    "basicsr_lmdb": basicsr_lmdb.scenes,
    "series": series.series,
    "series_surrogate": series_surrogate.series_surrogate,
    "sentinel2": sentinel2.sentinel2,
    "breizhsr": tables.breizhsr,
    "pairs": tables.pairs,
    "photos": photos.photos,
    "probav": probav.probav,
    "probav_surrogate": probav_surrogate.probav_surrogate,
}


def read_scenes(layout: str, root: Path, options: Mapping[str, Any] | None = None) -> list[SceneSource]:
    """The scenes in ``root``, in natural order of their ids.

    Args:
        layout: a key of :data:`LAYOUTS`.
        root: the folder, or the one file.
        options: keyword arguments of the layout's reader, from the dataset card.

    Raises:
        SatsrError: the layout or an option is unknown, nothing was found, or names are missing, doubled or without
            their partner (the message lists every one).
    """
    if layout not in LAYOUTS:
        raise SatsrError(f"no layout of files is called {layout!r}: there are {', '.join(sorted(LAYOUTS))}.")
    reader = LAYOUTS[layout]
    known = list(signature(reader).parameters)[1:]
    if options and not (known == ["options"] or set(options) <= set(known)):
        raise SatsrError(
            f"the reader of the layout {layout!r} has the options {', '.join(known) or 'none'}, but the dataset card "
            f"gives {', '.join(options)}."
        )
    found: list[SceneSource] = reader(root, **(options or {}))
    if not found:
        raise SatsrError(
            f"{root} holds nothing that the layout {layout!r} can read: expected images "
            f"({', '.join(images.SUFFIXES)}) in one folder per clip, or videos ({', '.join(video_file.SUFFIXES)})."
        )
    found.sort(key=lambda scene: (scene.split or "", natural(scene.id)))
    for before, after in pairwise(found):
        if (before.split, before.id) == (after.split, after.id):
            origins = " and ".join(next(iter(scene.roles.values()))[0].origin for scene in (before, after))
            raise SatsrError(f"two clips are called {before.id!r} (of {origins}): rename one of them.")
    return found
