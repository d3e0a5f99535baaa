"""What is expected of data, a list of rules per kind of data: a new kind is one function of a few lines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from satsr.config.data import Checks, Convert
from satsr.errors import SatsrError


@dataclass(frozen=True)
class Rule:
    """One expectation on one column of the tables of :mod:`satsr.validate.inspection`.

    Attributes:
        name: short and stable, for JSON.
        title: what is expected, in plain language.
        limit: what is allowed, in plain language.
        table: ``frames`` or ``scenes``.
        column: the column that is looked at and shown; missing values are left out.
        expectation: the class in ``great_expectations.expectations``.
        arguments: its arguments beside ``column``.
        roles: for ``frames``, the roles that it concerns; none means all.
        tolerated: the share of rows that may differ.
        unit: of the column's values.
    """

    name: str
    title: str
    limit: str
    table: str
    column: str
    expectation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    tolerated: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class Suite:
    """The rules for one kind of data."""

    kind: str
    rules: tuple[Rule, ...]


def within(name: str, title: str, column: str, low: float | None, high: float | None, **more: Any) -> Rule:
    """The values of a column lie between two bounds, both allowed; None for no bound."""
    unit = f" {more['unit']}" if more.get("unit") else ""
    words = [f"at least {low:g}{unit}"] if low is not None else []
    words += [f"at most {high:g}{unit}"] if high is not None else []
    arguments = {"min_value": low, "max_value": high}
    return _column_rule(name, title, " and ".join(words), column, "ExpectColumnValuesToBeBetween", arguments, more)


def one_of(name: str, title: str, column: str, allowed: tuple[Any, ...], **more: Any) -> Rule:
    """The values of a column are among ``allowed``."""
    limit = more.pop("limit", " or ".join(str(value) for value in allowed))
    arguments = {"value_set": list(allowed)}
    return _column_rule(name, title, limit, column, "ExpectColumnValuesToBeInSet", arguments, more)


def absent(name: str, title: str, column: str, **more: Any) -> Rule:
    """A column that names a trouble has no values."""
    return _column_rule(name, title, "none", column, "ExpectColumnValuesToBeNull", {}, more)


def _column_rule(
    name: str, title: str, limit: str, column: str, expectation: str, arguments: dict[str, Any], more: dict[str, Any]
) -> Rule:
    tolerated = more.get("tolerated", 0.0)
    if tolerated:
        limit += f"; {tolerated:.3g} of them may differ"
    table = more.pop("table", "frames")
    return Rule(name, title, limit, table, column, expectation, {**arguments, "mostly": 1 - tolerated}, **more)


def video(
    *,
    scale: int = 4,
    max_shift_px: float = 0.25,
    max_duplicate_share: float = 0.2,
    max_bad_share: float = 0.0,
    min_lr_px: int = 16,
    min_frames: int = 2,
    splits: tuple[str, ...] = ("train", "val", "test"),
) -> Suite:
    """Clips of 8-bit RGB frames: roles ``lr`` and ``hr``, frame by frame.

    Args:
        scale: side of hr / side of lr.
        max_shift_px: registration error allowed between lr and hr, in lr pixels. One hr pixel at x4 is 0.25; decimation
            without the half-pixel shift makes 0.375 along each axis.
        max_duplicate_share: share of frames that may repeat others (frame-rate conversion does that).
        max_bad_share: share of frames that may be constant or saturated.
        min_lr_px: smallest side of lr.
        min_frames: fewest frames of a clip.
        splits: the splits that must hold clips.
    """
    rules = [
        *clip_rules(splits, min_frames),
        *value_rules("uint8", 3, 0, 255, max_bad_share),
        *pair_rules(scale, min_lr_px, max_shift_px, max_level_difference=5),
        *content_rules(max_duplicate_share),
    ]
    return Suite("video", tuple(rules))


def clip_rules(splits: tuple[str, ...], min_frames: int) -> list[Rule]:
    """Scenes are complete: both roles, frame by frame, of one size."""
    need_splits = Rule(
        name="splits",
        title="There is something to train, to validate and to test with",
        limit=" and ".join(splits),
        table="scenes",
        column="split",
        expectation="ExpectColumnDistinctValuesToContainSet",
        arguments={"value_set": list(splits)},
    )
    same_counts = Rule(
        name="counts",
        title="Every clip has as many low- as high-resolution frames",
        limit="equal numbers of lr and hr",
        table="scenes",
        column="n_lr",
        expectation="ExpectColumnPairValuesToBeEqual",
        arguments={"column_A": "n_lr", "column_B": "n_hr"},
    )
    return [
        need_splits,
        same_counts,
        within("length", "Every clip is long enough", "n_hr", min_frames, None, unit="frames", table="scenes"),
        one_of("sizes", "All frames of a clip have one size", "sizes", (1,), limit="one size", table="scenes"),
    ]


def value_rules(dtype: str, channels: int, low: float, high: float, max_bad_share: float) -> list[Rule]:
    """Each frame by itself: readable, of the right type, with values that mean something."""
    bad = {"tolerated": max_bad_share}
    return [
        one_of("intact", "Every frame can be read and is as it was written", "intact", (True,), limit="its checksum"),
        one_of("type", f"Frames are stored as {dtype}", "dtype", (dtype,)),
        one_of("channels", f"Frames have {channels} channels", "channels", (channels,)),
        within("minimum", "No value is below the range", "min", low, None),
        within("maximum", "No value is above the range", "max", None, high),
        one_of("finite", "No frame holds NaN or infinity", "not_finite", (False,), limit="none"),
        one_of("constant", "No frame is one flat colour", "constant", (False,), limit="none", **bad),
        within("saturated", "No frame is overexposed", "saturated_share", None, 0.5, unit="of its values", **bad),
    ]


def pair_rules(scale: int, min_lr_px: int, max_shift_px: float, max_level_difference: float) -> list[Rule]:
    """Each low-resolution frame against its high-resolution frame."""
    lr: dict[str, Any] = {"roles": ("lr",)}
    order, level = "Each low-resolution frame fits its own high-resolution frame best", max_level_difference
    return [
        one_of("scale", f"High resolution is exactly {scale} times low", "ratio", (f"{scale}x{scale}",), **lr),
        within("small", "Low-resolution frames are large enough", "side", min_lr_px, None, unit="px", **lr),
        within("shift", "Each pair lies on top of each other", "shift", None, max_shift_px, unit="LR px", **lr),
        within("similar", "Each pair shows the same scene", "similarity", 0.8, None, unit="correlation", **lr),
        within("levels", "Each pair is equally bright", "level_difference", None, level, unit="units", **lr),
        one_of("order", order, "best_match", (0,), limit="not the one before (-1) or after (1)", **lr),
    ]


def content_rules(max_duplicate_share: float) -> list[Rule]:
    """Frames against each other, by their content."""
    share = max_duplicate_share
    moving = "Clips move: few frames repeat the one before"
    return [
        within("repeats", moving, "repeated_share", None, share, unit="of its frames", table="scenes"),
        absent("unique", "Few frames occur twice anywhere", "duplicate_of", tolerated=share),
        absent("disjoint", "No frame is in two splits: measuring is on unseen frames", "also_in"),
        copies(),
    ]


def copies() -> Rule:
    """No scene is in two splits in another encoding."""
    title = "No scene shows the picture of another split's scene, re-encoded or resized"
    return absent("copies", title, "resembles", table="scenes")


def probav(
    *,
    scale: int = 3,
    max_shift_px: float = 3.0,
    max_duplicate_share: float = 0.2,
    min_lr_px: int = 16,
    min_views: int = 9,
    max_value: float = 16383,
    min_clear: tuple[float, float] = (0.5, 0.6),
    splits: tuple[str, ...] = ("train", "val", "test"),
) -> Suite:
    """Image sets of Proba-V: unregistered, cloudy views ``lr`` with maps ``qm``, one reference ``hr`` with ``sm``.

    Args:
        scale: side of hr / side of lr.
        max_shift_px: how far a view may lie off, in lr pixels; nobody has registered them, and one in ten may lie
            farther, since clouds are measured along.
        max_duplicate_share: share of images that may repeat others.
        min_lr_px: smallest side of lr.
        min_views: fewest views of a set.
        max_value: largest digital number, of 14 bits; one view in twenty may have defective pixels above it.
        min_clear: smallest share of clear pixels of a view (one in ten may have less) and of a reference. ESA took
            views with 0.6 and references with 0.75.
        splits: the splits that must hold image sets.
    """
    images: dict[str, Any] = {"roles": ("lr", "hr")}
    lr: dict[str, Any] = {"roles": ("lr",)}
    share = {"unit": "of its pixels"}
    views = {"unit": "views", "table": "scenes"}
    rules = [
        *set_rules(splits),
        within("views", "Every set has enough views", "n_lr", min_views, None, **views),
        one_of("intact", "Every image can be read and is as it was written", "intact", (True,), limit="its checksum"),
        one_of("type", "Images are stored as uint16", "dtype", ("uint16",), **images),
        one_of("mask_type", "Maps are stored as uint8", "dtype", ("uint8",), roles=("qm", "sm")),
        one_of("channels", "Images and maps have one channel", "channels", (1,)),
        within("maximum", "No value is above the range", "max", None, max_value, tolerated=0.05, **images),
        one_of("constant", "No image is one flat gray", "constant", (False,), limit="none", **images),
        # Of a map of 0 and 255 the saturated share is the clear one.
        within(
            "clear",
            "Views are clear enough",
            "saturated_share",
            min_clear[0],
            None,
            roles=("qm",),
            tolerated=0.1,
            **share,
        ),
        within("status", "References are clear enough", "saturated_share", min_clear[1], None, roles=("sm",), **share),
        one_of("scale", f"The reference is exactly {scale} times a view", "ratio", (f"{scale}x{scale}",), **lr),
        within("small", "Views are large enough", "side", min_lr_px, None, unit="px", **lr),
        within(
            "shift", "Views lie near their reference", "shift", None, max_shift_px, unit="LR px", tolerated=0.1, **lr
        ),
        *content_rules(max_duplicate_share),
    ]
    return Suite("probav", tuple(rules))


def set_rules(splits: tuple[str, ...]) -> list[Rule]:
    """Image sets are complete: a map for every view, one reference with its map, one size per role."""
    pairs = (("lr", "qm", "Every view has its quality map"), ("hr", "sm", "Every reference has its status map"))
    return [
        clip_rules(splits, 1)[0],
        *(
            Rule(
                name=f"{image}_{mask}",
                title=title,
                limit=f"equal numbers of {image} and {mask}",
                table="scenes",
                column=f"n_{image}",
                expectation="ExpectColumnPairValuesToBeEqual",
                arguments={"column_A": f"n_{image}", "column_B": f"n_{mask}"},
            )
            for image, mask, title in pairs
        ),
        one_of("reference", "Every set has one reference", "n_hr", (1,), table="scenes"),
        mask_size(),
        one_of("sizes", "All images of a role have one size", "sizes", (1,), limit="one size", table="scenes"),
    ]


def mask_size() -> Rule:
    """Masks (quality maps, status maps, clouds) lie pixel on pixel; holds where there are none."""
    return one_of("mask_size", "Every map has the size of its image", "mask_ratio", ("1x1",), limit="the same size")


def series(
    *,
    scale: int = 4,
    max_shift_px: float = 1.0,
    max_duplicate_share: float = 0.0,
    min_lr_px: int = 8,
    splits: tuple[str, ...] = ("train", "val", "test"),
    photographs: bool = False,
) -> Suite:
    """Dated Sentinel-2 images ``lr`` (reflectance times 10000), or a single image, with one finer image ``hr``.

    Args:
        scale: side of hr / side of lr.
        max_shift_px: registration error allowed between lr and hr, in lr pixels; clouds and seasons let a fifth of the
            images measure more.
        max_duplicate_share: share of images that may repeat others.
        min_lr_px: smallest side of lr.
        splits: the splits that must hold series.
        photographs: ``lr`` are 8-bit photographs instead, and so is ``hr``.
    """
    sensor, dtype = ("Photographs", "uint8") if photographs else ("Sentinel-2 images", "uint16")
    targets = ("uint8",) if photographs else ("uint8", "uint16")
    reflectance = within("range", "Sentinel-2 values are reflectance times 10000", "mean", 50, 20000, roles=("lr",))
    lr: dict[str, Any] = {"roles": ("lr",)}
    images: dict[str, Any] = {"roles": ("lr", "hr")}
    aligned = {"unit": "LR px", "tolerated": 0.2, **lr}
    rules = [
        *date_rules(splits),
        mask_size(),
        one_of("intact", "Every image can be read and is as it was written", "intact", (True,), limit="its checksum"),
        one_of("type", f"{sensor} are stored as {dtype}", "dtype", (dtype,), **lr),
        one_of("target_type", "Targets are stored as integers", "dtype", targets, roles=("hr",)),
        one_of("channels", "Images have red, green and blue", "channels", (3,), **images),
        *([] if photographs else [reflectance]),
        one_of("constant", "No image is one flat colour", "constant", (False,), limit="none", **images),
        within("saturated", "No image is overexposed", "saturated_share", None, 0.5, unit="of its values", **images),
        one_of("scale", f"Targets are exactly {scale} times finer", "ratio", (f"{scale}x{scale}",), **lr),
        within("small", f"{sensor} are large enough", "side", min_lr_px, None, unit="px", **lr),
        within("shift", "Images lie on top of their target", "shift", None, max_shift_px, **aligned),
        absent("unique", "Few images occur twice anywhere", "duplicate_of", tolerated=max_duplicate_share),
        absent("disjoint", "No image is in two splits: measuring is on unseen places", "also_in"),
        copies(),
    ]
    return Suite("series", tuple(rules))


def date_rules(splits: tuple[str, ...]) -> list[Rule]:
    """Series are complete: a date for every image, in order, one target, one size per role."""
    per_scene: dict[str, Any] = {"table": "scenes"}
    dated = Rule(
        name="dates",
        title="Every series has as many dates as images",
        limit="equal numbers; a single image needs none",
        table="scenes",
        column="n_lr",
        expectation="ExpectColumnPairValuesToBeEqual",
        arguments={"column_A": "n_lr", "column_B": "n_dates"},
    )
    signed = "Days are counted from the target's date, with their sign"
    return [
        clip_rules(splits, 1)[0],
        dated,
        one_of("target", "Every series has one target", "n_hr", (1,), **per_scene),
        one_of("sorted", "Dates are in order", "ascending", (True,), limit="ascending", **per_scene),
        one_of("days", signed, "days_fit", (True,), limit="date minus target date", **per_scene),
        one_of("sizes", "All images of a series have one size", "sizes", (1,), limit="one size", **per_scene),
    ]


SUITES: dict[str, Callable[..., Suite]] = {
    "video": video,
    "probav": probav,
    "series": series,
    "photographs": partial(series, photographs=True),
}


def suite(kind: str, **limits: Any) -> Suite:
    """The suite of a kind of data with its limits changed.

    Raises:
        SatsrError: the kind is unknown.
    """
    if kind not in SUITES:
        raise SatsrError(f"no suite of checks is called {kind!r}: there are {', '.join(sorted(SUITES))}.")
    return SUITES[kind](**limits)


def chosen(checks: Checks, convert: Convert) -> Suite:
    """The suite that a configuration names, with its limits."""
    limits: dict[str, Any] = {
        "scale": convert.scale,
        "max_shift_px": checks.max_shift_px,
        "max_duplicate_share": checks.max_duplicate_share,
        "min_lr_px": convert.min_lr_px,
    }
    if checks.suite == "probav":
        limits["min_views"] = checks.min_views
    return suite(checks.suite, **limits)
