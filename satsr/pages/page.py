"""Shared pieces of the HTML pages: self-contained files that load nothing, with pictures inside.

Pages are Jinja templates in ``satsr/pages/templates`` (escaped throughout); ``macros.html.j2`` has the before/after
slider, the rows of panels and the sortable table. The same input gives the same bytes.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.scores import PER_BAND, bare, direction

if TYPE_CHECKING:
    from jinja2 import Environment

Image = npt.NDArray[np.uint8]
PICTURE_BYTES = 4_000_000
JPEG_QUALITIES = (95, 90, 85, 75, 60)


def render(template: str, **context: Any) -> str:
    """A page from ``satsr/pages/templates``; every value is escaped, a missing one is an error."""
    return _environment().get_template(template).render(**context)


@lru_cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).with_name("templates")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["heat_bar"] = png_uri(heat_map(np.arange(256.0)[None], 255))
    return environment


@dataclass(frozen=True)
class Metric:
    """How a metric is shown.

    Attributes:
        name: with its convention, such as ``psnr_rgb_u8``.
        label: for people, such as ``PSNR``.
        unit: such as ``dB``; empty for none.
        digits: after the point.
        better: +1 if more is better, -1 if less is, 0 if neither is known.
    """

    name: str
    label: str
    unit: str
    digits: int
    better: int

    def text(self, value: float | None, sign: bool = False, brief: bool = False) -> str:
        """A value without unit, with a true minus sign; an en dash where there is none.

        Args:
            value: what is shown.
            sign: whether a plus is written.
            brief: two digits for decibels, as in a headline.
        """
        if value is None or math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        digits = 2 if brief and self.unit == "dB" else self.digits
        return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")

    def gain(self, value: float | None, baseline: float | None) -> int:
        """+1 if ``value`` is better than ``baseline``, -1 if worse, 0 if equal or not known."""
        if value is None or baseline is None or math.isnan(value) or math.isnan(baseline):
            return 0
        return self.better * ((value > baseline) - (value < baseline))


FAMILIES = {
    "psnr": ("PSNR", "dB", 3),
    "cpsnr": ("cPSNR", "dB", 3),
    "ssim": ("SSIM", "", 4),
    "cssim": ("cSSIM", "", 4),
    "niqe": ("NIQE", "", 3),
    "sam": ("SAM", "°", 3),
    "lpips": ("LPIPS", "", 4),
    "shift_mae": ("Shift MAE", "", 3),
    "mae": ("MAE", "", 4),
    "mse": ("MSE", "", 5),
    "rmse": ("RMSE", "", 4),
    "shift_mae_u8": ("Shift MAE", "", 2),
    "mae_u8": ("MAE", "", 2),
    "mse_u8": ("MSE", "", 1),
    "probav_score": ("Proba-V score", "", 4),
    "l1": ("L1", "", 4),
    "l2": ("L2", "", 5),
    "loss": ("loss", "", 4),
    "ergas": ("ERGAS", "", 3),
    "uiqi": ("UIQI", "", 4),
    "q2n": ("Q2n", "", 4),
    "opensr_reflectance": ("OpenSR reflectance", "", 4),
    "opensr_spectral": ("OpenSR spectral", "°", 3),
    "opensr_spatial": ("OpenSR spatial", "LR px", 3),
    "opensr_synthesis": ("OpenSR synthesis", "", 4),
    "opensr_improvement": ("OpenSR improvement", "", 3),
    "opensr_omission": ("OpenSR omission", "", 3),
    "opensr_hallucination": ("OpenSR hallucination", "", 3),
    "frc_period_m": ("Resolved period", "m", 2),
    "frc_period_lr_px": ("Resolved period", "LR px", 2),
    "warping_error": ("Warping error", "", 5),
    "warping_error_gap": ("Warping error, gap", "", 3),
    "consistency_bias": ("bias", "", 2),
    "consistency_rmse": ("consistency RMSE", "", 2),
    "consistency_sam": ("consistency SAM", "°", 3),
    "params_m": ("Parameters", "M", 1),
    "runtime_ms": ("Runtime", "ms", 0),
    "lr": ("learning rate", "", 5),
}
CONVENTIONS = {
    "y": "Y",
    "red": "red",
    "nir": "NIR",
    "float": "unrounded",
    "max1": "peak 1",
    "reflectance": "reflectance",
}
"""Words of a metric's name that its label has too, so that two of one family are told apart."""
OF_SEVERAL = ("psnr", "cpsnr", "ssim", "mae", "sam")
"""The families that papers measure in several conventions."""


def metric(name: str) -> Metric:
    """How the metric ``name`` is shown; known by the first words of its name, ``val_`` and ``train_`` aside."""
    known = [family for family in FAMILIES if f"{bare(name)}_".startswith(f"{family}_")]
    if not known:
        return Metric(name, name, "", 4, direction(name))
    family = max(known, key=len)
    label, unit, digits = FAMILIES[family]
    return Metric(name, " ".join([label, *_convention(name, family)]), unit, digits, direction(name))


