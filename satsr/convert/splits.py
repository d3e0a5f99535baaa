"""Which scenes, and which frames of them, train, validate and test."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from satsr.convert.ground.shares import HELD, Plan, Shares, cut, share_out
from satsr.convert.layouts.source import SceneSource
from satsr.errors import SatsrError, listed

SPLITS = ("auto", "clips", "frames")
MIN_TRAIN_FRAMES = 2
IN_TIME = {
    "train": "the first frames of each clip that trains",
    "val": "frames in the middle of each clip that trains",
    "test": "the last frames of each clip that trains, the same place at another time",
}


@dataclass(frozen=True)
class Piece:
    """Consecutive frames of one source that become one scene of the store.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        id: the source's id, followed by ``-`` and the first frame's number where the piece begins later.
        source: where the frames come from.
        frames: their numbers in the source.
    """

    split: str
    id: str
    source: SceneSource
    frames: range


class Division(NamedTuple):
    """Who does what, and why.

    Attributes:
        pieces: sorted by split and id.
        sentences: by split, how it came about, for people.
    """

    pieces: list[Piece]
    sentences: dict[str, str]


class _Span(NamedTuple):
    split: str
    source: SceneSource
    frames: range
    why: str


def divide(sources: Sequence[SceneSource], split: str, shares: Shares, clip_frames: int) -> Division:
    """Assigns every frame to a scene of ``train``, ``val`` or ``test``.

    "auto" keeps the sources' own splits and takes what is missing from those that train: ``test`` is another place than
    train, the last clips in natural order, and so is ``val`` from five clips on, the clips before these. Of fewer
    clips, later frames of those that train validate; a single clip gives its last frames to ``test``, and ``val`` lies
    between, so that 100 frames give 70 to train with, 70 to 79 to validate and 80 to 99 to test. Where ids are
    ``site/clip`` with several sites, whole sites are divided. Series are always divided by scene, or site.

    "clips" always divides by clip, "frames" each clip in time, whatever splits the sources have; but what is for
    testing stays so.

    Args:
        sources: in natural order.
        split: "auto", "clips" or "frames".
        shares: of the clips, or of the frames; at least one.
        clip_frames: longer pieces are cut evenly into pieces of at most this many frames, but never of a single one.

    Raises:
        SatsrError: too few clips or frames for three splits (all clips concerned are listed).
    """
    if split not in SPLITS or not 0 < min(shares) < sum(shares) < 1 or clip_frames < 2:
        raise SatsrError(
            f"expected a split of {', '.join(SPLITS)}, shares above 0 that leave something to train on, and clips of "
            f"at least 2 frames, found {split!r}, {shares.val} and {shares.test}, and {clip_frames}."
        )
    kept = HELD if split == "auto" else ("test",)
    given = [source for source in sources if source.split in kept]
    pool = [source for source in sources if source.split not in kept]
    if not pool:
        raise SatsrError(
            f"all {len(given)} clips are for validation or for testing: add a train folder, or set convert.split=clips."
        )
    spans = [_Span(source.split or "", source, _all(source), _said(source)) for source in given]
    spans += _carved(pool, set(HELD) - {source.split for source in given}, split, shares)
    _require_frames(spans)
    pieces = [piece for span in spans for piece in _pieces(span, clip_frames)]
    return Division(sorted(pieces, key=lambda piece: (piece.split, piece.id)), _sentences(pieces, spans))


def _carved(pool: Sequence[SceneSource], missing: set[str], split: str, shares: Shares) -> list[_Span]:
    """What trains, and what is taken from it."""
    if not missing:
        return [_Span("train", source, _all(source), _said(source)) for source in pool]
    series = any(source.form == "series" for source in pool)
    sites = _sites(pool)
    place = ("scene" if series else "clip") if len(sites) == len(pool) else "site"
    plan = Plan(("train",) * len(sites), frozenset(missing))
    if split != "frames" or series:
        plan = share_out(len(sites), missing, shares, place, divisible=not series and split != "clips")
    spans: list[_Span] = []
    for site, whole in zip(sites, plan.whole, strict=True):
        for source in site:
            if whole == "train" and plan.within:
                spans += _in_time(source, shares, plan.within)
            else:
                why = f"{plan.whole.count(whole)} of {len(sites)} {place}s, {_where(whole)} in the order of their names"
                spans.append(_Span(whole, source, _all(source), why))
    return spans


def _where(split: str) -> str:
    return {"train": "the first", "val": "those between", "test": "the last, other places than those that train"}[split]


def _sites(pool: Sequence[SceneSource]) -> list[list[SceneSource]]:
    """Sources of one folder together where there are three such folders or more, else each by itself."""
    groups: dict[str, list[SceneSource]] = {}
    for source in pool:
        groups.setdefault(source.id.rpartition("/")[0], []).append(source)
    if len(groups) < 3 or len(groups) == len(pool):
        return [[source] for source in pool]
    return list(groups.values())


def _in_time(source: SceneSource, shares: Shares, within: frozenset[str]) -> list[_Span]:
    """The parts of a clip; all of it trains where it is too short, which is then found wanting."""
    count = len(_all(source))
    splits = cut(count, shares, within) or ("train",)
    return [
        _Span(split, source, range(splits.index(split), splits.index(split) + splits.count(split)), IN_TIME[split])
        for split in ("train", *HELD)
        if split in splits
    ]


def _all(source: SceneSource) -> range:
    return range(max(len(frames) for frames in source.roles.values()))


def _said(source: SceneSource) -> str:
    return source.why or "as the folders of the data say"


def _sentences(pieces: Sequence[Piece], spans: Sequence[_Span]) -> dict[str, str]:
    """A sentence a split: how many scenes, and why these."""
    found = {}
    for split in ("train", *HELD):
        count = sum(piece.split == split for piece in pieces)
        reasons = dict.fromkeys(span.why for span in spans if span.split == split)
        if count:
            found[split] = f"{count} {'scene' if count == 1 else 'scenes'}: {'; '.join(reasons)}."
    return found


def _require_frames(spans: Sequence[_Span]) -> None:
    short = [
        f"{span.source.id} ({next(iter(span.source.roles.values()))[0].origin}): {len(_all(span.source))} frames"
        for span in spans
        if span.split == "train" and span.source.form == "video" and len(span.frames) < MIN_TRAIN_FRAMES
    ]
    if short:
        raise SatsrError(
            listed(f"training on a clip needs at least {MIN_TRAIN_FRAMES} frames besides those held out", short)
            + "\nAdd frames, or remove these clips."
        )


def _pieces(span: _Span, clip_frames: int) -> list[Piece]:
    frames, source = span.frames, span.source
    if source.form == "series":
        return [Piece(span.split, source.id, source, frames)]
    count = max(1, min(-(-len(frames) // clip_frames), len(frames) // 2))
    ends = np.linspace(frames.start, frames.stop, count + 1).astype(int).tolist()
    return [
        Piece(span.split, source.id if first == 0 else f"{source.id}-{first:05d}", source, range(first, last))
        for first, last in pairwise(ends)
    ]
