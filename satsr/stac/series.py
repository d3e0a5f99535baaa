"""Several STAC Items as the dates of one place: files of items, folders of such files, and the day of each item.

A file holds an Item, or the GeoJSON FeatureCollection of Items (an ItemCollection) that a search gives.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from satsr.download.fetch import Patience
from satsr.errors import SatsrError
from satsr.stac import files
from satsr.stac.item import MAX_BYTES, SUFFIXES, Item, decoded, parse

MOST = 1000
"""Items of one file: a page of a search has some hundred at most."""


@dataclass(frozen=True)
class Search:
    """The items of a file.

    Attributes:
        items: in the order of the file.
        cut: whether the file says that the search found more, on a next page.
    """

    items: Sequence[Item]
    cut: bool = False


@dataclass(frozen=True)
class Inside:
    """What of a folder STAC Items are, or speak of.

    Attributes:
        items: files with items that name bands.
        named: paths of files that these name, such as images and thumbnails: they are no scenes of their own.
    """

    items: Sequence[Path]
    named: frozenset[str] = frozenset()

    def names(self, file: Path) -> bool:
        """Whether an item speaks of a file."""
        return os.path.abspath(file) in self.named  # noqa: PTH100


def search(path: Path) -> Search:
    """The items of a file: one, or those of a collection of features.

    Raises:
        SatsrError: it holds none, or more than :data:`MOST`, or one of them is no valid item.
    """
    found = decoded(path)
    features = _features(found)
    if features is None:
        return Search([parse(found, str(path))])
    if not 0 < len(features) <= MOST:
        raise SatsrError(f"{path} holds {len(features)} items: 1 to {MOST} are expected.")
    links = found.get("links")
    links = links if isinstance(links, list) else []
    items = [parse(one, f"{path}, item {place}") for place, one in enumerate(features, 1)]
    return Search(items, any(isinstance(link, dict) and link.get("rel") == "next" for link in links))


def several(path: Path) -> bool:
    """Whether a file holds several items, valid or not.

    Raises:
        SatsrError: it is no JSON.
    """
    return len(_features(decoded(path)) or []) > 1


def days(path: Path) -> list[date]:
    """The day of each item of a file.

    Raises:
        SatsrError: as :func:`search` and :func:`day`.
    """
    return [day(item, path) for item in search(path).items]


def day(item: Item, path: Path) -> date:
    """The day of an item's ``datetime``, in UTC.

    Raises:
        SatsrError: it has none.
    """
    said = item.tags.get("STAC_DATETIME", "")
    try:
        found = datetime.fromisoformat(said.upper())
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC).date()
    except (ValueError, OverflowError):
        raise SatsrError(
            f"the item {item.name} of {path} has no datetime, such as 2018-05-03T10:16:01Z (found {said or 'none'!r}): "
            "write the day that it shows into its properties, or leave it out."
        ) from None


def classes(item: Item, path: Path, patience: Patience | None = None) -> Path | None:
    """The file of an item's scene classes, fetched where it lies elsewhere; None if it has none.

    Raises:
        SatsrError: it cannot be had, or is not what the item says.
    """
    band = item.classes
    return None if band is None else files.located(item, band, path, patience)


def inside(folder: Path) -> Inside:
    """The items in a folder. Other JSON, items that name no bands, and what is larger than any item do not count.

    Raises:
        SatsrError: beside items lies a file that is no JSON, or one of them is no valid item.
    """
    broken: SatsrError | None = None
    items: list[Path] = []
    named: set[str] = set()
    for path in sorted(file for file in folder.iterdir() if _may_be(file)):
        try:
            found = decoded(path)
        except SatsrError as error:
            broken = error
            continue
        members = [one for one in _features(found) or [found] if _is_item(one)]
        parsed = [parse(one, str(path)) for one in members]
        if any(one.others(()) for one in parsed):
            items.append(path)
            named |= {file for one in members for file in _local(one, folder)}
    if items and broken:
        raise broken
    return Inside(items, frozenset(named))


def _may_be(file: Path) -> bool:
    named = file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    return named and file.is_file() and file.stat().st_size <= MAX_BYTES


def _features(found: Any) -> list[Any] | None:
    """The features of a collection; None of anything else."""
    collection = isinstance(found, dict) and found.get("type") == "FeatureCollection"
    features = found.get("features") if collection else None
    return features if isinstance(features, list) else None


def _is_item(found: Any) -> bool:
    return isinstance(found, dict) and found.get("type") == "Feature" and isinstance(found.get("stac_version"), str)


def _local(found: Mapping[str, Any], folder: Path) -> list[str]:
    """Where the files that an item's assets name lie, if they lie on this disk."""
    said = [asset.get("href") for asset in found["assets"].values()]
    hrefs = [href for href in said if isinstance(href, str)]
    paths = [href[5:].removeprefix("//") if href.lower().startswith("file:") else href for href in hrefs]
    return [os.path.abspath(folder / path) for path in paths]  # noqa: PTH100  # resolves no links and asks no disk
