"""What an exported model says about itself: enough to apply it without knowing its paper.

The description travels as JSON in the metadata property ``satsr`` of an ONNX graph, or in the header of a .safetensors
file; :meth:`satsr.paper.Paper.describe` makes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from satsr.constraint import Constraint, parsed
from satsr.errors import SatsrError
from satsr.radiometry import REFLECTANCE, Normalisation, normalisation


@dataclass(frozen=True)
class Kind:
    """What a network of a kind takes and gives; arrays have the bands last.

    Attributes:
        words: what it takes, for people.
        axes: numbers of axes that an array may have.
        forms: these, for people.
        sides: which axes of the network's ``x`` are the bands and the images, None where there are none.
        merged: whether many images become one.
    """

    words: str
    axes: tuple[int, ...] = (4,)
    forms: str = "(T, H, W, C)"
    sides: tuple[int | None, int | None] = (2, 1)
    merged: bool = False


KINDS = {
    "image": Kind("one image", (2, 3, 4), "(H, W), (H, W, C) or (N, H, W, C)", (1, None)),
    "video": Kind("a clip of frames"),
    "window": Kind("a frame with its neighbours"),
    "series": Kind("images of several dates", merged=True),
    "imageset": Kind("several views with quality maps", (3,), "(T, H, W)", (None, 1), merged=True),
}
LARGEST, LARGEST_SCALE = 4096, 64
"""No network needs more; a file that says so would only use up memory."""
SMALLEST = 16  # px with which every network is content
BANDS = {
    3: ("B04", "B03", "B02"),
    4: ("B04", "B03", "B02", "B08"),
    6: ("B05", "B06", "B07", "B8A", "B11", "B12"),
}
"""The Sentinel-2 bands that a network of so many channels takes, where it does not say so itself."""


@dataclass(frozen=True)
class Facts:
    """The description of a model.

    Attributes:
        paper: its name.
        kind: what it takes, a key of :data:`KINDS`.
        normalisation: between native values and the network's.
        scale: SR px per LR px.
        citation: for people.
        bands: names of the bands, in the network's order; empty if it does not say.
        smallest: height and width below which images are extended by reflection.
        channels: of one image where the file does not show it (weights without a graph).
        dates: the most dates of a series that are used.
        constraint: how results are held to their input by default (:mod:`satsr.constraint`).
        raw: the whole description.
    """

    paper: str
    kind: str
    normalisation: Normalisation
    scale: int
    citation: str = ""
    bands: tuple[str, ...] = ()
    smallest: int = SMALLEST
    channels: int = 3
    dates: int = 8
    constraint: Constraint = field(default_factory=Constraint)
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reflectance(self) -> bool:
        """Whether native values are reflectance times 10000, as in Sentinel-2 products."""
        return self.normalisation.native == REFLECTANCE


def parse(description: Mapping[str, Any], where: str) -> Facts:
    """The facts in a description.

    Args:
        description: the decoded JSON.
        where: the file, for messages.

    Raises:
        SatsrError: something is missing or has a value that is not known.
    """
    missing = [key for key in ("paper", "kind", "normalisation", "scale") if key not in description]
    if missing:
        raise SatsrError(f"the description in {where} lacks {', '.join(missing)}: export the model again with satsr.")
    kind, scale = description["kind"], description["scale"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise SatsrError(f"{where} is a model of the kind {kind!r}; those that can be applied are {', '.join(KINDS)}.")
    if type(scale) is not int or not 1 <= scale <= LARGEST_SCALE:
        raise SatsrError(
            f"the scale in the description of {where} must be a whole number to {LARGEST_SCALE}, found {scale!r}."
        )
    stretch = normalisation(str(description["normalisation"]))
    bands = description.get("bands") or []
    if not isinstance(bands, list | tuple) or not all(isinstance(band, str) for band in bands):
        raise SatsrError(f"the bands in the description of {where} must be a list of names, found {bands!r}.")
    return Facts(
        paper=str(description["paper"]),
        kind=kind,
        normalisation=stretch,
        scale=scale,
        citation=str(description.get("citation", "")),
        bands=tuple(bands),
        smallest=_count(description, "smallest", SMALLEST, where),
        channels=_count(description, "channels", 1 if kind == "imageset" else 3, where),
        dates=_count(description, "dates", 8, where),
        constraint=parsed(description.get("constraint"), kind, stretch.native == REFLECTANCE),
        raw=dict(description),
    )


def _count(description: Mapping[str, Any], key: str, default: int, where: str) -> int:
    found = description.get(key, default)
    if type(found) is not int or not 1 <= found <= LARGEST:
        raise SatsrError(
            f"{key} in the description of {where} must be a whole number from 1 to {LARGEST}, found {found!r}."
        )
    return found


def decode(metadata: Mapping[str, str], where: str) -> dict[str, Any]:
    """The description in a file's metadata: one JSON under ``satsr``, or its keys one by one.

    Raises:
        SatsrError: there is none.
    """
    try:
        if "satsr" in metadata:
            found = json.loads(metadata["satsr"])
            return dict(found) if isinstance(found, dict) else {}
        return {key: _value(text) for key, text in metadata.items()} if "kind" in metadata else _nothing(where)
    except (json.JSONDecodeError, RecursionError):
        raise SatsrError(f"the description in {where} is not valid JSON: export the model again with satsr.") from None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _nothing(where: str) -> dict[str, Any]:
    raise SatsrError(
        f"{where} carries no description of satsr (what it takes, its value range, its scale), so it cannot be applied "
        "safely: use a model that satsr exported, or add the metadata property 'satsr' with that JSON."
    )
