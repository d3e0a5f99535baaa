"""The convert stage: raw files become the frame store, whole or not at all.

Video frames are cut to whole low-resolution pixels, their low-resolution partners are made where there are none, and
clips are divided into train, val and test. The store's bytes depend on the files and the recipe alone, not on
the number of workers or on how often the conversion was interrupted before.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from satsr.config.data import Convert
from satsr.convert.ground.shares import Shares
from satsr.convert.guess import guess
from satsr.convert.layouts import read_scenes
from satsr.convert.layouts.source import SceneSource
from satsr.convert.splits import Piece, divide
from satsr.degrade import downscale_frame
from satsr.errors import SatsrError, listed
from satsr.files import disk_errors, require_space
from satsr.locks import locked
from satsr.progress import Bar
from satsr.store.raw import Raw, raw_root, read_raw
from satsr.store.store import Store, StoreWriter

MOST_WORKERS = 8
"""Beyond that the one writer has no more to do: what it does of a frame takes an eighth of the work."""


@dataclass(frozen=True)
class _Task:
    """One frame of a video, or one array of a series: where it comes from and where it goes."""

    piece: Piece
    role: str
    index: int

    @property
    def origin(self) -> str:
        return self.piece.source.roles[self.role][self.index].origin


@dataclass(frozen=True)
class _Done:
    """Arrays by role, and what is compared within a clip: the size before anything was cut."""

    arrays: dict[str, np.ndarray]
    size: tuple[int, ...]


def convert(raw: Path, store: Path, settings: Convert | None = None, *, base: Path | None = None) -> Store:
    """Makes the frame store of a finished download.

    Args:
        raw: folder of the download stage.
        store: the folder to make; what was there stays until the new one is complete.
        settings: the section ``convert``; the bytes do not depend on the number of workers.
        base: what a relative path of the user's own files counts from; the working directory by default.

    Returns:
        The finished store.

    Raises:
        SatsrError: frames that cannot be read, do not fit together or are too small (all are listed), clips too short
            to be divided, a full disk, or files that changed since the download. Nothing is left half-written.
    """
    settings = settings or Convert()
    if settings.cut_px % settings.scale:
        raise SatsrError(f"frames are cut to multiples of the scale {settings.scale}: {settings.cut_px} is none.")
    content = read_raw(raw)
    root = raw_root(raw, content, base)
    with disk_errors(f"converting {raw}"), locked(store):
        layout = content.card["layout"] if content.card["layout"] != "auto" else guess(root)
        sources = read_scenes(layout, root, content.card.get("options"))
        shares = Shares(settings.val_share, settings.test_share)
        pieces, division = divide(sources, settings.split, shares, settings.clip_frames)
        _require_room(store, pieces, settings)
        with StoreWriter(store, content.card, _provenance(content, layout, settings), division) as writer:
            _write(writer, pieces, settings)
            raw_root(raw, content, base)  # what was saved meanwhile may be of two contents
    return Store(store)


def _write(writer: StoreWriter, pieces: list[Piece], settings: Convert) -> None:
    """Puts every frame in order; after the first bad one only looks for more of them.

    Raises:
        SatsrError: lists everything that is wrong.
    """
    tasks = [task for piece in pieces for task in _tasks(piece)]
    sizes: dict[tuple[str | None, str, str], tuple[tuple[int, ...], str]] = {}
    problems: dict[str, None] = {}  # in order, and what many crops of one file share once
    differing = False
    workers = _cores() if settings.workers is None else settings.workers
    with Bar("converting", len(tasks)) as bar:
        for task, done in _in_order(tasks, lambda task: _attempt(task, settings), workers):
            bar.advance()
            if isinstance(done, str):
                problems[done] = None
                continue
            source = task.piece.source
            size, first = sizes.setdefault((source.split, source.id, task.role), (done.size, task.origin))
            if done.size != size:
                differing = True
                problems[f"{task.origin} is {_by(done.size)}, but {first} of the same clip is {_by(size)}"] = None
            if not problems:
                for role, array in sorted(done.arrays.items()):
                    writer.put(task.piece.split, task.piece.id, role, task.index - task.piece.frames.start, array)
    if problems:
        photos = " Photographs of many sizes need `layout: photos` in a card.yaml beside them." if differing else ""
        raise SatsrError(listed("the frames cannot be converted", list(problems)) + f"\nRepair or remove them.{photos}")
    for piece in pieces:
        writer.describe(piece.split, piece.id, _meta(piece, settings, sizes))


def _tasks(piece: Piece) -> Iterator[_Task]:
    if piece.source.form == "video":
        for index in piece.frames:
            yield _Task(piece, "hr", index)
        return
    for role, frames in sorted(piece.source.roles.items()):
        for index in range(len(frames)):
            yield _Task(piece, role, index)


def _attempt(task: _Task, settings: Convert) -> _Done | str:
    """The arrays of a task, or the sentence that says what is wrong with it."""
    try:
        if task.piece.source.form == "video":
            return _video_frame(task, settings)
        array = task.piece.source.roles[task.role][task.index].load()
        return _Done({task.role: array}, array.shape)
    except SatsrError as error:
        return str(error)


def _video_frame(task: _Task, settings: Convert) -> _Done:
    """A high-resolution frame cut to the multiple, with its low-resolution partner cut likewise, or made."""
    roles = task.piece.source.roles
    high = roles["hr"][task.index].load()
    height, width = high.shape[:2]
    kept = (height - height % settings.cut_px, width - width % settings.cut_px)
    small = (kept[0] // settings.scale, kept[1] // settings.scale)
    if min(small) < settings.min_lr_px:
        raise SatsrError(
            f"{task.origin} is {_by(high.shape)}, which gives {_by(small)} at scale {settings.scale}; "
            f"the network needs at least {settings.min_lr_px} x {settings.min_lr_px}"
        )
    cut = np.ascontiguousarray(high[: kept[0], : kept[1]])
    if "lr" not in roles:
        return _Done({"hr": cut, "lr": downscale_frame(cut, settings.scale, settings.border)}, high.shape)
    low = roles["lr"][task.index].load()
    for side, full, needed in zip(low.shape, (height, width), small, strict=False):
        if side not in (needed, full // settings.scale, -(-full // settings.scale)):
            raise SatsrError(
                f"{roles['lr'][task.index].origin} is {_by(low.shape)}, but {task.origin} is {_by(high.shape)}: "
                f"at scale {settings.scale} the sides do not belong together (a card with the options "
                f"{{low: made}} has the low-resolution frames made from the others)"
            )
    return _Done({"hr": cut, "lr": np.ascontiguousarray(low[: small[0], : small[1]])}, high.shape)


def _cores() -> int:
    """How many workers the machine feeds: its cores that this process may use, at most :data:`MOST_WORKERS`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_WORKERS)


