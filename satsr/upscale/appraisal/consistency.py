"""Whether a result keeps the radiometry of its input: sampled for every result, and a map where one is asked for.

Convention: :mod:`satsr.metrics.consistency`. The result is made small again by the degradation that the model names,
and compared with the input in the file's own numbers; pixels near missing ones do not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from satsr.exported.model import Model
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Raster, Strip
from satsr.metrics import consistency
from satsr.upscale.results import clips, frames
from satsr.upscale.results.cog import CogWriter
from satsr.upscale.results.profile import TiffProfile

Float32 = npt.NDArray[np.float32]
Pair = tuple[Float32, Strip]
"""A result (or a part) that was made small again, (C, h, w) with NaN where it is missing, and its input."""
STRIP = 64
MARGIN = 4  # LR px; every degradation reaches over two


def small_again(model: Model, fine: np.ndarray) -> Float32:
    """A result (C, sh, sw) made small again, (C, h, w); NaN spreads as far as the degradation reaches."""
    small = model.facts.constraint.small(np.moveaxis(fine, 0, -1).astype(np.float32, copy=False), model.scale)
    return np.asarray(np.moveaxis(small, -1, 0), np.float32)


def difference(small: Float32, low: Strip) -> Float32:
    """Result minus input, (C, h, w); NaN where one of them is missing."""
    found = small - low.values.astype(np.float32)
    if low.valid is not None:
        found[~low.valid] = np.nan
    return found


def measured(pairs: Sequence[Pair], names: Sequence[str | None] = ()) -> dict[str, float]:
    """The metrics of :func:`satsr.metrics.consistency` over all pixels of some parts; empty if none is there."""
    small = np.concatenate([part.reshape(len(part), -1) for part, _ in pairs], axis=1).T[None]
    low = np.concatenate([strip.values.reshape(len(strip.values), -1) for _, strip in pairs], axis=1).T[None]
    gaps = np.concatenate([difference(*pair).reshape(len(pair[0]), -1) for pair in pairs], axis=1).T[None]
    there = np.isfinite(gaps).all(axis=2)
    bands = [name or str(place) for place, name in enumerate(names, 1)]
    given = np.where(there[..., None], low, 0).astype(np.float32)
    return consistency(np.where(there[..., None], small, 0), given, bands, there)


def sentence(scores: dict[str, float], method: str, sampled: str) -> str:
    """One line for the user."""
    if not scores:
        return "no sampled pixel is there in the result and in the input: their consistency cannot be measured"
    biases = [
        f"{value:+.3g} in {name.removeprefix('consistency_bias_')}"
        for name, value in scores.items()
        if name.startswith("consistency_bias_")
    ]
    angle = scores.get("consistency_sam_deg")
    spectra = "" if angle is None else f", their spectra by {angle:.2g} degrees"
    return (
        f"made small again the result differs from the input by {', '.join(biases)} (bias) and "
        f"{scores['consistency_rmse']:.3g} (RMSE), in the input's own numbers{spectra}, on {sampled}; "
        f"constraint: {method}"
    )


def tags(scores: dict[str, float]) -> dict[str, str]:
    """The same for the result's metadata: ``SATSR_CONSISTENCY_BIAS_B04``, ``SATSR_CONSISTENCY_RMSE``..."""
    return {f"SATSR_{name.upper()}": f"{value:.4g}" for name, value in scores.items()}


def of_scene(model: Model, scene: Raster, rows: Path) -> tuple[dict[str, float], str]:
    """What a scene's bands that went through the model are measured to be on its sampled windows, and where.

    Args:
        model: that enlarged it.
        scene: the input, open.
        rows: the result as a GeoTIFF.
    """
    names = [layer.name for layer in scene.layers[: model.channels]]
    pairs = [_inner(model, scene, window, strip, _part(rows, window, model)) for window, strip in scene.samples()]
    return measured(pairs, names), f"{len(pairs)} sampled window{'s' if len(pairs) > 1 else ''}"


def of_frames(model: Model, clip: clips.Clip, folder: Path) -> tuple[dict[str, float], str]:
    """The same for the first, the middle and the last frame, of a video file for the first.

    Args:
        model: that enlarged them.
        clip: the input.
        folder: of the finished frames.
    """
    places = sorted({0} if clip.per_second else {0, len(clip) // 2, len(clip) - 1})
    pairs = [(small_again(model, frame(folder, clip, place)), clip.load(place)) for place in places]
    return measured(pairs, model.bands), f"{len(places)} sampled frame{'s' if len(places) > 1 else ''}"


def frame(folder: Path, clip: clips.Clip, place: int) -> Float32:
    """A finished frame (C, sH, sW), NaN where it is missing."""
    name = clip.names[place]
    fine = clips.open_clip(frames.finished(folder, name) or folder, (), len(clip.load(place).values)).load(0)
    values = fine.values.astype(np.float32)
    if fine.valid is not None:
        values[~fine.valid] = np.nan
    return values


def write_map(
    model: Model, scene: Raster, result: Path, target: Path, compress: str, tags: Mapping[str, str]
) -> CogWriter:
    """Writes the result, made small again, minus the input: float32 native values, NaN where pixels are missing.

    Args:
        model: that enlarged it.
        scene: the input, open.
        result: the super-resolved GeoTIFF with the same bands.
        target: GeoTIFF of the differences at low resolution, to be published.
        compress: one of :data:`satsr.upscale.options.COMPRESSIONS`.
        tags: what made it.
    """
    names, size = [layer.name for layer in scene.layers], (scene.height, scene.width, len(scene.layers))
    place = {"crs": scene.crs, "transform": scene.transform, "tags": tags}
    profile = TiffProfile(*size, np.dtype(np.float32), nodata=float("nan"), names=names, **place)
    with opened(result) as fine, CogWriter(target, profile, compress) as writer:
        for found in _strips(model, scene, fine):
            writer.write(found)
        writer.finish()
    return writer


def _strips(model: Model, scene: Raster, fine: Any) -> Iterator[Float32]:
    """(C, h, W) from top to bottom; rows beside them are read for the kernel's sake and cut off again."""
    for top in range(0, scene.height, STRIP):
        bottom = min(top + STRIP, scene.height)
        first, last = max(top - MARGIN, 0), min(bottom + MARGIN, scene.height)
        values = _read(fine, Window(0, first, scene.width, last - first), model.scale)
        small = small_again(model, values)
        yield difference(small[:, top - first : bottom - first], scene.read(top, bottom - top))


def _part(rows: Path, window: Window, model: Model) -> Float32:
    """A window of the model's bands, made small again; GDAL keeps the tiles of open files, which are large."""
    with opened(rows) as fine:
        return small_again(model, _read(fine, window, model.scale)[: model.channels])


def _inner(model: Model, scene: Raster, window: Window, strip: Strip, small: Float32) -> Pair:
    """A window without what depends on pixels outside of it."""
    ends = ((window.row_off, window.height, scene.height), (window.col_off, window.width, scene.width))
    inner = tuple(
        slice(MARGIN if first else 0, length - (MARGIN if first + length < whole else 0))
        for first, length, whole in ends
    )
    where = (slice(model.channels), *inner)
    return small[where], Strip(strip.values[where], None if strip.valid is None else strip.valid[where])


def _read(fine: Any, window: Window, scale: int) -> Float32:
    """A window at low resolution of a fine raster, NaN where it is missing."""
    values: Float32 = fine.read(window=Window(*(scale * side for side in window.flatten()))).astype(np.float32)
    if fine.nodata is not None:
        values[values == fine.nodata] = np.nan
    return values
