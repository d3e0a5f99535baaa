"""Several scenes of different places and sizes, each a result of its own in one folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.files import natural
from satsr.imagery import sentinel2
from satsr.imagery.gdal import opened
from satsr.stac import item
from satsr.upscale import scene
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.provenance import chosen, provenance
from satsr.upscale.results import names, own

RASTERS = (".tif", ".tiff", ".jp2")
DECIDES = ("SATSR_MODEL_SHA256", "SATSR_INPUT_SHA256", "SATSR_CONSTRAINT", "SATSR_OPTIONS")
"""Tags by which a result is known to be that of the same command."""


def scenes(sources: Sequence[Path]) -> list[Path]:
    """The scenes among what was named: rasters and products themselves, and those in folders that hold nothing else.

    Returns:
        None of them if something is no scene: pictures, videos, folders of other things.
    """
    found: list[Path] = []
    for source in sources:
        if sentinel2.is_product(source) or item.is_item(source) or _is_raster(source):
            found.append(source)
        elif source.is_dir():
            inner = sorted((path for path in source.iterdir() if _shown(path)), key=lambda path: natural(path.name))
            kept = [path for path in inner if path.suffix.lower() in RASTERS or sentinel2.is_product(path)]
            others = [path for path in inner if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
            if not kept or others:
                return []
            found += kept
        else:
            return []
    return found


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
        The files that were written or were there.

    Raises:
        SatsrError: two scenes have one name, a result would take the place of another file, or scenes were refused
            (all others are written before that is said).
    """
    options = options or Options()
    targets = {source: names.inside(folder, source, model.scale, ".tif") for source in sources}
    if len(set(targets.values())) < len(targets):
        raise SatsrError(f"scenes in different folders have one name, so their results in {folder} would too: rename.")
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


def _one(model: Model, source: Path, target: Path, options: Options, say: Say) -> list[Path]:
    if target.is_file() and not options.overwrite and _same(model, source, target, options):
        say(f"{target} is there already, of the same model, input and options")
        return [target]
    return scene.upscale(model, source, target, replace(options), say)


def _same(model: Model, source: Path, target: Path, options: Options) -> bool:
    """Whether a result is what the same command gave."""
    files = scene.find(model, source, options).files
    wanted = provenance(model, files, options.constraint) | chosen(options)
    with opened(target) as raster:
        found = raster.tags()
    return all(found.get(key) == wanted.get(key) for key in DECIDES)


def _is_raster(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in RASTERS


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")
