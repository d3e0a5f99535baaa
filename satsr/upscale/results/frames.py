"""Frames as a result: a folder of images, a video, a TIFF of several pages, or one image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp

from satsr.errors import SatsrError
from satsr.files import replacing
from satsr.imagery.gdal import opened
from satsr.imagery.images import write_png
from satsr.imagery.raster import Raster, finer
from satsr.upscale.results import encode, own
from satsr.upscale.results.clips import TIFFS, Clip, pages
from satsr.upscale.results.encode import CODECS
from satsr.upscale.results.partial import Partial
from satsr.upscale.results.profile import TiffProfile, create, require_whole

FRAMES_PER_SECOND = 25.0


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


def require_kind(
    output: Path, clip: Clip, shape: tuple[int, int, int], dtype: Any, video: Video | None = None, folder: bool = False
) -> None:
    """Refuses a kind of result that cannot hold these frames, before any work.

    Args:
        output: the result.
        clip: the frames that are enlarged.
        shape: bands, height and width of an enlarged one.
        dtype: of its values.
        video: how a video would be written.
        folder: whether the result is a folder, whatever its name.

    Raises:
        SatsrError: it cannot.
    """
    bands = shape[0]
    suffix = "" if folder or is_folder(output) else output.suffix.lower()
    known = ("", *CODECS, *TIFFS, ".png")
    if suffix not in known:
        raise SatsrError(
            f"frames cannot be written to {output}: name a folder, a video ({', '.join(CODECS)}) or a .tif of several "
            "pages."
        )
    if suffix in CODECS and (np.dtype(dtype) != np.uint8 or bands != 3 or clip.scenes):
        raise SatsrError(f"a video holds 8-bit RGB, but these frames are {dtype} with {bands} bands: name a folder.")
    if suffix in CODECS:
        video = video or Video()
        encode.require(output, (shape[1], shape[2]), video.lossless, video.per_second)
    if suffix == ".png" and (len(clip) > 1 or clip.scenes):
        raise SatsrError(
            f"{output} is one PNG, but there are {len(clip)} frames, or GeoTIFFs: name a folder or a .tif."
        )
    if not clip.scenes and (np.dtype(dtype) not in (np.uint8, np.uint16) or bands not in (1, 3)):
        raise SatsrError(f"a PNG holds 8 or 16 bits and 1 or 3 bands, but these frames are {dtype} with {bands} bands.")


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
    for name in pages(target) or [str(target)]:
        require_whole(target, name)
