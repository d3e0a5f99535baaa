"""Image sequences in and out: folders of images, video files and TIFFs of several pages, one frame at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rasterio.enums import ColorInterp

from satsr.errors import SatsrError
from satsr.files import natural, replacing
from satsr.imagery import geotiff, video_file
from satsr.imagery.gdal import opened
from satsr.imagery.images import PICTURES, read_image, write_png
from satsr.imagery.raster import Raster, Strip, finer
from satsr.upscale.results import encode, own
from satsr.upscale.results.encode import CODECS
from satsr.upscale.results.partial import Partial
from satsr.upscale.results.profile import TiffProfile, create, require_whole

TIFFS = (".tif", ".tiff")
IMAGES = (*PICTURES, *TIFFS)
VIDEOS = tuple(dict.fromkeys((*video_file.SUFFIXES, *CODECS)))
FRAMES_PER_SECOND = 25.0
MADE = own.MADE


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


@dataclass(frozen=True)
class Video:
    """How frames become a video.

    Attributes:
        per_second: frame rate.
        lossless: whether nothing may be lost.
        say: takes a line on what is.
    """

    per_second: float = FRAMES_PER_SECOND
    lossless: bool = False
    say: Callable[[str], None] = lambda line: None


def is_sequence(path: Path) -> bool:
    """Whether ``path`` is a folder of images, a video, or a TIFF of several pages."""
    if path.is_dir():
        return any(file.suffix.lower() in (*PICTURES, *TIFFS) for file in path.iterdir())
    suffix = path.suffix.lower()
    return suffix in VIDEOS or (suffix in TIFFS and len(_pages(path)) > 1)


def is_one_file(path: Path) -> bool:
    """Whether a result of ``path`` has its name: a file, or the folder of a product."""
    return path.is_file() or path.suffix.upper() == ".SAFE"


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
        return _rasters([str(page) for page in _pages(path)] or [str(path)], [path], wanted, count, given)
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
    if suffixes & set(TIFFS):
        return _rasters([str(file) for file in files], files, wanted, count, given)
    if len({file.stem for file in files}) < len(files):
        raise SatsrError(f"{label} has frames of one name, which their results would have too: rename them.")
    tags = own.read_manifest(files[0].parent)
    return Clip([file.stem for file in files], files, lambda index: _picture(files[index], count), tags=tags)


def write_frame(path: Path, values: np.ndarray, scene: Raster | None, scale: int, nodata: float | None = None) -> None:
    """Writes one frame, atomically: a GeoTIFF if it came from one or holds floats, else a PNG.

    Args:
        path: without suffix.
        values: (C, H, W) native, nodata in place.
        scene: the frame's source, opened, if it is a GeoTIFF.
        scale: SR px per LR px.
        nodata: what stands for "missing" in it.
    """
    if scene is None and values.dtype.kind != "f":
        write_png(path.with_name(f"{path.name}.png"), np.moveaxis(values, 0, -1).squeeze())
        return
    profile = TiffProfile(values.shape[1], values.shape[2], len(values), values.dtype, nodata=nodata)
    if scene is not None:
        profile = replace(
            profile,
            crs=scene.crs,
            transform=finer(scene.transform, scale),
            names=[layer.name for layer in scene.layers],
            colours=[layer.colour for layer in scene.layers],
        )
    with replacing(path.with_name(f"{path.name}.tif")) as temporary:
        create(temporary, profile, values, compress="deflate")
        require_whole(temporary)


def finished(folder: Path, name: str) -> Path | None:
    """The file of a frame that is there already."""
    return next((file for suffix in (".png", ".tif") if (file := folder / f"{name}{suffix}").is_file()), None)


def is_folder(output: Path) -> bool:
    """Whether the result of that name is a folder: it is one already, or has no suffix."""
    return output.is_dir() or not output.suffix


def collect(
    partial: Partial,
    names: Sequence[str],
    output: Path,
    tags: dict[str, str],
    video: Video | None = None,
) -> None:
    """Finished frames become the result: a folder, a video, a TIFF of several pages, or one image.

    Args:
        partial: in whose folder ``frames`` they lie.
        names: of the frames, without suffix.
        output: the result.
        tags: what made it.
        video: how a video is written.

    Raises:
        SatsrError: the frames do not fit that kind of result, or something that satsr did not write is in its place.
    """
    folder, whole = partial.folder / "frames", is_folder(output)
    files = [file for name in names if (file := finished(folder, name))]
    suffix = output.suffix.lower()
    partial.require_free(output, whole)  # hours after the first time
    with replacing(output) as temporary:
        if whole:
            own.write_manifest(folder, tags)
            folder.rename(temporary)
        elif suffix in CODECS:
            video = video or Video()
            video.say(encode.encode(files, temporary, video.per_second, tags, video.lossless))
        elif suffix in TIFFS:
            _bind(files, temporary, tags)
        else:
            temporary.write_bytes(own.tagged(files[0].read_bytes(), tags))
        if not whole:
            partial.require_free(output)


def require_kind(output: Path, clip: Clip, shape: tuple[int, int, int], dtype: Any, lossless: bool = False) -> None:
    """Refuses a kind of result that cannot hold these frames, before any work.

    Args:
        output: the result.
        clip: the frames that are enlarged.
        shape: bands, height and width of an enlarged one.
        dtype: of its values.
        lossless: whether a video may lose nothing.

    Raises:
        SatsrError: it cannot.
    """
    bands = shape[0]
    suffix = "" if is_folder(output) else output.suffix.lower()
    known = ("", *CODECS, *TIFFS, ".png")
    if suffix not in known:
        raise SatsrError(
            f"frames cannot be written to {output}: name a folder, a video ({', '.join(CODECS)}) or a .tif of several "
            "pages."
        )
    if suffix in CODECS and (np.dtype(dtype) != np.uint8 or bands != 3 or clip.scenes):
        raise SatsrError(f"a video holds 8-bit RGB, but these frames are {dtype} with {bands} bands: name a folder.")
    if suffix in CODECS:
        encode.require(output, (shape[1], shape[2]), lossless)
    if suffix == ".png" and (len(clip) > 1 or clip.scenes):
        raise SatsrError(
            f"{output} is one PNG, but there are {len(clip)} frames, or GeoTIFFs: name a folder or a .tif."
        )
    if not clip.scenes and (np.dtype(dtype) not in (np.uint8, np.uint16) or bands not in (1, 3)):
        raise SatsrError(f"a PNG holds 8 or 16 bits and 1 or 3 bands, but these frames are {dtype} with {bands} bands.")


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SatsrError(f"{folder} does not exist: name a folder of frames, a video file or a TIFF.")
    found = [file for file in folder.iterdir() if file.suffix.lower() in (*PICTURES, *TIFFS)]
    stems = {file.stem for file in found}
    if len(stems) < len(found):
        raise SatsrError(f"{folder} holds images whose names differ in their suffix only: rename or move them.")
    return [file for file in found if not file.name.startswith(".")]


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

    names = [file.stem for file in files]
    if len(paths) > len(files):
        names = [f"{files[0].stem}_{index:08d}" for index in range(len(paths))]
    return Clip(names, files, load, scenes, tags=dict(scenes[0].tags))


def _pages(path: Path) -> list[str]:
    with opened(path) as dataset:
        return [name for name in dataset.subdatasets if name.startswith("GTIFF_DIR:")]


def _bind(files: Sequence[Path], target: Path, tags: dict[str, str]) -> None:
    """One TIFF with a page for each frame."""
    for index, file in enumerate(files):
        with opened(file) as source:
            colours = source.colorinterp if source.count > 1 else (ColorInterp.gray,)
            profile = TiffProfile(
                height=source.height,
                width=source.width,
                bands=source.count,
                dtype=np.dtype(source.dtypes[0]),
                crs=source.crs,
                transform=source.transform,
                nodata=source.nodata,
                names=source.descriptions,
                colours=colours,
                tags=tags,
            )
            more = {"append_subdataset": True} if index else {}
            create(target, profile, source.read(), compress="deflate", **more)
    for name in _pages(target) or [str(target)]:
        require_whole(target, name)
