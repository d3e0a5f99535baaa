"""Which fine image belongs to which series or image set: by names of folders, or because it lies with them."""

import re
from pathlib import Path

from satsr.errors import SatsrError, listed
from satsr.files import files_below, natural
from satsr.imagery.dates import DATE
from satsr.imagery.imageset import VIEW
from satsr.trial.pairs import Pair, key, matched, named, pairs
from satsr.upscale.results.names import own_name
from satsr.upscale.scenes.dated import IMAGES, MASK

REFERENCE, STATUS = "HR.png", "SM.png"
"""Of an image set, as the challenge names them."""
WITHIN = "hr"
"""The folder of a series in which its fine image may lie."""
ENDS = re.compile(r"^[-_. ]+|[-_. ]+$")


def find(kind: str, lr: Path, hr: Path | None) -> list[Pair]:
    """The pairs for a model, in natural order.

    Args:
        kind: of the model.
        lr: what it takes, or a folder of that.
        hr: the fine images. For series and image sets None, or ``lr`` again, where they lie with what they belong to.

    Raises:
        SatsrError: one side is missing, or has partners that the other has not.
    """
    absent = next((path for path in (lr, hr) if path is not None and not path.exists()), None)
    if absent is not None:
        raise SatsrError(f"{absent} does not exist: --lr names what the model takes, --hr the fine images.")
    if kind == "imageset":
        return image_sets(lr, hr or lr)
    if kind == "series":
        return series(lr, hr or lr)
    if hr is None:
        raise SatsrError("--hr is missing: name the fine images. Only series and image sets may have theirs with them.")
    return pairs(lr, hr, clips=kind != "image")


def image_sets(lr: Path, hr: Path) -> list[Pair]:
    """Every folder with views below ``lr``, with the folder of the same path below ``hr``.

    Raises:
        SatsrError: there are none, or ``HR.png``, ``SM.png`` or views are missing (all are listed).
    """
    sets = _below(lr, VIEW)
    if not sets:
        raise SatsrError(f"{lr} holds no image sets: name a folder with LR000.png and QM000.png, or a folder of these.")
    found = [Pair("/".join(part.parts) or own_name(lr), lr / part, hr / part) for part in sets]
    files = [pair.hr / name for pair in found for name in (REFERENCE, STATUS)]
    problems = [f"{file} is missing" for file in files if not file.is_file()]
    problems += [f"{hr / part} has no views in {lr}" for part in _below(hr, re.compile(REFERENCE)) if part not in sets]
    if problems:
        advice = f"a set is measured on its {REFERENCE}, where its {STATUS} is not 0; name sets that have both, or the "
        advice += "folder in which both lie below the same names with --hr."
        raise SatsrError(f"{listed('image sets without a partner', problems, limit=10)}\n{advice}")
    return found


def series(lr: Path, hr: Path) -> list[Pair]:
    """A folder of dated images with its fine image, or such folders by their names.

    Raises:
        SatsrError: there are none, fine images are missing, or there are several of one place.
    """
    alone = _is_series(lr)
    places = [lr] if alone else sorted(filter(_is_series, _inside(lr)), key=lambda path: natural(path.name))
    if not places:
        raise SatsrError(f"{lr} holds no dated images: name the folder of a series, or a folder of such folders.")
    if lr.samefile(hr):
        return [Pair(own_name(place), place, _one(place / WITHIN)) for place in places]
    if alone:
        return [Pair(own_name(lr), lr, _one(hr))]
    fine = [path for path in _inside(hr) if path.is_dir() or _is_image(path)]
    found = matched(named(places, lr, _place), named(fine, hr, _place), lr, hr)
    return [Pair(pair.name, pair.lr, _one(pair.hr)) for pair in found]


def _below(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """Folders that hold such a file, as paths from ``folder`` on, in natural order."""
    holders = {file.parent.relative_to(folder) for file in files_below(folder) if name.fullmatch(file.name)}
    return sorted(holders, key=lambda path: natural(str(path)))


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SatsrError(f"{folder} is a file: name the folder of a series, or a folder of such folders.")
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES and not MASK.search(path.stem)


def _is_series(folder: Path) -> bool:
    """Whether images lie in a folder, or in its ``lr``."""
    if not folder.is_dir() or _is_image(folder):
        return False
    return any(map(_is_image, _inside(folder / "lr" if (folder / "lr").is_dir() else folder)))


def _one(path: Path) -> Path:
    """The fine image: a file, or the only image in a folder or in its ``hr``."""
    if not path.exists():
        raise SatsrError(f"{path} does not exist: put the fine image there, or name the fine images with --hr.")
    if path.is_file() or _is_image(path):
        return path
    found = [*filter(_is_image, _inside(path / WITHIN if (path / WITHIN).is_dir() else path))]
    if len(found) != 1:
        kinds = ", ".join(IMAGES)
        raise SatsrError(f"{path} holds {len(found)} images ({kinds}): a series has one fine image, dated in its name.")
    return found[0]


def _place(path: Path) -> str:
    """What the name says without the resolution and the date."""
    return ENDS.sub("", DATE.sub("", key(path))) or key(path)
