"""Image sequences: folders of images, video files and TIFFs of several pages, one frame at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from satsr.errors import SatsrError
from satsr.files import natural
from satsr.imagery import geotiff, sentinel2, video_file
from satsr.imagery.gdal import opened
from satsr.imagery.images import PICTURES, read_image
from satsr.imagery.raster import Raster, Strip
from satsr.upscale.results import names, own
from satsr.upscale.results.encode import CODECS

TIFFS = (".tif", ".tiff")
IMAGES = (*PICTURES, *TIFFS)
VIDEOS = tuple(dict.fromkeys((*video_file.SUFFIXES, *CODECS)))


@dataclass
class Clip:
    """A sequence of frames that are loaded as they are asked for, best in order.

    Attributes:
        names: of the frames, without suffix.
        files: what the content is hashed from.
        load: gives frame i as (C, H, W) native values with what is missing.
        scenes: where the frames are GeoTIFFs, a scene (not opened) for each.
        per_second: frame rate, where it is known.
        tags: what made it, where that is known.
    """

    names: Sequence[str]
    files: Sequence[Path]
    load: Callable[[int], Strip]
    scenes: Sequence[Raster] = ()
    per_second: float | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


def is_sequence(path: Path) -> bool:
    """Whether ``path`` is a folder of images, a video, or a TIFF of several pages."""
    if path.is_dir():
        return any(file.suffix.lower() in (*PICTURES, *TIFFS) for file in path.iterdir())
    suffix = path.suffix.lower()
    return suffix in VIDEOS or (suffix in TIFFS and len(pages(path)) > 1)


def is_one_file(path: Path) -> bool:
    """Whether a result of ``path`` has its name: a file, or the folder of a product."""
    return path.is_file() or sentinel2.is_product(path)


def open_clip(path: Path | Sequence[Path], wanted: Sequence[str], count: int, given: Sequence[str] = ()) -> Clip:
    """The frames at ``path``.

    Args:
        path: a folder of images (in the natural order of their names), one image, a video file, or a TIFF; or several
            images, in this order.
        wanted: names of the model's bands.
        count: of the model's bands.
        given: the user's choice of bands.

    Raises:
        SatsrError: there are no frames, frames of different kinds, or their bands do not fit the model.
    """
    if not isinstance(path, Path):
        if len(path) > 1:
            return _images_of(path, f"{path[0]} and {len(path) - 1} more", wanted, count, given)
        path = path[0]
    if path.suffix.lower() in VIDEOS and not path.is_dir():
        return _video(path, count)
    if path.suffix.lower() in TIFFS and not path.is_dir():
        return _rasters([str(page) for page in pages(path)] or [str(path)], [path], wanted, count, given)
    files = [path] if path.is_file() else sorted(_images(path), key=lambda file: natural(file.name))
    return _images_of(files, str(path), wanted, count, given)


def _images_of(files: Sequence[Path], label: str, wanted: Sequence[str], count: int, given: Sequence[str]) -> Clip:
    """Frames that are a file each."""
    suffixes = {file.suffix.lower() for file in files}
    if not files or (suffixes & set(TIFFS) and suffixes & set(PICTURES)):
        raise SatsrError(
            f"{label} must hold images of one kind ({', '.join((*PICTURES, *TIFFS))}), found {len(files)} of "
            f"{', '.join(sorted(suffixes)) or 'none'}."
        )
    twins = names.twins({file: file.stem for file in files})
    if twins:
        raise SatsrError(f"{twins} are frames of one name, which their results would have too: rename one of them.")
    if suffixes & set(TIFFS):
        return _rasters([str(file) for file in files], files, wanted, count, given)
    tags = own.read_manifest(files[0].parent)
    return Clip([file.stem for file in files], files, lambda index: _picture(files[index], count), tags=tags)


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SatsrError(f"{folder} does not exist: name a folder of frames, a video file or a TIFF.")
    return [file for file in folder.iterdir() if file.suffix.lower() in IMAGES and not file.name.startswith(".")]


def _picture(file: Path, count: int) -> Strip:
    image = read_image(file)
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[2] != count:
        raise SatsrError(
            f"{file} has {image.shape[2]} channels, but the model takes {count}: convert the frames first."
        )
    return Strip(np.moveaxis(image, -1, 0))


def _video(path: Path, count: int) -> Clip:
    frames = video_file.loaders(path)
    if count != 3:
        raise SatsrError(f"{path} is an RGB video, but the model takes {count} band(s): extract the frames first.")
    capture = cv2.VideoCapture(str(path))
    per_second = float(capture.get(cv2.CAP_PROP_FPS)) or None
    capture.release()
    position = 0

    def load(index: int) -> Strip:
        nonlocal position
        while position < index:  # the decoder would keep what it passes
            frames[position]()
            position += 1
        position = index + 1
        return Strip(np.moveaxis(frames[index](), -1, 0))

    digits = max(len(str(len(frames) - 1)), 8)
    return Clip([f"{index:0{digits}d}" for index in range(len(frames))], [path], load, per_second=per_second)


def _rasters(
    paths: Sequence[str], files: Sequence[Path], wanted: Sequence[str], count: int, given: Sequence[str]
) -> Clip:
    scenes = [geotiff.raster(path, wanted, count, given=given) for path in paths]

    def load(index: int) -> Strip:
        with scenes[index] as scene:
            return scene.read(0, scene.height)

    called = [file.stem for file in files]
    if len(paths) > len(files):
        called = [f"{files[0].stem}_{index:08d}" for index in range(len(paths))]
    return Clip(called, files, load, scenes, tags=dict(scenes[0].tags))


def pages(path: Path) -> list[str]:
    """What GDAL opens the pages of a TIFF by; none where it has one."""
    with opened(path) as dataset:
        return [name for name in dataset.subdatasets if name.startswith("GTIFF_DIR:")]
