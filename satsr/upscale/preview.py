"""Before and after, as a picture and as a page with a slider."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from satsr.files import replacing
from satsr.imagery import bands
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Raster, Strip
from satsr.pages import page
from satsr.pages.closeup import closeup
from satsr.pages.panels import Panel, before_after_png, panel_context
from satsr.resize import imresize
from satsr.upscale.results import clips, own
from satsr.upscale.results.names import base
from satsr.upscale.results.partial import Placing
from satsr.upscale.windows.strips import filled

OURS, BASELINE = "super-resolved", "bicubic"
COUNT = 3
SIDE = 128


def names(result: Path, folder: bool | None = None) -> list[Path]:
    """The picture and the page of a result (:func:`satsr.upscale.results.names.base`)."""
    return [result.with_name(f"{base(result, folder)}_preview{suffix}") for suffix in (".png", ".html")]


def of_scene(scene: Raster, result: Path, scale: int, tags: dict[str, str], place: Placing = replacing) -> list[Path]:
    """Writes both for a scene: its liveliest places of those that were sampled.

    Args:
        scene: the input, open.
        result: the super-resolved GeoTIFF.
        scale: SR px per LR px.
        tags: what made it.
        place: puts a file in its place.

    Returns:
        The PNG and the HTML, beside the result.
    """
    shown = colours([layer.name for layer in scene.layers])
    places = sorted(scene.samples(), key=lambda place: -_liveliness(place[1], shown))[:COUNT]
    pairs = []
    with opened(result) as fine:
        for window, strip in places:
            part = Window(*(scale * side for side in window.flatten()))
            after = Strip(fine.read([band + 1 for band in shown], window=part))
            before = Strip(strip.values[shown], None if strip.valid is None else strip.valid[shown])
            pairs.append((f"row {window.row_off}, column {window.col_off}", before, after))
    return _written(pairs, result, scale, tags, place)


def of_clip(
    clip: clips.Clip, made: Path, result: Path, scale: int, tags: dict[str, str], place: Placing = replacing
) -> list[Path]:
    """Writes both for a sequence, from the liveliest part of some of its frames; their paths.

    Args:
        clip: the input.
        made: the folder of the enlarged frames, as they are before a video packs them.
        result: what they become.
        scale: SR px per LR px.
        tags: what made it.
        place: puts a file in its place.
    """
    first = clip.load(0)
    count = len(first.values)
    after = clips.open_clip(made, (), count)
    shown = colours([layer.name for layer in clip.scenes[0].layers] if clip.scenes else [""] * count)
    height, width = (min(SIDE, side) for side in first.values.shape[1:])
    pairs = []
    for index in sorted({len(clip) // 4, len(clip) // 2, 3 * len(clip) // 4}):
        strip = clip.load(index)
        top, left = _liveliest(strip, shown, (height, width))
        low = strip.values[shown, top : top + height, left : left + width]
        rows, columns = (slice(scale * start, scale * (start + side)) for start, side in ((top, height), (left, width)))
        fine = after.load(index).values[shown, rows, columns]
        pairs.append((f"frame {clip.names[index]}", Strip(low), Strip(fine)))
    return _written(pairs, result, scale, tags, place)


def of_views(
    view: npt.NDArray[np.generic],
    after: npt.NDArray[np.generic],
    result: Path,
    tags: dict[str, str],
    place: Placing = replacing,
) -> list[Path]:
    """Writes both for an image set: its clearest view (H, W) and what was made of all (sH, sW); their paths."""
    pair = ("the clearest view", Strip(np.asarray(view)[None]), Strip(np.asarray(after)[None]))
    return _written([pair], result, after.shape[0] // view.shape[0], tags, place)


def colours(names: Sequence[str | None]) -> list[int]:
    """The bands that are shown: red, green and blue if they have these names, else the first three, or the first."""
    found = bands.places(names, bands.RGB)
    if len(found) == 3:
        return found
    return [0, 1, 2] if len(names) >= 3 else [0]


def _written(
    pairs: list[tuple[str, Strip, Strip]], result: Path, scale: int, tags: dict[str, str], place: Placing
) -> list[Path]:
    panels = [Panel(title, _pictures(before, after, scale)) for title, before, after in pairs]
    context, heat_top, kept = panel_context(panels, OURS, BASELINE)
    picture, html_page = names(result)
    shown = panels[0].images
    with place(picture) as temporary:
        before_after_png(temporary, shown, closeup(shown, OURS, BASELINE))
        temporary.write_bytes(own.tagged(temporary.read_bytes(), tags))
    facts = [(name.removeprefix("SATSR_").lower().replace("_", " "), text) for name, text in tags.items() if text]
    html = page.render(
        "preview.html.j2",
        title=f"{result.name}: before and after",
        lede=f"{tags.get('SATSR_INPUT', '')}, {scale} times finer by {tags.get('SATSR_MODEL', 'a model')}",
        panels=context,
        heat_top=heat_top,
        picture_format=kept,
        baseline=BASELINE,
        ours=OURS,
        facts=facts,
    )
    with place(html_page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return [picture, html_page]


def _pictures(before: Strip, after: Strip, scale: int) -> dict[str, page.Image]:
    """LR, bicubic and ours in one stretch: the 1st to the 99th percentile of the input."""
    values = filled(before)
    present = values if before.valid is None or not before.valid.any() else values[:, before.valid.all(axis=0)]
    low, high = (float(level) for level in np.percentile(present if present.size else values, (1, 99)))
    bicubic = np.moveaxis(imresize(np.moveaxis(values, 0, -1), scale), -1, 0)

    def shown(planes: npt.NDArray[np.generic]) -> page.Image:
        levels = np.nan_to_num((np.asarray(planes, np.float32) - low) / max(high - low, 1e-6))
        return page.as_rgb(np.moveaxis((np.clip(levels, 0, 1) * 255).round().astype(np.uint8), 0, -1))

    return {"LR": shown(values), BASELINE: shown(bicubic), OURS: shown(after.values)}


def _liveliness(strip: Strip, shown: list[int]) -> float:
    """Standard deviation of what is shown, less where much of it is missing."""
    share = 1.0 if strip.valid is None else float(strip.valid.mean())
    return float(filled(strip)[shown].std()) * share**4


def _liveliest(strip: Strip, shown: list[int], size: tuple[int, int]) -> tuple[int, int]:
    """Top and left of the part of a frame with the largest standard deviation."""
    height, width = strip.values.shape[1:]
    corners = [
        (int(top), int(left))
        for top in np.linspace(0, height - size[0], 4).round()
        for left in np.linspace(0, width - size[1], 4).round()
    ]
    return max(
        corners,
        key=lambda corner: strip.values[shown, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]].std(),
    )
