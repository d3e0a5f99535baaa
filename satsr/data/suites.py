"""What is expected of data, a list of rules per kind of data: a new kind is one function of a few lines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from satsr.errors import SatsrError


@dataclass(frozen=True)
class Rule:
    """One expectation on one column of the tables of :mod:`satsr.data.inspection`.

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
    splits: tuple[str, ...] = ("train", "val"),
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
        title="There are clips to train on and clips to measure on",
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
    ]


SUITES: dict[str, Callable[..., Suite]] = {"video": video}


def suite(kind: str, **limits: Any) -> Suite:
    """The suite of a kind of data with its limits changed.

    Raises:
        SatsrError: the kind is unknown.
    """
    if kind not in SUITES:
        raise SatsrError(f"no suite of checks is called {kind!r}: there are {', '.join(sorted(SUITES))}.")
    return SUITES[kind](**limits)
