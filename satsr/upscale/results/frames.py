"""Image sequences in and out: folders of images, video files and TIFFs of several pages, one frame at a time."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rasterio.enums import ColorInterp

from satsr.errors import SatsrError
from satsr.files import natural, read_json, replacing
from satsr.imagery import geotiff, video_file
from satsr.imagery.gdal import opened
from satsr.imagery.images import PICTURES, read_image, write_png
from satsr.imagery.raster import Raster, Strip, finer
from satsr.upscale.results.profile import TiffProfile, create, require_whole

TIFFS = (".tif", ".tiff")
CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "FFV1"}  # FFV1 is without loss
FRAMES_PER_SECOND = 25.0
MADE = "satsr.json"


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
    return suffix in (*video_file.SUFFIXES, *CODECS) or (suffix in TIFFS and len(_pages(path)) > 1)


def open_clip(path: Path, wanted: Sequence[str], count: int, given: Sequence[str] = ()) -> Clip:
    """The frames at ``path``.

    Args:
        path: a folder of images (in the natural order of their names), one image, a video file, or a TIFF.
        wanted: names of the model's bands.
        count: of the model's bands.
        given: the user's choice of bands.

    Raises:
        SatsrError: there are no frames, frames of different kinds, or their bands do not fit the model.
    """
    if path.suffix.lower() in (*video_file.SUFFIXES, *CODECS) and not path.is_dir():
        return _video(path, count)
    if path.suffix.lower() in TIFFS and not path.is_dir():
        return _rasters([str(page) for page in _pages(path)] or [str(path)], [path], wanted, count, given)
    files = [path] if path.is_file() else sorted(_images(path), key=lambda file: natural(file.name))
    suffixes = {file.suffix.lower() for file in files}
    if not files or (suffixes & set(TIFFS) and suffixes & set(PICTURES)):
        raise SatsrError(
            f"{path} must hold images of one kind ({', '.join((*PICTURES, *TIFFS))}), found {len(files)} of "
            f"{', '.join(sorted(suffixes)) or 'none'}."
        )
    if suffixes & set(TIFFS):
        return _rasters([str(file) for file in files], files, wanted, count, given)
    made = path / MADE
    tags = {str(key): str(value) for key, value in read_json(made).items()} if made.is_file() else {}
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


def collect(folder: Path, names: Sequence[str], output: Path, per_second: float, tags: dict[str, str]) -> None:
    """Finished frames become the result: a folder, a video, a TIFF of several pages, or one image.

    Raises:
        SatsrError: the frames do not fit that kind of result.
    """
    files = [file for name in names if (file := finished(folder, name))]
    suffix = output.suffix.lower()
    with replacing(output) as temporary:
        if suffix == "":
            (folder / MADE).write_text(json.dumps(tags, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            folder.rename(temporary)
        elif suffix in CODECS:
            _encode(files, temporary, per_second)
        elif suffix in TIFFS:
            _bind(files, temporary, tags)
        else:
            files[0].rename(temporary)


def require_kind(output: Path, clip: Clip, dtype: Any, bands: int) -> None:
    """Refuses a kind of result that cannot hold these frames, before any work.

    Raises:
        SatsrError: it cannot.
    """
    suffix = output.suffix.lower()
    known = ("", *CODECS, *TIFFS, ".png")
    if suffix not in known:
        raise SatsrError(
            f"frames cannot be written to {output}: name a folder, a video ({', '.join(CODECS)}) or a .tif of several "
            "pages."
        )
    if suffix in CODECS and (np.dtype(dtype) != np.uint8 or bands != 3 or clip.scenes):
        raise SatsrError(f"a video holds 8-bit RGB, but these frames are {dtype} with {bands} bands: name a folder.")
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


def _encode(files: Sequence[Path], target: Path, per_second: float) -> None:
    first = read_image(files[0])
    writer = cv2.VideoWriter(
        str(target),
        cv2.VideoWriter.fourcc(*CODECS[target.suffix.lower()]),
        per_second,
        (first.shape[1], first.shape[0]),
    )
    if not writer.isOpened():
        raise SatsrError(f"OpenCV cannot write {target.suffix} here: name another kind of video, or a folder.")
    for file in files:
        writer.write(np.ascontiguousarray(read_image(file)[..., ::-1]))
    writer.release()
    if len(video_file.loaders(target)) < len(files):  # OpenCV says nothing of a full disk
        raise SatsrError(f"{target} is not complete: the disk is probably full; free some space and start again.")


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
