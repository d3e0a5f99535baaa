"""What is written beside a scene's result, and which of it is there already, of the same command."""

from collections.abc import Mapping
from pathlib import Path

from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.imagery.gdal import opened
from satsr.upscale import preview
from satsr.upscale.appraisal import depth
from satsr.upscale.options import Options
from satsr.upscale.results import own, style

DECIDES = (*own.HASHES, "SATSR_CONSTRAINT", "SATSR_OPTIONS")
"""Tags by which a result is known to be that of the same command."""


def maps(model: Model, output: Path, options: Options) -> dict[str, Path]:
    """The maps that are asked for, by what they show; the depth's where the model knows how it was trained."""
    known = options.depth_map and depth.known(model.facts, model.bands) is not None
    wanted = {"spread": options.spread, "consistency": options.consistency, "depth": known}
    return {name: output.with_name(f"{output.stem}_{name}.tif") for name, asked in wanted.items() if asked}


def files(model: Model, output: Path, options: Options) -> list[Path]:
    """All that is written beside a result: its style, the maps, the picture and the page of a preview."""
    return [
        style.beside(output),
        *maps(model, output, options).values(),
        *(preview.names(output) if options.preview else ()),
    ]


def same(path: Path, tags: Mapping[str, str]) -> bool:
    """Whether a file is there and says that the command of these tags made it; a page says its model and input only."""
    if path.suffix.lower() not in (".tif", ".tiff", ".png"):
        return own.says(path, [tags[name] for name in own.HASHES])
    if not path.is_file():
        return False
    try:
        with opened(path) as raster:
            found = raster.tags()
    except SatsrError:
        return False
    return all(found.get(key) == tags.get(key) for key in DECIDES)
