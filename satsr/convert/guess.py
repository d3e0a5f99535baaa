"""Which of the layouts of satellite imagery a folder looks like; :mod:`satsr.convert.layouts.frames` knows video."""

from pathlib import Path

from satsr.convert.layouts.frames import files_below
from satsr.convert.layouts.probav import IMGSET
from satsr.convert.layouts.series import date_in
from satsr.imagery.rasters import SUFFIXES

TABLES = {"breizhsr": "dataset_train", "pairs": "dataset_stratified"}
SINGLE = (".tif", ".tiff", ".jp2", ".npz")


def guess_imagery(root: Path) -> str | None:
    """The layout ``breizhsr``, ``pairs``, ``probav``, ``series`` or ``sentinel2``, or None for anything else.

    A folder of TIFF files in a scene's ``lr`` and ``hr`` with dates in their names is a series; TIFF files and NumPy
    archives that lie in ``root`` itself are single scenes.
    """
    if root.is_file():
        return "sentinel2" if root.suffix.lower() in SINGLE else None
    files = files_below(root)
    for layout, stem in TABLES.items():
        if any(file.stem == stem and file.suffix in (".pkl", ".json") for file in files):
            return layout
    if any(IMGSET.fullmatch(file.parent.name) for file in files):
        return "probav"
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    dated = {file.parent for file in images if file.parent.name in ("lr", "hr") and date_in(file.name)}
    if any(folder.parent / "hr" in dated for folder in dated if folder.name == "lr"):
        return "series"
    singles = [file for file in files if file.suffix.lower() in SINGLE]
    return "sentinel2" if singles and all(file.parent == root for file in singles) and not _frames(files) else None


def _frames(files: list[Path]) -> bool:
    return any(
        file.suffix.lower() in (".png", ".jpg", ".jpeg", ".mp4", ".avi", ".mov", ".mkv", ".m4v") for file in files
    )
