"""Frames of video: a folder a clip, a video file, or published pairs of GT and LR folders."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from satsr.convert.layouts.source import SPLITS, TARGETS, Frame, SceneSource, folder_said, split_of
from satsr.errors import SatsrError, listed
from satsr.files import files_below, natural
from satsr.imagery import video_file
from satsr.imagery.images import SUFFIXES, read_rgb


def frames(root: Path) -> list[SceneSource]:
    """Every folder that holds images is a clip, and so is every video file; ``root`` may be the clip itself.

    If the first level of folders are train, val and test (or eval...), they are the splits. Where none is called train,
    those that hold clips are, and what lies beside them trains.
    """
    if root.is_file():
        return [SceneSource(root.stem, None, {"hr": _video(root)})]
    clips = _clips(root)
    videos = [file for file in files_below(root) if file.suffix.lower() in video_file.SUFFIXES]
    places = {folder: folder.relative_to(root) for folder in clips} | {
        file: file.relative_to(root).with_suffix("") for file in videos
    }
    splits = {SPLITS.get(place.parts[0].lower()) if place.parts else None for place in places.values()}
    named = "train" in splits and None not in splits
    beside = "train" not in splits and None in splits
    found = []
    for path, place in places.items():
        split, parts = None, place.parts
        if named or (beside and len(parts) > 1 and parts[0].lower() in SPLITS):
            split, parts = SPLITS[parts[0].lower()], parts[1:] or parts
        name = PurePosixPath(*parts).as_posix() if parts else root.resolve().name
        source = _video(path) if path in videos else [_frame(file) for file in clips[path]]
        found.append(SceneSource(name, split, {"hr": source}))
    return found


def gt_lr(root: Path, test_folder: str = "test", low: str = "given") -> list[SceneSource]:
    """``[split/]{GT,LR...}/clip/frame``: SAT-MTB-VSR (``LR4xBicubic``), Jilin-189 (``LR4x``, and an unused Bicubic4x).

    The folders called GT (or HR) are looked for at any depth, the low-resolution frames beside them in a folder whose
    name begins with LR (or LQ); without one they are made later. Frames are partners when their paths below these
    folders are equal, up to an ``x4`` at the end of the low-resolution name.

    Args:
        root: the folder.
        test_folder: the folder whose clips test; ``val`` or ``eval`` for data whose published figures are measured on a
            folder of that name.
        low: ``given``, or ``made``: low-resolution folders are not looked at, and the frames are made later, at the
            scale of the configuration instead of the published one.

    Raises:
        SatsrError: frames without a partner, several low-resolution folders (the message lists all), or an unknown
            ``low``.
    """
    if low not in ("given", "made"):
        raise SatsrError(f"the option low of {root} is given or made, found {low!r} in the dataset card.")
    targets = sorted({parent for file in files_below(root) for parent in file.parents if _is_target(parent, root)})
    problems: list[str] = []
    found = []
    for target in targets:
        sources = [
            folder
            for folder in sorted(target.parent.iterdir())
            if low == "given" and folder.is_dir() and folder.name.lower().startswith(("lr", "lq"))
        ]
        if len(sources) > 1:
            problems.append(f"{target.parent} has several: {', '.join(folder.name for folder in sources)}")
            continue
        split = split_of(target.relative_to(root).parts, test_folder)
        others = _clips(sources[0]) if sources else {}
        for folder, files in _clips(target).items():
            place = folder.relative_to(target)
            roles: dict[str, Sequence[Frame]] = {"hr": [_frame(file) for file in files]}
            if sources:
                partners, alone = _paired(files, others.pop(sources[0] / place, []))
                problems += alone
                roles["lr"] = [_frame(file) for file in partners]
            name = target.parent.resolve().name if place == Path() else place.as_posix()
            found.append(SceneSource(name, split, roles, why=folder_said(split, test_folder)))
        problems += [f"{file} has no high-resolution partner" for files in others.values() for file in files]
    if problems:
        raise SatsrError(listed(f"the frames in {root} do not pair up", problems))
    return found


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
