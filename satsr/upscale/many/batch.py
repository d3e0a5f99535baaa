"""Several scenes of different places and sizes, each a result of its own in one folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.files import natural
from satsr.imagery import sentinel2
from satsr.imagery.images import PICTURES
from satsr.progress import Bar
from satsr.stac import item, series
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.many.attempt import Done, attempt
from satsr.upscale.options import Options
from satsr.upscale.results import clips, names, own

RASTERS = (".tif", ".tiff", ".jp2")


def scenes(sources: Sequence[Path]) -> list[Path]:
    """The scenes among what was named: rasters, products and STAC items themselves, and those that lie in a folder.

    Files that the items of a folder name are parts of these. Other files of a folder (metadata, overviews, notes) do
    not count, unless they are images or videos.

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
    items = series.inside(folder)
    shown = [path for path in folder.iterdir() if _shown(path) and not items.names(path)]
    shown.sort(key=lambda path: natural(path.name))
    kept = [path for path in shown if _is_scene(path) or path in items.items]
    videos = [path for path in shown if path.suffix.lower() in clips.VIDEOS]
    if kept and videos:
        raise SatsrError(f"{folder} holds scenes and videos, such as {videos[0].name}: name the files that you mean.")
    return [] if any(path.suffix.lower() in PICTURES for path in shown) else kept


def upscale(
    model: Model,
    sources: Sequence[Path],
    folder: Path,
    options: Options | None = None,
    say: Say = silent,
    scheduler: str | None = None,
) -> list[Path]:
    """Super-resolves scenes one after the other; what is there already, of the same command, is not made again.

    Args:
        model: of the kind ``image``.
        sources: the scenes.
        folder: that the results are written to, as ``<name>_x4.tif``.
        options: what the user chose, the same for all.
        say: takes lines for the user.
        scheduler: address of a Dask cluster whose workers make them, one each (:mod:`satsr.upscale.many.cluster`).

    Returns:
        The files that were written now.

    Raises:
        SatsrError: two scenes have one name, the results would lie among the scenes or take the place of another
            file, the cluster is not there, or some were not made (all others are whole before that is said, in a
            table).
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
    problems: dict[Path, str] = {}
    stopped = ""
    with Bar("scenes", len(targets), gathers=True) as bar:
        try:
            for source, done in _outcomes(model, targets, options, _notes_once(say), scheduler):
                made += done.made
                problems |= {source: done.problem} if done.problem else {}
                bar.advance(note=source.name)
        except SatsrError as error:  # the cluster is gone; a scene's own mistakes are in what became of it
            stopped = str(error)
    if bar.done == 0 and stopped:
        raise SatsrError(stopped)
    if problems or stopped:
        raise SatsrError(_summary(folder, problems, bar.done, len(targets), stopped))
    return made


def _summary(folder: Path, problems: Mapping[Path, str], tried: int, count: int, stopped: str) -> str:
    whole = f"{tried - len(problems)} of {count} scenes are in {folder}"
    left = [f"{count - tried} more were not tried: {stopped}"] if stopped else []
    return "\n  ".join([f"{whole}; these are not:" if problems else f"{whole}.", *_table(problems), *left])


def _outcomes(
    model: Model, targets: Mapping[Path, Path], options: Options, say: Say, scheduler: str | None
) -> Iterator[tuple[Path, Done]]:
    """Each scene when it is done, here or by the workers of a cluster."""
    if scheduler is not None:
        from satsr.upscale.many import cluster

        yield from cluster.outcomes(model, targets, options, say, scheduler)
        return
    for number, (source, target) in enumerate(targets.items(), 1):
        say(f"{number} of {len(targets)}: {source.name}")
        yield source, attempt(model, source, target, options, say)


def _notes_once(say: Say) -> Say:
    """Takes lines for the user; what is noted of the model stands there for the first scene alone."""
    said: set[str] = set()

    def once(line: str) -> None:
        if not line.startswith("note:") or line not in said:
            say(line)
        said.add(line)

    return once


def _table(problems: Mapping[Path, str]) -> list[str]:
    """Scenes that were not made and why, a line each."""
    rows = [("scene", "why"), *((str(source), " ".join(why.split())) for source, why in problems.items())]
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {why}" for name, why in rows] if problems else []


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


def _is_scene(path: Path) -> bool:
    return path.suffix.lower() in RASTERS or sentinel2.is_product(path)


def _is_raster(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in RASTERS


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")
