"""What a model's training images look like, in some kilobytes, and how far outside of that a block lies.

A descriptor has an inside, between the 1st and the 99th percentile of the training blocks, where the distance is 0.
Beyond it the distance grows: of brightness in widths of the inside, of texture and noise in octaves, of the colour
(Mahalanobis distance of the bands' logarithms) in parts of the 99th percentile.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from satsr.depth.blocks import BLOCK, Blocks, Float64, blocks
from satsr.errors import SatsrError

WAYS = ("brighter", "darker", "busier", "smoother", "noisier", "softer", "colours")
"""In which a block can lie outside."""
SHARES = (1, 2, 50, 98, 99)
INSIDE = (1, 50, 99)
PIXELS = 4096
"""Of each image, about so many on a regular grid are looked at."""
SPREAD = 0.02
"""Octaves by which colours of a training set without any spread may differ."""
ROUNDED = 1e-3
"""Distances below this come from the rounding of the description."""
MEASURES = {"brightness": ("brighter", "darker"), "texture": ("busier", "smoother"), "noise": ("noisier", "softer")}


def describe(images: Iterable[np.ndarray], top: Sequence[float]) -> dict[str, Any]:
    """The description of training images.

    Args:
        images: each (C, h, w) native values, NaN where missing.
        top: native value from which a pixel is saturated; one for all bands, or one per band.

    Returns:
        JSON values; numbers are rounded, so that the same images give the same bytes. Empty without a block.
    """
    found, pixels, count = [], [], 0
    for image in images:
        step = max(1, int(np.sqrt(image.shape[1] * image.shape[2] / PIXELS)))
        pixels.append(image[:, ::step, ::step].reshape(len(image), -1))
        found.append(blocks(image))
        count += 1
    merged = _merged(found)
    if merged is None:
        return {}
    values = np.concatenate(pixels, axis=1).astype(np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    return {
        "images": count,
        "blocks": len(merged.brightness),
        "block": BLOCK,
        "pixels": _percentiles(values.T, SHARES),
        "saturated": _rounded((values >= np.array(top)[:, None]).mean(axis=1)),
        **{name: _percentiles(getattr(merged, name), INSIDE) for name in MEASURES},
        **({"colour": _colours(merged.colour)} if values.shape[0] > 1 else {}),
    }


def distances(trained: Mapping[str, Any], found: Blocks) -> dict[str, Float64]:
    """How far blocks lie outside, for each of :data:`WAYS` that there is.

    Args:
        trained: of :func:`describe`.
        found: blocks of an image with the same bands.

    Returns:
        (rows, columns, C), or (rows, columns, 1) for the colours; 0 inside, NaN where there is no block.

    Raises:
        SatsrError: the description is of another number of bands, or damaged.
    """
    bands = found.brightness.shape[-1]
    try:
        limits = {name: [np.array(trained[name][f"p{share}"]) for share in (1, 99)] for name in MEASURES}
        far: dict[str, Float64] = {}
        for name, (above, below) in MEASURES.items():
            low, high = limits[name]
            unit = np.maximum(high - low, np.maximum(0.01 * np.abs(high), 1)) if name == "brightness" else 1.0
            values = getattr(found, name)
            far[above], far[below] = np.maximum(values - high, 0) / unit, np.maximum(low - values, 0) / unit
            if len(low) != bands:
                raise ValueError(f"{len(low)} bands, not {bands}")
        if "colour" in trained:
            about = trained["colour"]
            far["colours"] = np.maximum(_mahalanobis(found.colour, about) / about["p99"] - 1, 0)[..., None]
    except (KeyError, TypeError, ValueError) as error:
        raise SatsrError(
            f"the model's description of its training data is damaged ({error}): export it again."
        ) from None
    return {way: np.where(values < ROUNDED, 0, values) for way, values in far.items()}


def median(each: Sequence[Mapping[str, Float64]]) -> dict[str, Float64]:
    """By way, the median over images of one place, of those on which a block is there; NaN where none is."""
    stacks = {way: np.ma.masked_invalid(np.stack([item[way] for item in each])) for way in each[0]}
    return {way: np.ma.median(stack, axis=0).filled(np.nan) for way, stack in stacks.items()}  # type: ignore[no-untyped-call]


def _merged(found: list[Blocks]) -> Blocks | None:
    """All blocks that are there, as (n, C)."""
    flat = [
        np.concatenate([getattr(item, name).reshape(-1, item.brightness.shape[-1]) for item in found])
        for name in MEASURES
        if found
    ]
    there = [values[np.isfinite(values).all(axis=1)] for values in flat]
    return Blocks(*there) if there and len(there[0]) else None


def _colours(values: Float64) -> dict[str, Any]:
    """Mean, covariance and the distances' percentiles of (n, C)."""
    covariance = np.cov(values, rowvar=False) if len(values) > 1 else np.zeros((values.shape[1],) * 2)
    about: dict[str, Any] = {"mean": _rounded(values.mean(axis=0)), "covariance": [_rounded(row) for row in covariance]}
    far = _mahalanobis(values, about)
    return about | {f"p{share}": max(_rounded(np.percentile(far, share)), 1.0) for share in (50, 99)}


def _mahalanobis(values: Float64, about: Mapping[str, Any]) -> Float64:
    """The distance of (..., C) from a mean by a covariance, which is widened so that it can be inverted."""
    covariance = np.array(about["covariance"], np.float64)
    inverse = np.linalg.inv(covariance + SPREAD**2 * np.eye(len(covariance)))
    away = values - np.array(about["mean"], np.float64)
    return np.asarray(np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", away, inverse, away), 0)))


def _percentiles(values: Float64, shares: tuple[int, ...]) -> dict[str, list[float]]:
    """Of (n, C): for each share a number for each band."""
    return {f"p{share}": _rounded(np.percentile(values, share, axis=0)) for share in shares}


def _rounded(values: Any) -> Any:
    return np.round(np.asarray(values, np.float64), 4).tolist()
