"""Several scenes of different places and sizes, each a result of its own in one folder."""

from collections.abc import Sequence
from pathlib import Path

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.files import natural
from satsr.imagery import sentinel2
from satsr.imagery.images import PICTURES
from satsr.stac import item
from satsr.upscale import beside, scene
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.provenance import chosen, provenance
from satsr.upscale.results import clips, names, own
from satsr.upscale.results.partial import unfinished_at

RASTERS = (".tif", ".tiff", ".jp2")


def scenes(sources: Sequence[Path]) -> list[Path]:
    """The scenes among what was named: rasters and products themselves, and those that lie in a folder.

    Other files of a folder (metadata, overviews, notes) do not count, unless they are images or videos.

    Returns:
        None of them if something is no scene: pictures, videos, folders with pictures or without scenes.

    Raises:
        SatsrError: a folder has scenes and videos.
    """
    found: list[Path] = []
    for source in sources:
        if sentinel2.is_product(source) or item.is_item(source) or _is_raster(source):
            found.append(source)
        elif source.is_dir() and (inner := _inside(source)):
            found += inner
        else:
            return []
    return found


def _inside(folder: Path) -> list[Path]:
    """The scenes in a folder, in natural order; none if pictures are there too."""
    shown = sorted((path for path in folder.iterdir() if _shown(path)), key=lambda path: natural(path.name))
    kept = [path for path in shown if path.suffix.lower() in RASTERS or sentinel2.is_product(path)]
    videos = [path for path in shown if path.suffix.lower() in clips.VIDEOS]
    if kept and videos:
        raise SatsrError(f"{folder} holds scenes and videos, such as {videos[0].name}: name the files that you mean.")
    return [] if any(path.suffix.lower() in PICTURES for path in shown) else kept


def upscale(
    model: Model, sources: Sequence[Path], folder: Path, options: Options | None = None, say: Say = silent
) -> list[Path]:
    """Super-resolves scenes one after the other; what is there already, of the same command, is not made again.

    Args:
        model: of the kind ``image``.
        sources: the scenes.
        folder: that the results are written to, as ``<name>_x4.tif``.
        options: what the user chose, the same for all.
        say: takes lines for the user.

    Returns:
        The files that were written now.

    Raises:
        SatsrError: two scenes have one name, the results would lie among the scenes or take the place of another
            file, or scenes were refused (all others are written before that is said).
    """
    options = options or Options()
    targets = {source: names.inside(folder, source, model.scale, ".tif") for source in sources}
    if twins := names.twins(targets):
        raise SatsrError(f"{twins} have one name, which their results in {folder} would have too: rename one of them.")
    require_other_folder(sources, folder)
    for source, target in targets.items():
        own.require_apart([source], target)
        if target.exists() and own.foreign(target):
            own.require_free(target, options.overwrite)
    made: list[Path] = []
    problems: list[str] = []
    for number, (source, target) in enumerate(targets.items(), 1):
        say(f"{number} of {len(targets)}: {source.name}")
        try:
            made += _one(model, source, target, options, say)
        except SatsrError as error:
            problems.append(f"{source}: {error}")
            say(f"warning: {error}")
    if problems:
        whole = f"{len(targets) - len(problems)} of {len(targets)} scenes are in {folder}; these were refused:"
        raise SatsrError("\n  ".join([whole, *problems]))
    return made


def require_other_folder(sources: Sequence[Path], folder: Path) -> None:
    """Refuses results among their scenes: the next run of the same pattern would take them and their maps for scenes.

    Raises:
        SatsrError: so.
    """
    among = [source for source in sources if source.parent.resolve() == folder.resolve()]
    if among:
        raise SatsrError(
            f"{folder} is the folder that {among[0]} lies in, where results would be scenes to the same command: name "
            f"another one, such as {folder / 'sharp'}/."
        )


def _one(model: Model, source: Path, target: Path, options: Options, say: Say) -> list[Path]:
    """Makes what is not there yet of a scene's result and of what is asked for beside it."""
    if options.overwrite or not target.is_file():
        return scene.upscale(model, source, target, options, say)
    tags = provenance(model, scene.find(model, source, options).files, options.constraint) | chosen(options)
    asked = [target, *beside.files(model, target, options)]
    there = [file for file in asked if beside.same(file, tags)]
    if there == asked and not unfinished_at(target).exists():
        say(f"{target} is there already, of the same model, input and options")
        return []
    made = scene.upscale(model, source, target, options, say, again=target in there)
    return [file for file in made if file not in there]


def _is_raster(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in RASTERS


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")
