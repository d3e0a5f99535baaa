"""Proba-V image sets in the layout of ESA's challenge (specification of QA-Net, section 2).

::

    norm.csv                                         "imgset0000 45.9..." a line
    train/RED/imgset0000/LR000.png QM000.png ...     views and their quality maps
                         HR.png SM.png               the finer image and its status map
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from satsr.convert.layouts.source import Frame, SceneSource
from satsr.errors import SatsrError, listed
from satsr.files import files_below
from satsr.imagery.images import read_image
from satsr.imagery.imageset import paired

IMGSET = re.compile(r"imgset\d+")
BANDS = ("RED", "NIR")
TRAIN_SHARE = 0.7


def probav(root: Path) -> list[SceneSource]:
    """The image sets below ``root`` that have a reference (ESA's own test sets have none and are left out).

    A folder ``val`` beside ``train`` validates; without one, the split of the literature is drawn from ``train``
    (:func:`published_split`), band by band.

    Roles: ``lr`` (T) uint16 (h, w), ``qm`` (T) uint8, 255 where clear, ``hr`` (1) uint16, ``sm`` (1) uint8. Meta:
    ``band`` ("RED", "NIR" or None), ``norm`` (dB, if there is a norm.csv), ``origin``.

    Raises:
        SatsrError: views without quality maps or the reverse, or sets that norm.csv lacks (all are listed).
    """
    folders: dict[Path, set[str]] = defaultdict(set)
    norms: dict[str, float] = {}
    for file in files_below(root):
        if IMGSET.fullmatch(file.parent.name) and file.suffix == ".png":
            folders[file.parent].add(file.name)
        elif file.name == "norm.csv":
            norms |= _norms(file)
    sets = sorted(folder for folder, names in folders.items() if "HR.png" in names)
    problems = [problem for folder in sets for problem in _problems(folder, folders[folder], norms)]
    if problems:
        raise SatsrError(listed(f"the image sets in {root} are not complete", problems))
    held_out = _held_out(sets)
    return [_scene(root, folder, folders[folder], folder in held_out, norms) for folder in sets]


def published_split(names: Sequence[str], train_share: float = TRAIN_SHARE) -> tuple[list[str], list[str]]:
    """The split that DeepSUM introduced and RAMS, PIUnet, TR-MISR and QA-Net use.

    The sorted names of one band are shuffled with seed 1, as ``sklearn.utils.shuffle(names, random_state=1)`` does; the
    first ``int(0.7 n)`` train, the others validate: 415 and 179 of RED, 396 and 170 of NIR.

    Args:
        names: of a band's image sets, in any order.
        train_share: share of the sets that train.

    Returns:
        The names that train and those that validate, each sorted.
    """
    ordered = sorted(names)
    # The legacy generator, since the published lists were drawn with it.
    order = np.random.RandomState(1).permutation(len(ordered))
    count = int(train_share * len(ordered))
    shuffled = [ordered[number] for number in order]
    return sorted(shuffled[:count]), sorted(shuffled[count:])


def _held_out(sets: list[Path]) -> set[Path]:
    """The folders that validate: those below ``val``, else those of the published split."""
    below = {folder for folder in sets if folder.parent.parent.name == "val" or folder.parent.name == "val"}
    if below:
        return below
    by_parent: dict[Path, list[str]] = defaultdict(list)
    for folder in sets:
        by_parent[folder.parent].append(folder.name)
    return {parent / name for parent, names in by_parent.items() for name in published_split(names)[1]}


def _scene(root: Path, folder: Path, names: set[str], held_out: bool, norms: dict[str, float]) -> SceneSource:
    numbers = paired(names)[0]
    files = {
        "lr": [folder / f"LR{number}.png" for number in numbers],
        "qm": [folder / f"QM{number}.png" for number in numbers],
        "hr": [folder / "HR.png"],
        "sm": [folder / "SM.png"],
    }
    loaders = {"lr": _numbers, "hr": _numbers, "qm": _clear, "sm": _clear}
    roles = {role: [Frame(str(path), partial(loaders[role], path)) for path in paths] for role, paths in files.items()}
    band = folder.parent.name if folder.parent.name in BANDS else None
    meta: dict[str, Any] = {
        "band": band,
        "origin": {role: [path.relative_to(root).as_posix() for path in paths] for role, paths in files.items()},
    }
    if folder.name in norms:
        meta["norm"] = norms[folder.name]
    return SceneSource(folder.name, "val" if held_out else "train", dict(roles), "series", meta)


def _problems(folder: Path, names: set[str], norms: dict[str, float]) -> list[str]:
    views, bare, left = paired(names)
    found = [f"{folder}/LR{number}.png has no quality map" for number in bare]
    found += [f"{folder}/QM{number}.png has no view" for number in left]
    if not views:
        found.append(f"{folder} has no views")
    if "SM.png" not in names:
        found.append(f"{folder} has no SM.png")
    if norms and folder.name not in norms:
        found.append(f"{folder} is not in norm.csv")
    return found


def _norms(path: Path) -> dict[str, float]:
    norms = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            name, value = line.split()
            norms[name] = float(value)
        except ValueError:
            if line.strip():
                raise SatsrError(f'{path}, line {number}: expected "imgset0000 45.9", found {line[:80]!r}.') from None
    return norms


def _numbers(path: Path) -> np.ndarray:
    image = read_image(path)
    if image.ndim != 2 or image.dtype != np.uint16:
        raise SatsrError(f"{path} is {image.dtype} {image.shape}, but a gray image of 16 bits is expected.")
    return image


def _clear(path: Path) -> np.ndarray:
    mask = read_image(path)
    if mask.ndim != 2:
        raise SatsrError(f"{path} is {mask.dtype} {mask.shape}, but a gray mask is expected.")
    return np.where(mask != 0, 255, 0).astype(np.uint8)
