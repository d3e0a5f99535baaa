"""Which of the layouts a folder, or a file, looks like."""

from pathlib import Path

from satsr.convert.ground.sources import below, is_image, is_scene
from satsr.convert.layouts.probav import IMGSET
from satsr.convert.layouts.source import TARGETS
from satsr.errors import SatsrError
from satsr.files import files_below
from satsr.imagery import images, sentinel2, video_file
from satsr.imagery.dates import date_in
from satsr.imagery.images import SUFFIXES, read_bytes, read_header

TABLES = {"breizhsr": "dataset_train", "pairs": "dataset_stratified"}


def guess(root: Path) -> str:
    """The layout that the files in ``root`` look like.

    Raises:
        SatsrError: the folder does not exist.
    """
    if not root.exists():
        raise SatsrError(f"the data {root} do not exist: name a folder of frames or a video file.")
    folders = {file.parent for file in files_below(root)}
    if any((folder / "meta_info.txt").is_file() and (folder / "data.mdb").is_file() for folder in folders):
        return "basicsr_lmdb"
    imagery = _imagery(root)
    if imagery is not None and not (imagery == "sentinel2" and _is_clip(root)):
        return imagery
    names = {part.lower() for folder in folders for part in folder.relative_to(root).parts}
    return "gt_lr" if names & set(TARGETS) else "frames"


def _imagery(root: Path) -> str | None:
    """The layout ``breizhsr``, ``pairs``, ``probav``, ``series`` or ``sentinel2``, or None for anything else.

    A folder of TIFF files or products in a scene's ``lr`` and ``hr`` with dates in their names is a series; a product,
    and TIFF files, products and NumPy archives that lie in ``root`` itself, are single scenes.
    """
    if root.is_file() or sentinel2.is_product(root):
        return "sentinel2" if is_scene(root) or sentinel2.is_product(root) else None
    files = below(root)
    for layout, stem in TABLES.items():
        if any(file.stem == stem and file.suffix in (".pkl", ".json") for file in files):
            return layout
    if any(IMGSET.fullmatch(file.parent.name) for file in files):
        return "probav"
    dated = {
        file.parent for file in files if file.parent.name in ("lr", "hr") and date_in(file.name) and is_image(file)
    }
    if any(folder.parent / "hr" in dated for folder in dated if folder.name == "lr"):
        return "series"
    singles = [file for file in files if is_scene(file)]
    return "sentinel2" if singles and all(file.parent == root for file in singles) and not _frames(files) else None


def _frames(files: list[Path]) -> bool:
    suffixes = {file.suffix.lower() for file in files}
    return bool(suffixes & {*images.PICTURES, *video_file.SUFFIXES})


def _is_clip(root: Path) -> bool:
    """Whether several 8-bit RGB images lie in a folder: frames of a video, even as TIFF."""
    images = [file for file in root.iterdir() if file.suffix.lower() in SUFFIXES] if root.is_dir() else []
    try:
        header = read_header(read_bytes(min(images)), str(root)) if len(images) > 1 else None
    except SatsrError:
        return False
    return header is not None and (header.colour, header.bits) == ("RGB", 8)
