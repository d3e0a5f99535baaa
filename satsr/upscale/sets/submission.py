"""The Proba-V challenge's submission: a zip with one 16-bit PNG for each of the 290 test sets."""

import re
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from satsr.errors import SatsrError, listed
from satsr.exported.model import Model
from satsr.files import disk_errors, files_below, replacing
from satsr.imagery.images import encode_png, read_image
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.results import own

NAMES = tuple(f"imgset{number}" for number in range(1160, 1450))
"""The test sets: 146 of RED (1160 to 1305), 144 of NIR."""
SIDE, SCALE = 384, 3
HIGHEST = 16383
"""The largest digital number of 14 bits."""
NAME = re.compile(r"(?:^|_)(imgset\d{4})$")


def make_submission(
    model: Model, data: Path, path: Path, *, names: Sequence[str] = NAMES, force: bool = False, say: Say = silent
) -> None:
    """Super-resolves the test sets of the challenge and packs them into the zip that it takes.

    Args:
        model: of the kind ``imageset``, x3.
        data: the challenge's folder, or any that holds the test sets; other image sets in it are left alone.
        path: of the zip.
        names: the test sets.
        force: go on where values look wrong.
        say: takes lines for the user.

    Raises:
        SatsrError: the zip exists, the model is of another kind, test sets are missing or doubled, or an image is not
            as the challenge wants it.
    """
    from satsr.upscale.options import Options
    from satsr.upscale.sets.imagesets import upscale_imagesets  # imports torch, which packing does not need

    if model.kind != "imageset" or model.scale != SCALE:
        raise SatsrError(
            f"{model.name} is of the kind {model.kind}, x{model.scale}: a submission needs a model of image sets x"
            f"{SCALE}, for instance qanet@champion."
        )
    own.require_folder(path.parent)
    _require_free(path)
    folders = _test_sets(data, names)
    with disk_errors(f"writing {path}"), tempfile.TemporaryDirectory(prefix="satsr-submission-") as scratch:
        sets, made = Path(scratch) / "sets", Path(scratch) / "made"
        sets.mkdir()
        for name, folder in folders.items():
            (sets / name).symlink_to(folder.resolve(), target_is_directory=True)
        upscale_imagesets(model, sets, made, Options(force=force), say)
        write_submission(made, path, names)


def write_submission(folder: Path, path: Path, names: Sequence[str] = NAMES) -> None:
    """Packs the images below ``folder`` into the zip that the challenge takes.

    Everything is checked before the zip takes its place: the names, each once; gray, 16 bits, 384 x 384; digital
    numbers as they are in the data, neither stretched to 16 bits nor reduced to 8. The same images give the same bytes.

    Args:
        folder: with ``imgset1160.png`` and so on, in one folder or several; what goes before the name and an underscore
            does not matter, so the results of ``satsr upscale`` (``test_RED_imgset1160.png``) are fine.
        path: of the zip.
        names: the test sets.

    Raises:
        SatsrError: images are missing, unknown, doubled or not as the challenge wants them (all are listed), or
            something is at ``path``.
    """
    own.require_folder(path.parent)
    files = _named(folder, names)
    problems = []
    with disk_errors(f"writing {path}"), replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in names:
                image = read_image(files[name])
                problem = _problem(image)
                if problem:
                    problems.append(f"{files[name]} {problem}")
                    continue
                # A date of its own would make every zip different; PNGs do not get smaller.
                archive.writestr(zipfile.ZipInfo(f"{name}.png"), encode_png(image))
        if problems:
            raise SatsrError(listed("the challenge would not take these images", problems))
        _require_free(path)  # hours after the first time


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise SatsrError(f"{path} exists, and a submission replaces nothing: choose another name, or remove it.")


def _test_sets(data: Path, names: Sequence[str]) -> dict[str, Path]:
    """The folder of each test set.

    Raises:
        SatsrError: not exactly one for each.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in sorted({file.parent for file in files_below(data) if file.name.startswith("LR")}):
        found[folder.name].append(folder)
    problems = [f"{name} is missing" for name in names if name not in found]
    problems += [f"{name} is there {len(found[name])} times" for name in names if len(found[name]) > 1]
    if problems:
        advice = "name the folder of the challenge's data (data/catalog/proba-v.yaml says where they are)."
        claim = f"{len(names)} test sets of Proba-V are wanted; problems in {data}"
        raise SatsrError(f"{listed(claim, problems, limit=10)}\n{advice}")
    return {name: found[name][0] for name in names}


def _named(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The file of each test set.

    Raises:
        SatsrError: not exactly one for each.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.rglob("*.png")):
        match = NAME.search(file.stem)
        found[match[1] if match else file.name].append(file)
    problems = [f"{name}.png is missing" for name in names if name not in found]
    problems += [f"{files[0]} is no test set" for name, files in found.items() if name not in names]
    problems += [f"{name} is there {len(files)} times" for name, files in found.items() if len(files) > 1]
    if problems:
        raise SatsrError(listed(f"{folder} does not hold the {len(names)} test sets of Proba-V", problems))
    return {name: files[0] for name, files in found.items()}


def _problem(image: np.ndarray) -> str | None:
    if image.dtype != np.uint16 or image.shape != (SIDE, SIDE):
        return f"is {image.dtype} {image.shape}, not gray, 16 bits and {SIDE} x {SIDE}"
    middle = float(np.median(image))
    if middle > HIGHEST:
        return f"has a median of {middle:.0f}, beyond the data's 14 bits: do not stretch the values"
    if image.max() <= np.iinfo(np.uint8).max:
        return f"has no value above {image.max()}: do not reduce the values to 8 bits"
    return None
