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

from satsr.convert.ground.shares import HELD, Shares
from satsr.convert.layouts.source import Frame, SceneSource, split_of
from satsr.errors import SatsrError, listed
from satsr.files import files_below
from satsr.imagery.images import read_image
from satsr.imagery.imageset import paired
from satsr.seeds import generator

IMGSET = re.compile(r"imgset\d+")
BANDS = ("RED", "NIR")
TRAIN_SHARE = 0.7
PUBLISHED = "the image sets that the literature calls validation and measures its figures on"
DRAWN = "image sets drawn with a seed from those that would train, in each band"


def probav(root: Path, val_share: float = 0.1, test_share: float = 0.2) -> list[SceneSource]:
    """The image sets below ``root`` that have a reference (ESA's own test sets have none and are left out).

    Folders ``val`` and ``test`` beside ``train`` are splits. Without them, the sets on which the literature measures
    test (:func:`published_split`, where they are called validation), band by band. Whichever of the two is missing is
    drawn from what trains, with a seed, band by band.

    Roles: ``lr`` (T) uint16 (h, w), ``qm`` (T) uint8, 255 where clear, ``hr`` (1) uint16, ``sm`` (1) uint8. Meta:
    ``band`` ("RED", "NIR" or None), ``norm`` (dB, if there is a norm.csv), ``origin``.

    Args:
        root: the folder.
        val_share: share of the sets of a band that train that validates instead, where there is no folder ``val``.
        test_share: share that tests, where there is a folder ``val`` but none ``test``.

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
    splits = _splits(root, sets, Shares(val_share, test_share))
    return [_scene(root, folder, folders[folder], *splits[folder], norms) for folder in sets]


def published_split(names: Sequence[str], train_share: float = TRAIN_SHARE) -> tuple[list[str], list[str]]:
    """The split that DeepSUM introduced and RAMS, PIUnet, TR-MISR and QA-Net use.

    The sorted names of one band are shuffled with seed 1, as ``sklearn.utils.shuffle(names, random_state=1)`` does; the
    first ``int(0.7 n)`` train, on the others the published figures are measured: 415 and 179 of RED, 396 and 170 of
    NIR.

    Args:
        names: of a band's image sets, in any order.
        train_share: share of the sets that train.

    Returns:
        The names that train and the others, each sorted.
    """
    ordered = sorted(names)
    # The legacy generator, since the published lists were drawn with it.
    order = np.random.RandomState(1).permutation(len(ordered))
    count = int(train_share * len(ordered))
    shuffled = [ordered[number] for number in order]
    return sorted(shuffled[:count]), sorted(shuffled[count:])


def _splits(root: Path, sets: list[Path], shares: Shares) -> dict[Path, tuple[str, str]]:
    """The split of each folder, and why: what the folders say, else the published split; the rest is drawn."""
    found = {folder: (split_of(folder.relative_to(root).parts[:-1]) or "train", "") for folder in sets}
    given = {split for split, _ in found.values()} - {"train"}
    by_band: dict[Path, list[str]] = defaultdict(list)
    for folder in sets:
        if found[folder][0] == "train":
            by_band[folder.parent].append(folder.name)
    for parent, names in by_band.items():
        if not given:
            for name in published_split(names)[1]:
                found[parent / name] = ("test", PUBLISHED)
        for split in sorted(set(HELD) - (given or {"test"})):
            left = [name for name in names if found[parent / name][0] == "train"]
            count = min(max(1, round(len(left) * getattr(shares, split))), len(left) - 1)
            for place in generator(0, f"probav {split} {parent.name}").permutation(len(left))[:count]:
                found[parent / sorted(left)[place]] = (split, DRAWN)
    return found


def _scene(root: Path, folder: Path, names: set[str], split: str, why: str, norms: dict[str, float]) -> SceneSource:
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
    return SceneSource(folder.name, split, dict(roles), "series", meta, why)


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
