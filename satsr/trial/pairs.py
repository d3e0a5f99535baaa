"""Which low-resolution image belongs to which high-resolution one, by the names of files and folders."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from satsr.errors import SatsrError, listed
from satsr.files import natural
from satsr.upscale.results.clips import IMAGES, VIDEOS
from satsr.upscale.results.names import own_name

ROLE = re.compile(r"(?:^|[_.\- ])(?:lr|hr|low|high|lores|hires|x\d)(?=$|[_.\- ])", re.IGNORECASE)
"""What names say of the resolution, which partners need not share: ``city_lr.png`` and ``city_hr.png``."""


@dataclass(frozen=True)
class Pair:
    """What is measured as one: an image, a scene or a clip.

    Attributes:
        name: of it, that of its low-resolution side.
        lr, hr: files, or folders: of a clip's frames, of a series' dates, of an image set.
    """

    name: str
    lr: Path
    hr: Path


def pairs(lr: Path, hr: Path, clips: bool) -> list[Pair]:
    """The pairs in two places, in natural order.

    Args:
        lr: an image, a scene, a video, a folder of them, or a folder of folders of frames.
        hr: the same, ``scale`` times finer, with the same names.
        clips: whether a folder of images is one clip, or an image each.

    Raises:
        SatsrError: one side is a file where the other is a folder, or has partners that the other has not.
    """
    if lr.samefile(hr):
        raise SatsrError(f"--lr and --hr are both {lr}: name the coarse images and the fine ones.")
    if lr.is_file() and hr.is_file():
        return [Pair(lr.stem, lr, hr)]
    ours, theirs = (_members(path, clips) for path in (lr, hr))
    if ours == [lr] or theirs == [hr]:
        if ours == [lr] and theirs == [hr]:
            return [Pair(own_name(lr), lr, hr)]
        raise SatsrError(f"{lr} and {hr} do not hold the same: one is a single image or clip, the other has several.")
    return matched(named(ours, lr), named(theirs, hr), lr, hr)


def _members(path: Path, clips: bool) -> list[Path]:
    """The images, videos or folders of frames in a folder; the folder itself where it is a clip."""
    if path.is_file():
        return [path]
    shown = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=lambda p: natural(p.name))
    images = [p for p in shown if p.is_file() and p.suffix.lower() in IMAGES]
    if images:
        return [path] if clips else images
    found = [p for p in shown if p.is_dir() or p.suffix.lower() in VIDEOS]
    if not found:
        raise SatsrError(f"{path} holds neither images ({', '.join(IMAGES)}) nor videos nor folders of frames.")
    return found


def named(members: Sequence[Path], folder: Path, common: Callable[[Path], str] | None = None) -> dict[str, Path]:
    """Members of a folder by what their names have in common with their partners'.

    Args:
        members: files or folders.
        folder: that they lie in.
        common: gives that of a member; by default :func:`key`.

    Raises:
        SatsrError: whole names do not tell them apart.
    """
    found = {(common or key)(path): path for path in members}
    if len(found) < len(members):  # the words that were taken off told them apart
        found = {_called(path): path for path in members}
    if len(found) < len(members):
        raise SatsrError(f"{folder} holds images whose names differ in their suffix only: rename or move them.")
    return found


def key(path: Path) -> str:
    """A member's name without what it says of the resolution."""
    return ROLE.sub("", _called(path)).lower() or _called(path)


def matched(ours: dict[str, Path], theirs: dict[str, Path], lr: Path, hr: Path) -> list[Pair]:
    """The members of two folders that have the same key.

    Raises:
        SatsrError: some have no partner (all are listed).
    """
    problems = [f"{path} has no partner in {hr}" for name, path in ours.items() if name not in theirs]
    problems += [f"{path} has no partner in {lr}" for name, path in theirs.items() if name not in ours]
    if problems:
        advice = "partners have one name, apart from words such as lr, hr and x4."
        raise SatsrError(f"{listed('images without a partner', problems, limit=10)}\n{advice}")
    return [Pair(_called(path), path, theirs[name]) for name, path in ours.items()]


def _called(path: Path) -> str:
    return path.stem if path.is_file() else path.name
