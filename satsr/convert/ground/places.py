"""Scenes by place: which of them show the same ground, and which tiles of them train, validate and test."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from satsr.convert.ground.shares import HELD, Shares, in_rows, share_out
from satsr.convert.ground.sources import Source, Window
from satsr.errors import SatsrError
from satsr.seeds import generator

STRIPS = {
    "train": "tiles at one end of each place that trains",
    "val": "strips of tiles of each place that trains, next to what trains",
    "test": "strips of tiles at the other end of the same place",
}
Boxes = npt.NDArray[np.float64]
"""Top, left, bottom, right of each tile, in coordinates that all scenes of a place share."""


class Assigned(NamedTuple):
    """The split of a tile, None where it is left out, and why."""

    split: str | None
    why: str = ""


def assigned(
    scenes: Sequence[Source], windows: Sequence[Sequence[Window]], shares: Shares, seed: int
) -> list[list[Assigned]]:
    """The split of every tile.

    Scenes whose ground overlaps are one place. The last place tests and from five places on those before it validate;
    otherwise a strip of tiles of each place that trains validates, and of a single place the strip at one end tests,
    with the strip that validates between it and those that train. At which end is drawn.

    Args:
        scenes: in natural order.
        windows: of the tiles of each scene that have data.
        shares: of the places, or of the rows of tiles.
        seed: of the draw.

    Raises:
        SatsrError: too few tiles for three splits.
    """
    sites = by_ground([scene.bounds() for scene in scenes])
    plan = share_out(len(sites), HELD, shares, "place")
    found: list[list[Assigned]] = [[] for _ in scenes]
    for number, (site, whole) in enumerate(zip(sites, plan.whole, strict=True)):
        boxes = [_boxes(scenes[member], windows[member]) for member in site]
        if whole == "train" and plan.within:
            splits = _strips(np.concatenate(boxes), shares, plan.within, seed, number)
            if splits is None:
                raise SatsrError(_too_few(scenes[site[0]], len(np.unique(np.concatenate(boxes), axis=0)), plan.within))
            known = [Assigned(split, STRIPS.get(split or "", "")) for split in splits]
        else:
            why = f"{plan.whole.count(whole)} of {len(sites)} places that do not overlap"
            known = [Assigned(whole, why)] * sum(map(len, boxes))
        for member, some in zip(site, boxes, strict=True):
            found[member], known = known[: len(some)], known[len(some) :]
    return found


def by_ground(bounds: Sequence[tuple[float, float, float, float] | None]) -> list[list[int]]:
    """Numbers of scenes, those together whose (west, south, east, north) overlap, also by way of others.

    A scene of which it is not known where it lies is a place of its own.
    """
    sites: list[list[int]] = []
    for number, box in enumerate(bounds):
        near = [site for site in sites if any(_overlap(box, bounds[member]) for member in site)]
        joined = sorted([number, *(member for site in near for member in site)])
        sites = sorted([site for site in sites if site not in near] + [joined])
    return sites


def _overlap(a: tuple[float, ...] | None, b: tuple[float, ...] | None) -> bool:
    return a is not None and b is not None and all(a[i] < b[i + 2] and b[i] < a[i + 2] for i in (0, 1))


def _boxes(scene: Source, windows: Sequence[Window]) -> Boxes:
    """Where tiles lie: in degrees, counted down and to the right, or in pixels where degrees are not known."""
    (height, width), bounds = scene.extent()[1], scene.bounds()
    boxes = np.array([(top, left, top + high, left + wide) for top, left, high, wide in windows], float).reshape(-1, 4)
    if bounds is None:
        return boxes
    west, south, east, north = bounds
    scale = np.array([(north - south) / height, (east - west) / width] * 2)
    return np.asarray(boxes * scale + np.array([-north, west] * 2))


def _strips(boxes: Boxes, shares: Shares, within: frozenset[str], seed: int, number: int) -> list[str | None] | None:
    """The split of each tile of a place; None where there are too few.

    Where scenes of a place have grids of their own, tiles that overlap one of a split further on are left out.
    """
    if not len(boxes):
        return None
    turn = -1 if generator(seed, "strips", number).random() < 0.5 else 1
    side = (boxes[:, 2:] - boxes[:, :2]).max(axis=0)
    lines = turn * np.floor((boxes[:, :2] - boxes[:, :2].min(axis=0)) / side + 1e-6)
    splits = in_rows([(row, column) for row, column in lines.tolist()], shares, within)
    if splits is None:
        return None
    for later, earlier in (("test", ("val", "train")), ("val", ("train",))):
        taken = boxes[[split == later for split in splits]]
        splits = [
            None if split in earlier and _touches(box, taken) else split
            for box, split in zip(boxes, splits, strict=True)
        ]
    return splits if {"train", *within} <= set(splits) else None


def _touches(box: Boxes, others: Boxes) -> bool:
    """Whether a tile shares more than an edge with one of the others."""
    room = 1e-6 * (box[2:] - box[:2])
    return bool(((box[:2] + room < others[:, 2:]) & (others[:, :2] + room < box[2:])).all(axis=1).any())


def _too_few(scene: Source, count: int, within: frozenset[str]) -> str:
    return (
        f"{scene.file} has {count} tiles with data: too few to train and for {' and '.join(sorted(within))}. Give a "
        "larger scene or more of them, or set the option tile_px lower."
    )
