"""Proba-V's image sets: several views of one place, with quality maps, made into one image each."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.files import disk_errors, files_below
from satsr.imagery.images import read_image, write_png
from satsr.imagery.imageset import VIEW, paired
from satsr.imagery.raster import Strip
from satsr.kinds.imageset.views import SELECTION_SEED, mean_of_clearest, select_by_coverage
from satsr.progress import track
from satsr.upscale import preview
from satsr.upscale.appraisal import checks, consistency, depth
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.provenance import provenance
from satsr.upscale.results import frames, own
from satsr.upscale.results.names import own_name
from satsr.upscale.results.partial import unfinished


def upscale_imagesets(
    model: Model,
    source: Path,
    output: Path,
    options: Options | None = None,
    say: Say = silent,
    folder: bool | None = None,
) -> list[Path]:
    """Makes one PNG of each of Proba-V's image sets.

    Args:
        model: of the kind ``imageset``.
        source: a folder with LR000.png and QM000.png and so on, or a folder of such folders. With the finer grid's
            SM.png beside them the views are chosen by coverage, as QA-Net does, else the clearest are.
        output: a PNG for one set, else a folder.
        options: what the user chose (``force`` and ``overwrite`` count here).
        say: takes lines for the user.
        folder: whether ``output`` is a folder; by default if it is one already or has no suffix.

    Returns:
        The files that were written.

    Raises:
        SatsrError: there are no image sets, views and masks do not pair up, or their values look wrong.
    """
    options = options or Options()
    folders = sorted({file.parent for file in files_below(source) if VIEW.fullmatch(file.name)})
    whole = frames.is_folder(output) if folder is None else folder
    if not folders or (len(folders) > 1 and not whole):
        wish = "name a folder for the results" if folders else "name a folder with LR000.png and QM000.png"
        raise SatsrError(f"{source} holds {len(folders)} image sets: {wish}.")
    own.require_apart([source], output)
    if not whole and output.suffix.lower() != ".png":
        raise SatsrError(f"image sets become PNGs of 16 bits, not {output.suffix}: name a .png or a folder.")
    files = [file for folder in folders for file in sorted(folder.glob("[LQ][RM]*.png"))]
    tags = provenance(model, files, options.constraint)
    beside = preview.names(output, whole) if options.preview else []
    with (
        disk_errors(f"writing {output}"),
        unfinished(output, tags, options.overwrite, folder=whole, beside=beside) as partial,
    ):
        if whole and output.suffix:
            output.mkdir(exist_ok=True)  # so that it is known as a folder, whatever its name
        made = partial.folder / "frames"
        made.mkdir(exist_ok=True)
        names = ["_".join(folder.relative_to(source).parts) or own_name(folder) for folder in folders]
        for place, name in track(list(zip(folders, names, strict=True)), "upscale", len(folders)):
            if not frames.finished(made, name):
                write_png(made / f"{name}.png", _imageset(model, place, options, say))
        found, where = _consistency(model, list(zip(folders, names, strict=True)), made)
        say(consistency.sentence(found, "none", where))
        partial.require_steady(files)
        tags |= consistency.tags(found)
        if options.preview:
            views, quality = read_views(folders[0])
            clearest = quality.astype(bool).mean(axis=(1, 2)).argmax()
            first = read_image(made / f"{names[0]}.png")
            preview.of_views(views[clearest], first, output, tags, partial.placing)
        frames.collect(partial, names, output, tags)
    return [output, *beside]


def _consistency(model: Model, sets: Sequence[tuple[Path, str]], made: Path) -> tuple[dict[str, float], str]:
    """Of the first, the middle and the last set, against the mean of the clearest views where these are clear."""
    places = sorted({0, len(sets) // 2, len(sets) - 1})
    pairs = []
    for folder, name in (sets[place] for place in places):
        mean, clear = mean_of_clearest(*read_views(folder))
        small = consistency.small_again(model, read_image(made / f"{name}.png")[None])
        pairs.append((small, Strip(mean[None], clear[None])))
    return consistency.measured(pairs), f"{len(places)} sampled image set{'s' if len(places) > 1 else ''}"


def _imageset(model: Model, folder: Path, options: Options, say: Say) -> np.ndarray:
    """(3H, 3W) in the native type."""
    views, quality = read_views(folder)
    clear = np.where(quality != 0, views, np.nan)
    found = checks.problems(model.facts, clear.reshape(1, -1), native=views.dtype)
    found += [] if found else depth.compare(model, list(clear[:, None]), say)
    checks.settle(found, options.force, say)
    finer = folder / "SM.png"
    if model.views and finer.is_file():  # the same views as in the evaluation
        index = zlib.crc32(folder.name.encode())
        chosen = select_by_coverage(quality, read_image(finer), views=model.views, seed=SELECTION_SEED, index=index)
        views, quality = views[chosen], quality[chosen]
    return np.asarray(model(views, quality=quality))


def read_views(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Views and quality maps of an image set, (T, H, W) each, non-zero where clear.

    Raises:
        SatsrError: views have no map, or images differ in size or are no gray ones.
    """
    numbers, bare, _ = paired(file.name for file in folder.iterdir())
    if bare:
        missing = ", ".join(str(folder / f"QM{number}.png") for number in bare)
        raise SatsrError(f"views in {folder} have no quality map: {missing}.")
    images = [tuple(read_image(folder / f"{kind}{number}.png") for kind in ("LR", "QM")) for number in numbers]
    shapes = {array.shape for pair in images for array in pair}
    if len(shapes) > 1 or len(next(iter(shapes))) != 2:
        raise SatsrError(f"the views and masks in {folder} must be gray and of one size, found {sorted(shapes)}.")
    views, quality = (np.stack(list(arrays)) for arrays in zip(*images, strict=True))
    return views, quality
