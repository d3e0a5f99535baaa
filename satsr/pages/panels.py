"""Pictures of one frame side by side: on a page with an error map, and as the picture for a README."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from satsr.errors import SatsrError
from satsr.files import replacing
from satsr.pages import page
from satsr.pages.closeup import Closeup
from satsr.pages.page import Image, metric

FIRST, LAST = ("LR",), ("HR", "error")
HEAT_SHARE = 99.5
"""Per cent of the errors of a picture that the colour scale covers: single outliers do not darken the map."""


@dataclass(frozen=True)
class Panel:
    """The pictures of one frame, shown side by side.

    Attributes:
        title: which frame of which scene.
        images: by name, uint8 (H, W, 3) RGB or (H, W); ``LR`` may be smaller, the others share one size. The error map
            is drawn from the report's ``ours`` and ``HR``.
        scores: by name of an image, its metrics by their full names.
        where: the whole frame, small, where the images show a part of it that is outlined there.
    """

    title: str
    images: Mapping[str, Image]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    where: Image | None = None


def panel_context(panels: Sequence[Panel], ours: str, baseline: str) -> tuple[list[dict[str, Any]], float, str]:
    """Panels for the macros ``slider`` and ``panel_row``.

    Args:
        panels: what to show.
        ours: the image whose error is drawn.
        baseline: the image that comes after LR.

    Returns:
        The panels, the top of the error scale in grey levels, and how the pictures are kept.

    Raises:
        SatsrError: pictures of a panel differ in size or are not uint8 images.
    """
    drawn = [{name: page.as_rgb(image) for name, image in panel.images.items()} for panel in panels]
    errors = [_error(panel, images, ours) for panel, images in zip(panels, drawn, strict=True)]
    tops = [np.percentile(error, HEAT_SHARE) for error in errors if error is not None]
    heat_top = page.round_up(max([float(top) for top in tops], default=1.0))
    for images, error in zip(drawn, errors, strict=True):
        if error is not None:
            images["error"] = page.heat_map(error, heat_top)
    uris, kept = page.picture_uris([image for images in drawn for image in images.values()])
    pool = iter(uris)
    context = []
    for number, (panel, images) in enumerate(zip(panels, drawn, strict=True)):
        encoded = {name: next(pool) for name in images}
        height, width = list(images.values())[-1].shape[:2]
        context.append(
            {
                "id": f"panel-{number}",
                "title": panel.title,
                "ratio": f"{width} / {height}",
                "pictures": [
                    _picture(name, encoded[name], images[name], panel.scores.get(name, {}), ours)
                    for name in order(images, ours, baseline)
                ],
            }
        )
    return context, heat_top, kept


def before_after_png(
    path: Path,
    images: Mapping[str, Image],
    part: Closeup,
    labels: Mapping[str, str] | None = None,
    side: int = 300,
) -> None:
    """A picture for a README: one part of a frame, enlarged, and beside it where it lies in the frame.

    All panels show the same ground. LR is enlarged without smoothing, the others by one cubic interpolation, so that
    blocks of pixels do not hide what differs.

    Args:
        path: the PNG to write.
        images: by name, uint8 (H, W, 3) or (H, W); only LR may be coarser. The last one is also shown whole.
        part: what is enlarged, most often :func:`satsr.pages.closeup.closeup` of the images.
        labels: the second line, by name.
        side: width of a panel in pixels.
    """
    panels = {name: page.as_rgb(image) for name, image in images.items()}
    whole = list(panels)[-1]
    close = {name: enlarged(part.of(image), name, side) for name, image in panels.items()}
    texts = [("whole frame", "the part that is enlarged")]
    texts += [(name, (labels or {}).get(name, "")) for name in close]
    _written(path, [overview(panels[whole], part, side), *close.values()], texts)


def enlarged(image: Image, name: str, side: int) -> Image:
    """A square part of a picture, ``side`` pixels wide: LR by its pixels, others by cubic interpolation."""
    method = cv2.INTER_NEAREST if name in FIRST else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def overview(image: Image, part: Closeup, side: int) -> Image:
    """The frame (H, W, 3) within two thirds of the width of a panel of ``side`` pixels, with the part outlined."""
    height, width = image.shape[:2]
    scale = min(side * 2 / 3 / width, side / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    first = (round(part.left * scale), round(part.top * scale))
    last = (round((part.left + part.side) * scale) - 1, round((part.top + part.side) * scale) - 1)
    for color, thickness in (((26, 31, 37), 4), ((255, 204, 0), 2)):
        cv2.rectangle(small, first, last, color, thickness)
    return np.asarray(small, np.uint8)


def _written(path: Path, pictures: Sequence[Image], texts: Sequence[tuple[str, str]]) -> None:
    """Pictures side by side, each under two lines of text."""
    gap, head = 12, 56
    lefts = np.cumsum([gap, *(picture.shape[1] + gap for picture in pictures)]).tolist()
    canvas = np.full((head + max(picture.shape[0] for picture in pictures) + gap, lefts[-1], 3), 255, np.uint8)
    for picture, left in zip(pictures, lefts[:-1], strict=True):
        canvas[head : head + picture.shape[0], left : left + picture.shape[1]] = picture
    from PIL import Image as pil  # only a preview needs it
    from PIL import ImageDraw, ImageFont

    drawing = pil.fromarray(canvas)
    write = ImageDraw.Draw(drawing)
    for (name, line), left in zip(texts, lefts[:-1], strict=True):
        write.text((left, 8), name, "#1a1f25", ImageFont.load_default(18))
        write.text((left, 32), line, "#5b6672", ImageFont.load_default(15))
    with replacing(path) as temporary:
        drawing.save(temporary, "png")


def order(images: Mapping[str, Image], ours: str, baseline: str) -> list[str]:
    """LR, the baseline, others, ours, HR, error: the same in every panel."""
    wanted = [*FIRST, baseline]
    others = [name for name in images if name not in (*wanted, ours, *LAST)]
    return [name for name in (*wanted, *others, ours, *LAST) if name in images]


def _error(panel: Panel, images: Mapping[str, Image], ours: str) -> Any:
    """The absolute error of ours in grey levels (H, W), or None without ours or HR."""
    sizes = {name: image.shape[:2] for name, image in images.items() if name != "LR"}
    if len(set(sizes.values())) > 1:
        raise SatsrError(f"the pictures of {panel.title!r} differ in size: {sizes}. Only LR may be smaller.")
    return page.difference(images[ours], images["HR"]) if ours in images and "HR" in images else None


def _picture(name: str, uri: str, image: Image, scores: Mapping[str, float], ours: str) -> dict[str, Any]:
    label = f"|{ours} − HR|" if name == "error" else name
    caption = []
    for key, value in scores.items():
        shown = metric(key)
        caption.append(f"{shown.label} {shown.text(value, brief=True)}" + (f" {shown.unit}" if shown.unit else ""))
    height, width = image.shape[:2]
    return {"kind": name, "label": label, "uri": uri, "width": width, "height": height, "caption": caption}
