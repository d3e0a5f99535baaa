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
    """

    title: str
    images: Mapping[str, Image]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


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
    path: Path, images: Mapping[str, Image], labels: Mapping[str, str] | None = None, side: int = 360
) -> None:
    """A picture for a README: panels side by side, each with its name and a line such as its PSNR.

    Args:
        path: the PNG to write.
        images: by name, uint8 (H, W, 3) or (H, W) of one shape of sides; smaller ones are enlarged without smoothing.
        labels: the second line, by name.
        side: width of a panel in pixels.
    """
    from matplotlib.figure import Figure  # takes a second, and only this picture needs it

    gap, head = 12, 56
    panels = {name: page.as_rgb(image) for name, image in images.items()}
    height = max(round(side * image.shape[0] / image.shape[1]) for image in panels.values())
    canvas = np.full((head + height + gap, gap + len(panels) * (side + gap), 3), 255, np.uint8)
    for number, image in enumerate(panels.values()):
        left = gap + number * (side + gap)
        method = cv2.INTER_NEAREST if image.shape[1] <= side else cv2.INTER_AREA
        canvas[head : head + height, left : left + side] = cv2.resize(image, (side, height), interpolation=method)
    total_height, total_width = canvas.shape[:2]
    figure = Figure(figsize=(total_width / 100, total_height / 100), dpi=100)
    figure.figimage(canvas)
    for number, name in enumerate(panels):
        x = (gap + number * (side + gap)) / total_width
        figure.text(x, 1 - 24 / total_height, name, fontsize=11, color="#1a1f25", weight="bold")
        figure.text(x, 1 - 44 / total_height, (labels or {}).get(name, ""), fontsize=11, color="#5b6672")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


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
