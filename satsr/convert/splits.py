"""Which scenes, and which frames of them, are for training and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from satsr.convert.layouts.source import SceneSource
from satsr.errors import SatsrError, listed

SPLITS = ("auto", "clips", "frames")
MIN_CLIPS = 5
MIN_TRAIN_FRAMES = 2


@dataclass(frozen=True)
class Piece:
    """Consecutive frames of one source that become one scene of the store.

    Attributes:
        split: ``train`` or ``val``.
        id: the source's id, followed by ``-`` and the first frame's number where the piece begins later.
        source: where the frames come from.
        frames: their numbers in the source.
    """

    split: str
    id: str
    source: SceneSource
    frames: range


def divide(sources: Sequence[SceneSource], split: str, val_share: float, clip_frames: int) -> list[Piece]:
    """Assigns every frame to a scene of ``train`` or ``val``, sorted by split and id.

    "auto" keeps the sources' own splits; a missing validation split is taken from the training clips. Without any, it
    is the last clips if there are five or more (always for series, which are not divided in time), else the last frames
    of each clip, so that 100 frames give 80 to train with and frames 80 to 99 to validate.

    Args:
        sources: in natural order.
        split: "auto", "clips" or "frames".
        val_share: share of the clips or frames that is held out; at least one is.
        clip_frames: longer pieces are cut evenly into pieces of at most this many frames, but never of a single one.

    Raises:
        SatsrError: too few clips or frames for the split (all clips concerned are listed).
    """
    if split not in SPLITS or not 0 < val_share < 1 or clip_frames < 2:
        raise SatsrError(
            f"expected a split of {', '.join(SPLITS)}, a share between 0 and 1 and clips of at least 2 frames, found "
            f"{split!r}, {val_share} and {clip_frames}."
        )
    train = [source for source in sources if split != "auto" or source.split != "val"]
    val = [source for source in sources if split == "auto" and source.split == "val"]
    if not train:
        raise SatsrError(f"all {len(val)} clips are for validation: add a train folder, or set convert.split=clips.")
    spans: list[tuple[str, SceneSource, range]] = [("val", source, _all(source)) for source in val]
    series = any(source.form == "series" for source in train)
    if val:
        spans += [("train", source, _all(source)) for source in train]
    elif split == "clips" or series or (split == "auto" and len(train) >= MIN_CLIPS):
        held = max(1, round(len(train) * val_share))
        if held == len(train):
            raise SatsrError(f"one {'scene' if series else 'clip'} cannot be divided into train and val: add another.")
        spans += [("train", source, _all(source)) for source in train[:-held]]
        spans += [("val", source, _all(source)) for source in train[-held:]]
    else:
        for source in train:
            count = len(_all(source))
            first = count - max(1, round(count * val_share))
            spans += [("train", source, range(first)), ("val", source, range(first, count))]
    _require_frames(spans)
    pieces = [piece for span in spans for piece in _pieces(*span, clip_frames)]
    return sorted(pieces, key=lambda piece: (piece.split, piece.id))


def _all(source: SceneSource) -> range:
    return range(max(len(frames) for frames in source.roles.values()))


def _require_frames(spans: list[tuple[str, SceneSource, range]]) -> None:
    short = [
        f"{source.id} ({next(iter(source.roles.values()))[0].origin}): {len(_all(source))} frames"
        for split, source, frames in spans
        if split == "train" and source.form == "video" and len(frames) < MIN_TRAIN_FRAMES
    ]
    if short:
        raise SatsrError(
            listed(f"training on a clip needs at least {MIN_TRAIN_FRAMES} frames besides those held out", short)
            + "\nAdd frames, or remove these clips."
        )


def _pieces(split: str, source: SceneSource, frames: range, clip_frames: int) -> list[Piece]:
    if source.form == "series":
        return [Piece(split, source.id, source, frames)]
    count = max(1, min(-(-len(frames) // clip_frames), len(frames) // 2))
    ends = np.linspace(frames.start, frames.stop, count + 1).astype(int).tolist()
    return [
        Piece(split, source.id if first == 0 else f"{source.id}-{first:05d}", source, range(first, last))
        for first, last in pairwise(ends)
    ]
