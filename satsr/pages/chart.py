"""Line charts and dots as inline SVG: colours and text follow the page's light or dark scheme."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM, LEGEND = 76, 14, 12, 44, 22
STRIP = 140
MAX_POINTS = 400
DASHES = ("", "7 4", "2 3", "9 3 2 3")


def line_chart(series: Mapping[str, Points], x_label: str, y_label: str) -> Markup:
    """One chart of some lines, told apart by colour and by dashes, with a legend if there are several.

    Args:
        series: by name, the points (x, y); those that are not finite are left out.
        x_label: with its unit.
        y_label: with its unit.

    Returns:
        An ``<svg>`` of fixed proportions; the vertical axis is logarithmic where positive values span more than 30:1.
    """
    lines = {name: _thinned([p for p in points if all(map(math.isfinite, p))]) for name, points in series.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return Markup('<p class="muted">No values.</p>')
    xs, ys = [x for x, _ in points], [y for _, y in points]
    logarithmic = min(ys) > 0 and max(ys) / min(ys) > 30
    top = TOP + (LEGEND if len(lines) > 1 else 0)
    x_axis = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, False)
    y_axis = _Axis(min(ys), max(ys), HEIGHT - BOTTOM, top, logarithmic)
    parts = [_grid(x_axis, y_axis), _labels(x_label, y_label + (" (log scale)" if logarithmic else ""))]
    for number, (name, line) in enumerate(lines.items()):
        parts.append(_line(number, name, [(x_axis.place(x), y_axis.place(y)) for x, y in line], len(lines) > 1))
    title = escape(f"{y_label} against {x_label}: {', '.join(series)}")
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704  # every text in it was escaped


def dot_plot(values: Mapping[str, float], mean: float, ends: tuple[float, float] | None, x_label: str) -> Markup:
    """A dot for each value, so that scenes that stand apart are seen; below them their mean with its interval.

    Args:
        values: by name, which a dot shows under the pointer; those that are not finite are left out.
        mean: of the values.
        ends: of its interval, if there is one.
        x_label: with its unit.
    """
    shown = {name: value for name, value in values.items() if math.isfinite(value)}
    if not shown:
        return Markup('<p class="muted">No values.</p>')
    every = [0.0, mean, *shown.values(), *(ends or ())]
    air = (max(every) - min(every)) * 0.04
    axis = _Axis(min(every) - air, max(every) + air, LEFT, WIDTH - RIGHT, False)
    low, high = (axis.place(end) for end in ends or (mean, mean))
    parts = [_strip(axis, x_label)]
    for number, (name, value) in enumerate(shown.items()):
        place = f'cx="{axis.place(value):.1f}" cy="{TOP + 10 + 12 * (number % 4)}"'
        parts.append(f'<circle class="dot s0" {place} r="4" fill-opacity="0.7"><title>{escape(name)}</title></circle>')
    parts.append(f'<line class="line s1" x1="{low:.1f}" x2="{high:.1f}" y1="{TOP + 64}" y2="{TOP + 64}"/>')
    parts.append(f'<circle class="dot s1" cx="{axis.place(mean):.1f}" cy="{TOP + 64}" r="5"/>')
    title = escape(f"{x_label}: {len(shown)} dots, and their mean with its interval")
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {STRIP}" role="img" aria-label="{title}">'
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704  # every text in it was escaped


def trend(points: Points, digits: int) -> str:
    """``rises from 26.10 to 31.20``, ``falls from``, or ``stays at``: what a line says."""
    values = [y for _, y in points if math.isfinite(y)]
    if not values:
        return "has no values"
    first, last = (_rounded(value, digits) for value in (values[0], values[-1]))
    if first == last:
        return f"stays at {last}"
    return f"{'rises' if values[-1] > values[0] else 'falls'} from {first} to {last}"


def _rounded(value: float, digits: int) -> str:
    """So many digits after the point; of what these would make nothing, its first digit."""
    text = f"{value:.{digits}f}"
    return text if float(text) or not value else f"{value:.0e}"


class _Axis:
    """A scale from values to pixels, with ticks at round numbers."""

    def __init__(self, low: float, high: float, start: float, end: float, logarithmic: bool) -> None:
        self.start, self.end, self.logarithmic = start, end, logarithmic
        if high <= low:
            low, high = (low - 0.5, high + 0.5) if not logarithmic else (low / 2, high * 2)
        self.low, self.high = low, high
        if not logarithmic and start > end:  # the vertical axis has some air
            air = (high - low) * 0.06
            self.low, self.high = low - air, high + air

    def place(self, value: float) -> float:
        """Pixels for a value."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values within the axis, about five."""
        if self.logarithmic:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**power for power in powers]
        raw = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _grid(x_axis: _Axis, y_axis: _Axis) -> str:
    base = HEIGHT - BOTTOM
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>']
    for value in y_axis.ticks():
        y = y_axis.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>')
    for value in x_axis.ticks():
        x = x_axis.place(value)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{_tick(value)}</text>')
    return "".join(parts)


def _strip(axis: _Axis, x_label: str) -> str:
    """The axis of the dots, with a line at zero."""
    base, zero = STRIP - BOTTOM - 6, axis.place(0)
    parts = [
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>',
        f'<line class="axis" stroke-dasharray="2 3" x1="{zero:.1f}" x2="{zero:.1f}" y1="{TOP}" y2="{base}"/>',
        f'<text class="name" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{STRIP - 8}" text-anchor="middle">'
        f"{escape(x_label)}</text>",
    ]
    for value in axis.ticks():
        x = axis.place(value)
        parts.append(f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{_tick(value)}</text>')
    return "".join(parts)


def _labels(x_label: str, y_label: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    height = (TOP + HEIGHT - BOTTOM) / 2
    return (
        f'<text class="name" x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="name" transform="translate(12 {height:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )


def _line(number: int, name: str, points: Points, with_legend: bool) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = DASHES[number % len(DASHES)]
    style = f'class="line s{number % 4}"' + (f' stroke-dasharray="{dash}"' if dash else "")
    x, y = points[-1] if points else (0.0, 0.0)
    mark = f'<circle class="dot s{number % 4}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' if points else ""
    if not with_legend:
        return f'<polyline {style} points="{path}"/>{mark}'
    left = LEFT + 150 * number
    return (
        f'<polyline {style} points="{path}"/>{mark}<line {style} x1="{left}" x2="{left + 28}" '
        f'y1="{TOP}" y2="{TOP}"/><text x="{left + 35}" y="{TOP + 4}">{escape(name)}</text>'
    )


def _thinned(points: Points) -> Points:
    """At most ``MAX_POINTS`` of the points, evenly chosen, the last one among them."""
    step = max(1, math.ceil(len(points) / MAX_POINTS))
    return [*points[::step], *(points[-1:] if points and (len(points) - 1) % step else [])]


def _tick(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 1000 and value % 1000 == 0:
        return f"{value / 1000:g}k".replace("-", "−")
    return (f"{value:.0e}" if abs(value) < 1e-3 else f"{value:.6g}").replace("-", "−")
