"""Readers: what lies in a folder becomes scenes with lazily loaded frames.

A reader is a function of a folder, one per layout of files, listed in :data:`LAYOUTS`. It looks at names only; every
frame is loaded, and found to be bad, later.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from inspect import signature
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.imagery import video_file
from satsr.imagery.images import SUFFIXES, read_rgb

# layout -> "module:function", imported when it is used
LAYOUTS = {
    "frames": "satsr.convert.layouts.frames:frames",
    "gt_lr": "satsr.convert.layouts.frames:gt_lr",
    "jilin": "satsr.convert.layouts.frames:gt_lr",
    "basicsr_lmdb": "satsr.convert.layouts.basicsr_lmdb:scenes",
    "series": "satsr.convert.layouts.series:series",
    "series_surrogate": "satsr.convert.layouts.series_surrogate:series_surrogate",
    "sentinel2": "satsr.convert.layouts.sentinel2:sentinel2",
    "breizhsr": "satsr.convert.layouts.tables:breizhsr",
    "pairs": "satsr.convert.layouts.tables:pairs",
    "photos": "satsr.convert.layouts.photos:photos",
    "probav": "satsr.convert.layouts.probav:probav",
    "probav_surrogate": "satsr.convert.layouts.probav_surrogate:probav_surrogate",
}
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
        kind: "video": the roles are ``hr`` and perhaps ``lr``, frame by frame; frames are cut to whole LR pixels and
            clips may be divided in time. "series": stored as it is.
        meta: what else is known (JSON values).
    """

    id: str
    split: str | None
    roles: dict[str, Sequence[Frame]]
    kind: str = "video"
    meta: dict[str, Any] = field(default_factory=dict)


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
    module, name = LAYOUTS[layout].split(":")
    reader = getattr(import_module(module), name)
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
            f"({', '.join(SUFFIXES)}) in one folder per clip, or videos ({', '.join(video_file.SUFFIXES)})."
        )
    found.sort(key=lambda scene: (scene.split or "", natural(scene.id)))
    for before, after in pairwise(found):
        if (before.split, before.id) == (after.split, after.id):
            origins = " and ".join(next(iter(scene.roles.values()))[0].origin for scene in (before, after))
            raise SatsrError(f"two clips are called {before.id!r} (of {origins}): rename one of them.")
    return found


def natural(text: str) -> tuple[list[tuple[bool, int, str]], str]:
    """A sort key by which ``clip2`` comes before ``clip10``; the text itself decides between 1 and 01."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(False, int(part), "") if part.isdigit() else (True, 0, part) for part in parts], text


def files_below(root: Path) -> list[Path]:
    """All files in ``root`` and its folders, in no order; links are followed, hidden names left out."""
    found = []
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in names if not name.startswith(".")]
    return found


def frames(root: Path) -> list[SceneSource]:
    """Every folder that holds images is a clip, and so is every video file; ``root`` may be the clip itself.

    If the first level of folders are train and val (or eval, test...), they are the splits.
    """
    if root.is_file():
        return [SceneSource(root.stem, None, {"hr": _video(root)})]
    clips = _clips(root)
    videos = [file for file in files_below(root) if file.suffix.lower() in video_file.SUFFIXES]
    places = {folder: folder.relative_to(root) for folder in clips} | {
        file: file.relative_to(root).with_suffix("") for file in videos
    }
    splits = {SPLITS.get(place.parts[0].lower()) if place.parts else None for place in places.values()}
    found = []
    for path, place in places.items():
        split, parts = None, place.parts
        if "train" in splits and None not in splits:
            split, parts = SPLITS[parts[0].lower()], parts[1:] or parts
        name = PurePosixPath(*parts).as_posix() if parts else root.resolve().name
        source = _video(path) if path in videos else [_frame(file) for file in clips[path]]
        found.append(SceneSource(name, split, {"hr": source}))
    return found


def gt_lr(root: Path) -> list[SceneSource]:
    """``[split/]{GT,LR...}/clip/frame``: SAT-MTB-VSR (``LR4xBicubic``), Jilin-189 (``LR4x``, and an unused Bicubic4x).

    The folders called GT (or HR) are looked for at any depth, the low-resolution frames beside them in a folder whose
    name begins with LR (or LQ); without one they are made later. Frames are partners when their paths below these
    folders are equal, up to an ``x4`` at the end of the low-resolution name.

    Raises:
        SatsrError: frames without a partner, or several low-resolution folders; the message lists all.
    """
    targets = sorted({parent for file in files_below(root) for parent in file.parents if _is_target(parent, root)})
    problems: list[str] = []
    found = []
    for target in targets:
        sources = [
            folder
            for folder in sorted(target.parent.iterdir())
            if folder.is_dir() and folder.name.lower().startswith(("lr", "lq"))
        ]
        if len(sources) > 1:
            problems.append(f"{target.parent} has several: {', '.join(folder.name for folder in sources)}")
            continue
        split = split_of(target.relative_to(root).parts)
        low = _clips(sources[0]) if sources else {}
        for folder, files in _clips(target).items():
            place = folder.relative_to(target)
            roles: dict[str, Sequence[Frame]] = {"hr": [_frame(file) for file in files]}
            if sources:
                partners, alone = _paired(files, low.pop(sources[0] / place, []))
                problems += alone
                roles["lr"] = [_frame(file) for file in partners]
            name = target.parent.resolve().name if place == Path() else place.as_posix()
            found.append(SceneSource(name, split, roles))
        problems += [f"{file} has no high-resolution partner" for files in low.values() for file in files]
    if problems:
        raise SatsrError(listed(f"the frames in {root} do not pair up", problems))
    return found


def split_of(parts: Sequence[str]) -> str | None:
    """The split that a path's folders name, the innermost first."""
    return next((SPLITS[part.lower()] for part in reversed(parts) if part.lower() in SPLITS), None)


def listed(claim: str, problems: Sequence[str], limit: int = 200) -> str:
    """A message with one problem a line."""
    more = [f"... and {len(problems) - limit} more"] if len(problems) > limit else []
    return "\n  ".join([f"{claim} ({len(problems)} found):", *problems[:limit], *more])


def _is_target(folder: Path, root: Path) -> bool:
    return folder.name.lower() in TARGETS and folder != root and folder.is_relative_to(root)


def _clips(root: Path) -> dict[Path, list[Path]]:
    """The folders that hold images, with their images in natural order."""
    clips: dict[Path, list[Path]] = {}
    for file in files_below(root):
        if file.suffix.lower() in SUFFIXES:
            clips.setdefault(file.parent, []).append(file)
    return {folder: sorted(clips[folder], key=lambda file: natural(file.name)) for folder in sorted(clips)}


def _paired(high: list[Path], low: list[Path]) -> tuple[list[Path], list[str]]:
    """The low-resolution frames in the order of their partners, and a line for each frame without one."""
    names = {file.stem for file in high}
    partners = {file.stem if file.stem in names else re.sub(r"x\d$", "", file.stem): file for file in low}
    problems = [f"{file} has no low-resolution partner" for file in high if file.stem not in partners]
    problems += [f"{file} has no high-resolution partner" for stem, file in partners.items() if stem not in names]
    return [partners[file.stem] for file in high if file.stem in partners], problems


def _video(file: Path) -> list[Frame]:
    return [Frame(f"{file} frame {index}", load) for index, load in enumerate(video_file.loaders(file))]


def _frame(file: Path) -> Frame:
    return Frame(str(file), partial(read_rgb, file))
