"""Checks of an input before it costs hours: what people get wrong, each with its sentence."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.exported.facts import Facts

Say = Callable[[str], None]
"""Takes a line for the user; the library itself prints nothing."""
MADE_BY = "SATSR_MODEL"
MOST_MISSING = 0.9
MOST_SATURATED = 0.25
ZEROS = 0.005
HOLLOW = 1500
"""Times that a file may unpack to without a question: Deflate packs nothing better than 1032 times."""
LARGE_PX = 100_000_000


def silent(line: str) -> None:
    """Drops the lines."""


def problems(
    facts: Facts,
    values: npt.NDArray[np.floating[Any]],
    *,
    native: np.dtype[Any],
    gain: float = 1.0,
    tags: Mapping[str, str] | None = None,
) -> list[str]:
    """What is suspicious about an input: sentences, none if nothing is.

    Args:
        facts: of the model.
        values: (C, n) a sample in the numbers that the model expects, NaN where missing.
        native: type of the file.
        gain: what was multiplied to come from the file's numbers to the model's.
        tags: the file's metadata.
    """
    found = _made_already(tags or {})
    missing = float(np.isnan(values).mean())
    if missing > MOST_MISSING:
        found.append(
            f"{missing:.1%} of the sampled pixels are missing (nodata or NaN): check the nodata value and the area"
        )
    present = values[np.isfinite(values)]
    if present.size:
        found += _ranges(facts, values, native, gain)
    return found


def require_content(pixels: int, hollow: float, force: bool) -> None:
    """Refuses a large image that holds next to nothing: damaged files do, and such as are made to keep computers busy.

    Args:
        pixels: of the image.
        hollow: how many times its file unpacks to.
        force: whether the user insists.

    Raises:
        SatsrError: so.
    """
    if pixels >= LARGE_PX and hollow >= HOLLOW and not force:
        raise SatsrError(
            f"the scene claims {pixels / 1e6:.0f} million pixels, but its file holds {hollow:.0f} times fewer bytes "
            "than these need: nearly all of it is empty, or it is damaged. Cut out the part that you want, or add "
            "--force."
        )


def settle(found: Sequence[str], force: bool, say: Say) -> None:
    """Stops with the sentences, or says them when the user insists.

    Raises:
        SatsrError: something was found and ``force`` is not set.
    """
    if found and not force:
        many = "".join(f"\n- {sentence}." for sentence in found) if len(found) > 1 else f" {found[0]}."
        raise SatsrError(f"this input does not look like what the model was trained on:{many} Add --force to go on.")
    for sentence in found:
        say(f"warning: {sentence}")


def notes(facts: Facts, values: npt.NDArray[np.floating[Any]], zeros: float | None) -> list[str]:
    """What may well be right, but is worth a line.

    Args:
        facts: of the model.
        values: as for :func:`problems`.
        zeros: share of pixels that are 0 in all bands where no nodata value is declared, else None.
    """
    found = []
    if zeros is not None and zeros > ZEROS:
        found.append(f"{zeros:.1%} of the sampled pixels are 0 in all bands: if they are missing, add --nodata 0")
    if facts.reflectance and np.isfinite(values).any() and np.nanmin(values) >= 1000:
        found.append(
            "no sampled value is below 1000: if this is a product of processing baseline 04.00 or later whose offset "
            "is still in the numbers, add --offset -1000"
        )
    return found


def _made_already(tags: Mapping[str, str]) -> list[str]:
    if MADE_BY not in tags:
        return []
    return [f"its metadata say that {tags[MADE_BY]} made it: its scale is applied already, so give the original"]


def _ranges(facts: Facts, values: npt.NDArray[np.floating[Any]], native: np.dtype[Any], gain: float) -> list[str]:
    """Types and ranges of values against the model's."""
    low, middle, high = (float(value) for value in np.nanpercentile(values, (2, 50, 98)))
    top = facts.normalisation.native[1]
    expected = f"0..{top:g}" + (" (reflectance x 10000)" if facts.reflectance else "")
    seen = f"values lie between {low:g} and {high:g} (2nd and 98th percentile), but the model expects {expected}"
    if facts.reflectance and native == np.uint8 and gain == 1:
        return [
            f"it holds 8-bit values, but the model expects {expected}: give the original product, not a picture of it"
        ]
    if high < 0:
        return [f"{seen}: check --gain and --offset"]
    if high <= 2 < top and (native.kind == "f" or facts.reflectance):
        return [f"{seen}: multiply, with --gain {top:g} for numbers in 0..1"]
    if facts.reflectance and high <= 255 and gain == 1:
        return [f"{seen}: it looks like 8 bits; give the original product"]
    if float(np.nanmax(values)) > top * 1.01 and (top <= 255 or middle > top):
        return [f"{seen}, found up to {float(np.nanmax(values)):g}: multiply, for instance --gain {top / high:.3g}"]
    return _constant(facts, values) or _saturated(facts, values) + _unlike(facts, values)


def _constant(facts: Facts, values: npt.NDArray[np.floating[Any]]) -> list[str]:
    """Bands that have one value everywhere."""
    names = facts.bands if len(facts.bands) == len(values) else [f"band {band + 1}" for band in range(len(values))]
    flat = [
        f"{name} ({np.nanmin(band):g} everywhere)"
        for name, band in zip(names, values, strict=True)
        if np.isfinite(band).any() and np.nanmin(band) == np.nanmax(band)
    ]
    return [f"nothing is to be seen in {', '.join(flat)}: check the bands and the area"] if flat else []


def _saturated(facts: Facts, values: npt.NDArray[np.floating[Any]]) -> list[str]:
    if not facts.normalisation.saturates:
        return []
    limits = np.broadcast_to(np.array(facts.normalisation.high), (len(values),))[:, None]
    share = float((values > limits).sum() / max(np.isfinite(values).sum(), 1))
    if share <= MOST_SATURATED:
        return []
    return [
        f"{share:.0%} of the sampled values are brighter than {float(limits.max()):g}, where the model's range ends: "
        "bright ground, clouds and snow come out flat"
    ]


def _unlike(facts: Facts, values: npt.NDArray[np.floating[Any]]) -> list[str]:
    """Against the training data's percentiles (``statistics``: p2, p98), where that is all a model says of them."""
    known = facts.raw.get("statistics")
    if "depth" in facts.raw or not isinstance(known, Mapping) or not {"p2", "p98"} <= set(known):
        return []
    middle = float(np.nanmedian(values))
    lowest, highest = float(np.min(known["p2"])), float(np.max(known["p98"]))
    if lowest <= middle <= highest:
        return []
    return [
        f"its median is {middle:g}, but 96 % of the training data lay between {lowest:g} and {highest:g}: another "
        "sensor, unit or season"
    ]
