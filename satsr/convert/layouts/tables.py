"""Published pairs of SPOT-6 and Sentinel-2 that a pandas table lists: BreizhSR, and the data of Remote-Sensing-SRGAN.

The tables are pickles; :mod:`satsr.convert.ground.pickled_table` reads them without running them. A ``<name>.json``
that :func:`satsr.convert.ground.pickled_table.save_table` made is taken instead of ``<name>.pkl`` if both are there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from satsr.convert.ground.pickled_table import Row, read_table
from satsr.convert.ground.sources import Source
from satsr.convert.layouts.source import SPLITS, Frame, SceneSource
from satsr.errors import SatsrError, listed
from satsr.files import files_below
from satsr.imagery import bands, geotiff
from satsr.seeds import generator

SCALE = 4
HR_MULTIPLE = 8
"""BreizhSR cuts targets at the top left to a multiple of this: 300 to 296 pixels, and the series from 75 to 74."""
MAX_IMAGES = 8
MAX_DAYS = 10
"""The seed of SRGAN keeps rows whose nearest acquisition lies at most so many days from SPOT-6."""
COVER, FARMED, WET = "Code_simplified", "Agricultural Areas", ("Wetlands", "Water Bodies")
FARMED_SURPLUS = 100
Shape = tuple[int, int]


@dataclass(frozen=True)
class _Acquisition:
    """One Sentinel-2 image of a row: its key in the table, its file, and its date if the table has it."""

    key: int
    path: Path
    day: str | None


def breizhsr(root: Path) -> list[SceneSource]:
    """BreizhSR as published: ``dataset_train.pkl``, ``dataset_test.pkl`` and GeoTIFFs (specification, section 2).

    Of each row the first eight acquisitions in the stored order, put in the order of their dates; images smaller than
    the target's quarter are left out together with their dates. The rows of ``dataset_test`` test, as the published
    figures are measured on them, and the ``val`` rows of ``dataset_train`` validate.

    Roles: ``lr`` (T up to 8) uint16 (h, w, 3), ``hr`` (1) uint8 (4h, 4w, 3). Meta: ``dates`` (ascending),
    ``target_date`` and ``days`` (signed), ``sisr`` (which of ``lr`` the single-image models take: the smallest key),
    ``origin``.

    Raises:
        SatsrError: a table without the columns, rows without images, with dates for some of them only, or with paths
            that lead out of the folder (all are listed).
    """
    root, train = _table(root, "dataset_train")
    test = _table(root, "dataset_test", required=False)[1]
    by_split = {name: [row for row in train if _split(row, "split") == name] for name in ("train", "val")}
    why = {name: f"the rows of dataset_train whose column split says {name}" for name in by_split}
    why["test"] = "the rows of dataset_test, on which the published figures are measured"
    return _scenes(root, {**by_split, "test": test}, partial(_breizhsr_row, root), why)


def pairs(
    root: Path, max_days: int = MAX_DAYS, min_images: int = 1, stratify: str = "none", seed: int = 42
) -> list[SceneSource]:
    """The pairs of Remote-Sensing-SRGAN: ``dataset_stratified.pkl`` and GeoTIFFs (specification of SRGAN, section 1.8).

    The table's own ``type`` decides the split, so that no row is in two of them (the seed's loader mixes a fifth of
    them). Acquisitions by ascending distance in days; those that are not a quarter of the target are resized (bilinear,
    corners aligned), as the seed does.

    Roles: ``lr`` (K) uint16 (h, w, 3), ``hr`` (1) uint8 (4h, 4w, 3). Meta: ``days`` (as the table files the
    acquisitions), ``day_distances``, ``sisr`` (always 0), ``origin``.

    Args:
        root: the folder.
        max_days: rows are kept whose nearest acquisition lies at most so many days from SPOT-6; the seed's ten.
        min_images: rows are kept with at least so many acquisitions; five in the author's thesis of 2022.
        stratify: ``land_cover`` for :func:`by_land_cover`, before the other two; ``none`` for all rows.
        seed: of the choice among agricultural rows.

    Raises:
        SatsrError: as for :func:`breizhsr`, or an unknown ``stratify``.
    """
    root, rows = _table(root, "dataset_stratified")
    if stratify not in ("none", "land_cover"):
        raise SatsrError(f"rows are stratified by land_cover or none, found {stratify!r} in the dataset card.")
    chosen = by_land_cover(rows, seed) if stratify == "land_cover" else rows
    near = [
        row
        for row in chosen
        if len(row.get("sen2_acquisitions") or []) >= max(1, min_images) and _nearest(row) <= max_days
    ]
    by_split = {name: [row for row in near if _split(row, "type") == name] for name in ("train", "val", "test")}
    why = {name: f"the rows whose column type says {name}" for name in by_split}
    return _scenes(root, by_split, partial(_pairs_row, root), why)


def by_land_cover(rows: Sequence[Row], seed: int = 42) -> list[Row]:
    """Rows among which no land cover outweighs the others, in their order.

    The author's definition of 2022 (specification of SRGAN, section 2): by CORINE's first level in ``Code_simplified``,
    wetlands, water and rows without a cover go, and of agriculture as many, drawn at random, as exceed the second most
    frequent cover by more than 100.

    Raises:
        SatsrError: the rows have no such column.
    """
    if any(COVER not in row for row in rows):
        raise SatsrError(
            f"the table of pairs has no column {COVER} with CORINE's land cover: leave stratify out of the dataset "
            "card if its rows were chosen before."
        )
    kept = [number for number, row in enumerate(rows) if row[COVER] and row[COVER] not in WET]
    farmed = [number for number in kept if rows[number][COVER] == FARMED]
    others = Counter(rows[number][COVER] for number in kept if rows[number][COVER] != FARMED)
    room = max(others.values(), default=0) + FARMED_SURPLUS
    order = generator(seed, "land cover").permutation(len(farmed)).tolist()
    dropped = {farmed[place] for place in order[room:]}
    return [rows[number] for number in kept if number not in dropped]


def _table(root: Path, name: str, *, required: bool = True) -> tuple[Path, list[Row]]:
    """The rows of the first ``name.json`` or ``name.pkl`` below ``root``, and the folder it lies in.

    Raises:
        SatsrError: there is none although it is required, or it lacks a column.
    """
    paths = sorted(file for file in files_below(root) if file.name in (f"{name}.json", f"{name}.pkl"))
    if not paths:
        if required:
            raise SatsrError(f"{root} has no {name}.pkl: expected the table of the pairs with its GeoTIFFs beside it.")
        return root, []
    path = min(paths, key=lambda file: (len(file.parts), file.suffix))
    rows = read_table(path)
    missing = {"spot6_image", "sen2_acquisitions"} - set(rows[0] if rows else {})
    if missing:
        raise SatsrError(f"the table {path} lacks rows or the columns {', '.join(sorted(missing))}.")
    return path.parent, rows


def _scenes(
    root: Path,
    by_split: Mapping[str, list[Row]],
    read: Callable[[str, Row], SceneSource | None],
    why: Mapping[str, str],
) -> list[SceneSource]:
    found: list[SceneSource] = []
    problems: list[str] = []
    for split, rows in by_split.items():
        for row in rows:
            try:
                scene = read(split, row)
            except SatsrError as error:
                problems.append(f"{row['spot6_image']}: {error}")
                continue
            if scene is not None:
                found.append(replace(scene, why=why[split]))
    if problems:
        raise SatsrError(listed(f"the table in {root} and its files do not fit together", problems))
    return found


def _breizhsr_row(root: Path, split: str, row: Row) -> SceneSource | None:
    acquisitions = _acquisitions(root, row, "dates_sen2")
    target = _inside(root, row["spot6_image"])
    height, width = (side - side % HR_MULTIPLE for side in geotiff.size(target))
    shape = (height // SCALE, width // SCALE)
    usable = [item for item in acquisitions if _holds(geotiff.size(item.path), shape)][:MAX_IMAGES]
    if not usable:
        return None
    usable.sort(key=lambda item: item.day or "")  # ISO dates; the stored order stays where there are none
    loaders = [partial(_cut, item.path, shape) for item in usable]
    meta: dict[str, Any] = {"sisr": min(range(len(usable)), key=lambda number: usable[number].key)}
    days = [item.day for item in usable if item.day]
    if days and len(days) < len(usable):
        raise SatsrError(f"{len(usable) - len(days)} of {len(usable)} Sentinel-2 images have no date")
    if row.get("dates_spot6") and days:
        taken = date.fromisoformat(row["dates_spot6"])
        meta |= {"dates": days, "target_date": str(taken)}
        meta["days"] = [(date.fromisoformat(day) - taken).days for day in days]
    return _source(root, split, target, partial(_cut, target, (height, width)), usable, loaders, meta)


def _pairs_row(root: Path, split: str, row: Row) -> SceneSource:
    usable = sorted(_acquisitions(root, row, "dates_sen2"), key=lambda item: abs(item.key))
    target = _inside(root, row["spot6_image"])
    height, width = (side // SCALE for side in geotiff.size(target))
    loaders = [partial(_fitted, item.path, (height, width)) for item in usable]
    days = [item.key for item in usable]
    meta = {"sisr": 0, "days": days, "day_distances": [abs(day) for day in days]}
    return _source(root, split, target, partial(_cut, target, (height * SCALE, width * SCALE)), usable, loaders, meta)


def _source(
    root: Path,
    split: str,
    target: Path,
    load_target: Callable[[], np.ndarray],
    acquisitions: Sequence[_Acquisition],
    loaders: Sequence[Callable[[], np.ndarray]],
    meta: dict[str, Any],
) -> SceneSource:
    name = target.relative_to(root).with_suffix("").as_posix()
    roles: dict[str, Sequence[Frame]] = {
        "hr": [Frame(str(target), load_target)],
        "lr": [Frame(str(item.path), load) for item, load in zip(acquisitions, loaders, strict=True)],
    }
    origin = {
        "hr": [target.relative_to(root).as_posix()],
        "lr": [item.path.relative_to(root).as_posix() for item in acquisitions],
    }
    return SceneSource(name, split, roles, "series", {**meta, "origin": origin})


def _acquisitions(root: Path, row: Row, dates: str) -> list[_Acquisition]:
    """A row's Sentinel-2 images in the stored order.

    Raises:
        SatsrError: there are none, or not as many dates as images.
    """
    items = row["sen2_acquisitions"] or []
    days = row.get(dates) or [None] * len(items)
    if not items or len(days) != len(items):
        raise SatsrError(f"{len(items)} Sentinel-2 images with {len(days)} dates")
    return [_Acquisition(_key(key), _inside(root, path), day) for (key, path), day in zip(items, days, strict=True)]


def _key(key: Any) -> int:
    try:
        return int(key)
    except (TypeError, ValueError):
        raise SatsrError(f"an acquisition is filed under {key!r}, not under a number of days") from None


def _nearest(row: Row) -> int:
    return min(abs(_key(key)) for key, _ in row["sen2_acquisitions"])


def _split(row: Row, column: str) -> str | None:
    return SPLITS.get(str(row.get(column)).lower())


def _inside(root: Path, name: Any) -> Path:
    """The file that a table names, below its folder or below one that an archive was unpacked into beside it.

    Raises:
        SatsrError: it is not there, or the name leads out of the folder.
    """
    place = PurePosixPath(str(name).replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts:
        raise SatsrError(f"the path {name!r} leads out of the folder")
    found = next((base / place for base in _bases(root) if (base / place).is_file()), None)
    if found is None:
        raise SatsrError(f"{root / place} does not exist")
    return found


@lru_cache(maxsize=4)
def _bases(root: Path) -> tuple[Path, ...]:
    return (root, *sorted(path for path in root.iterdir() if path.is_dir()))


def _holds(size: Shape, shape: Shape) -> bool:
    return size[0] >= shape[0] and size[1] >= shape[1]


def _cut(path: Path, shape: Shape) -> np.ndarray:
    """Red, green and blue, cut at the top left."""
    return np.ascontiguousarray(Source(path).numbers(bands.RGB)[: shape[0], : shape[1]])


def _fitted(path: Path, shape: Shape) -> np.ndarray:
    """Red, green and blue, resized if the size differs: bilinear, corners on corners."""
    image = Source(path).numbers(bands.RGB)
    for axis, side in enumerate(shape):
        if image.shape[axis] != side:
            place = np.linspace(0, image.shape[axis] - 1, side)
            low = np.minimum(place.astype(int), max(image.shape[axis] - 2, 0))
            part = (place - low).reshape(-1, *[1] * (2 - axis))
            pair = image.take(low, axis), image.take(np.minimum(low + 1, image.shape[axis] - 1), axis)
            image = np.rint(pair[0] * (1 - part) + pair[1] * part).astype(image.dtype)
    return image