def _convention(name: str, family: str) -> list[str]:
    """What the label says beside the family: the convention, or the band of what is measured band by band."""
    rest = bare(name).removeprefix(family).strip("_")
    if any(name.startswith(prefix) for prefix in PER_BAND):
        return [rest]
    return [CONVENTIONS[word] for word in rest.split("_") if word in CONVENTIONS] if family in OF_SEVERAL else []


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, what it is sorted by, and a class (``good``, ``bad``, ``best`` or none)."""

    text: str
    value: float | str
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table for the macro ``table``.

    Attributes:
        columns: (title, note) of each, the note small below the title.
        rows: the cells of each row.
        strong: the numbers of the rows to stress.
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    strong: frozenset[int] = frozenset()


def table(rows: Sequence[Mapping[str, Any]], strong: Sequence[int] = (), mark_best: bool = False) -> Table:
    """A table of dictionaries: texts as they are, numbers as :func:`metric` says.

    Args:
        rows: keys are columns, in the order in which they first appear; a missing value is an en dash.
        strong: numbers of the rows to stress.
        mark_best: whether the best value of each known metric is marked.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    best = {name: _best(name, rows) for name in names} if mark_best else {}
    cells = [[_cell(name, row.get(name), best.get(name)) for name in names] for row in rows]
    return Table([_heading(name) for name in names], cells, frozenset(strong))


def _heading(name: str) -> tuple[str, str]:
    """Title and note of a column: of a metric its label, unit and full name; of anything else its name."""
    shown = metric(name)
    if shown.label == name:
        return name.replace("_", " "), ""
    return (f"{shown.label}, {shown.unit}" if shown.unit else shown.label), (name if name != shown.label else "")


def _best(name: str, rows: Sequence[Mapping[str, Any]]) -> float | None:
    values = [row[name] for row in rows if isinstance(row.get(name), float) and not math.isnan(row[name])]
    better = metric(name).better
    return (max(values) if better > 0 else min(values)) if better and len(values) > 1 else None


def _cell(name: str, value: Any, best: float | None) -> Cell:
    if isinstance(value, float):
        shown = metric(name)
        text = f"{value:.4g}" if math.isfinite(value) and shown.label == name else shown.text(value)
        return number_cell(text, value, "best" if value == best else "")
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return number_cell("–" if value is None else str(value), value)
    return Cell(str(value), str(value))


def number_cell(text: str, value: float | None, kind: str = "") -> Cell:
    """A cell that is sorted by a number; what is missing comes last."""
    return Cell(text, -1e308 if value is None or math.isnan(value) else value, kind)


def as_rgb(image: npt.NDArray[Any]) -> Image:
    """An image for the page.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3) uint8.

    Raises:
        SatsrError: another type or shape.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise SatsrError(f"a picture must be uint8 (H, W) or (H, W, 3), found {image.dtype} {image.shape}.")
    plane = image.reshape(*image.shape[:2], -1)
    return np.ascontiguousarray(np.broadcast_to(plane, (*plane.shape[:2], 3)))


def png_uri(image: Image) -> str:
    """A data URI that holds ``image`` (H, W, 3) without loss."""
    return _uri(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 6])


def picture_uris(images: Sequence[Image], budget: int = PICTURE_BYTES) -> tuple[list[str], str]:
    """Data URIs of pictures that together stay below ``budget`` bytes, as far as quality 60 allows.

    Without loss if they fit, else as JPEG of the highest quality that fits.

    Returns:
        The URIs in the order of ``images``, and how they are kept: ``PNG`` or such as ``JPEG, quality 90``.
    """
    uris = [png_uri(image) for image in images]
    kind = "PNG"
    for quality in JPEG_QUALITIES:
        if sum(map(len, uris)) <= budget:
            break
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        uris = [_uri(image, ".jpg", options) for image in images]
        kind = f"JPEG, quality {quality}"
    return uris, kind


def _uri(image: Image, suffix: str, options: list[int]) -> str:
    ok, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise SatsrError(f"a picture of {image.shape} could not be encoded as {suffix}.")
    kind = {".png": "png", ".jpg": "jpeg"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def difference(image: Image, target: Image) -> npt.NDArray[np.float64]:
    """Absolute error in grey levels, the mean over the channels: (H, W)."""
    return np.asarray(np.abs(image.astype(np.float64) - target).mean(axis=2))


def heat_map(values: npt.NDArray[np.float64], top: float) -> Image:
    """Values 0..``top`` in the colours of ``inferno`` (perceptually even, safe for colour-blind readers): (H, W, 3)."""
    levels = (np.clip(values / top, 0, 1) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]).astype(np.uint8, copy=False)


def round_up(value: float) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten: the top of a scale that people can read."""
    if not value > 0 or math.isinf(value):
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-9)))