def _in_order(
    tasks: Iterable[_Task], work: Callable[[_Task], _Done | str], workers: int
) -> Iterator[tuple[_Task, _Done | str]]:
    """Results in the order of the tasks; only a few are worked on ahead, so memory is bounded.

    Threads, not processes: decoding, shrinking and checksums run without Python's lock, frames need not be sent, and
    threads end with their process, however it ends.
    """
    if workers == 0:
        yield from ((task, work(task)) for task in tasks)
        return
    waiting: deque[tuple[_Task, Future[_Done | str]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for task in tasks:
            waiting.append((task, pool.submit(work, task)))
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _require_room(store: Path, pieces: list[Piece], settings: Convert) -> None:
    """Refuses to start when the store cannot fit, judging each role by the first scene's first frame of it."""
    source = pieces[0].source
    try:
        sizes = {role: frames[0].load().nbytes for role, frames in source.roles.items()}
    except SatsrError:
        return  # the conversion will list it with the others
    if source.form == "video":
        needed = max(sizes.values()) * (1 + 1 / settings.scale**2) * sum(len(piece.frames) for piece in pieces)
    else:
        roles = [item for piece in pieces for item in piece.source.roles.items()]
        needed = sum(sizes.get(role, max(sizes.values())) * len(frames) for role, frames in roles)
    # LMDB's pages and tree take less than a hundredth for frames of 64 x 64 and more.
    require_space(store.parent, int(1.02 * needed) + (1 << 20), "the frame store")


def _provenance(content: Raw, layout: str, settings: Convert) -> dict[str, Any]:
    files = json.dumps(content.files, sort_keys=True).encode()
    return settings.model_dump(exclude={"workers"}) | {
        "multiple": settings.cut_px,
        "reader": layout,
        "card_sha256": content.card_sha256,
        "files_sha256": hashlib.sha256(files).hexdigest(),
    }


def _meta(piece: Piece, settings: Convert, sizes: dict[Any, tuple[tuple[int, ...], str]]) -> dict[str, Any]:
    source: SceneSource = piece.source
    meta = {**source.meta, "source": source.id}
    if source.form == "video":
        size = sizes[source.split, source.id, "hr"][0]
        meta["frames"] = [piece.frames.start, piece.frames.stop - 1]
        meta["lr"] = "given" if "lr" in source.roles else f"cubic, {settings.border} border"
        meta["original_size"] = list(size[:2])
    return meta


def _by(shape: Iterable[int]) -> str:
    return " x ".join(str(side) for side in shape)
