"""The report of a run: one HTML file with everything in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from satsr.files import write_text
from satsr.pages import further, page
from satsr.pages import gains as words
from satsr.pages.chart import Points, line_chart, trend
from satsr.pages.page import Image, metric
from satsr.pages.panels import Panel, order, panel_context
from satsr.scores import PER_BAND, Interval

CONSISTENCY = "consistency_"
Value = TypeVar("Value")


@dataclass(frozen=True)
class Timeline:
    """One row of pixels over time: ``images`` are uint8 (T, W, 3) by name, all of one size."""

    title: str
    images: Mapping[str, Image]


@dataclass(frozen=True)
class Report:
    """What the page shows; empty parts are left out.

    Attributes:
        title: what was run, such as "RASVSR, satellite video x4 (quick profile, embedded-video)".
        paper: its citation.
        summary: method -> metric -> value, means over the scenes; metrics have their full names.
        headline: the first metric of the heading; by default the first that ours and the baseline have.
        gains: metric -> what ours gains over the baseline, with its interval.
        published: rows of the published table, the key ``method`` and full names of metrics.
        comparable: whether this run measured the data of that table, so that its figures stand in it.
        runtimes: whether the published table has runtimes, which depend on the machine.
        clips: rows of the published table of single clips, and this run's value beside it; their metric is
            ``clips_metric``.
        verdict: the published table against this run, in a sentence.
        scenes: scene -> method -> metric -> value, means over the frames.
        curves: name -> (step, value) points; names that end alike after the last "/" share a chart.
        panels: frames to look at.
        timelines: rows of pixels over time.
        manifest: what decides the numbers: values or dictionaries of them.
        notes: sentences.
        ours: the method that is reported; also its name in the panels.
        baseline: what it is compared with; likewise.
    """

    title: str
    paper: str = ""
    summary: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    headline: str | None = None
    gains: Mapping[str, Interval] = field(default_factory=dict)
    published: Sequence[Mapping[str, Any]] = ()
    comparable: bool = True
    runtimes: bool = False
    clips: Sequence[Mapping[str, Any]] = ()
    clips_metric: str = ""
    verdict: str = ""
    scenes: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    curves: Mapping[str, Points] = field(default_factory=dict)
    panels: Sequence[Panel] = ()
    timelines: Sequence[Timeline] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    ours: str = "ours"
    baseline: str = "bicubic"

    @property
    def pairs(self) -> dict[str, tuple[float, float]]:
        """Metric -> (ours, baseline), of the metrics that both have; consistency has a table of its own."""
        ours, baseline = self.summary.get(self.ours, {}), self.summary.get(self.baseline, {})
        known = [name for name in _without_consistency(ours) if name in baseline]
        return {name: (ours[name], baseline[name]) for name in known}


def write_report(path: Path, report: Report) -> None:
    """Writes the report as one HTML file that loads nothing else; equal reports give equal bytes.

    Raises:
        SatsrError: pictures of a panel differ in size or are not uint8 images.
    """
    more, report = further.table(report.summary), _main(report)
    panels, heat_top, kept = panel_context(report.panels, report.ours, report.baseline)
    write_text(
        path,
        page.render(
            "report.html.j2",
            report=report,
            headline=_headline(report),
            tiles=_tiles(report),
            panels=panels,
            where=next((page.png_uri(panel.where) for panel in report.panels[:1] if panel.where is not None), None),
            heat_top=heat_top,
            picture_format=kept,
            timelines=[_timeline(timeline, report) for timeline in report.timelines],
            summary=_summary(report),
            further=more,
            gains=words.table(_without_consistency(report.gains)),
            gains_picture=_picture_of_gains(report),
            gains_notes=[*words.notes(_without_consistency(report.gains)), words.NOTE, words.NOTE_ON_P],
            consistency=_consistency(report),
            published=_published(report),
            clips=page.table(report.clips) if report.clips else None,
            scenes=_scenes(report),
            scenes_title=_scenes_title(report),
            charts=charts(report.curves),
            manifest=flat(report.manifest),
        ),
    )


def _main(report: Report) -> Report:
    """The report without the further metrics, which have a table of their own."""
    return replace(
        report,
        summary={method: further.main(scores) for method, scores in report.summary.items()},
        scenes={
            scene: {method: further.main(scores) for method, scores in methods.items()}
            for scene, methods in report.scenes.items()
        },
        panels=[
            replace(panel, scores={name: _without_consistency(further.main(s)) for name, s in panel.scores.items()})
            for panel in report.panels
        ],
        gains=further.main(report.gains),
    )


def charts(curves: Mapping[str, Points]) -> list[dict[str, Any]]:
    """Title (a claim) and SVG of each chart; curves that end alike after the last "/" share one."""
    groups: dict[str, dict[str, Points]] = {}
    for name, points in curves.items():
        line, _, last = name.rpartition("/")
        groups.setdefault(last, {})[line or last] = points
    made = []
    for name, lines in groups.items():
        shown = metric(name)
        line, points = next(iter(lines.items()))
        subject = shown.label.replace("_", " ") if len(lines) == 1 else f"{shown.label} of {line}"
        title = f"{subject} {trend(points, shown.digits)}" + (f" {shown.unit}" if shown.unit else "")
        label = f"{shown.label}, {shown.unit}" if shown.unit else shown.label
        made.append({"title": title, "svg": line_chart(lines, "training step", label)})
    return made


def flat(manifest: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested dictionary as (dotted name, text) rows."""
    rows: list[tuple[str, str]] = []
    for name, value in manifest.items():
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", "–" if value is None else str(value)))
    return rows


def _leading(report: Report) -> str | None:
    """The metric of the headline, if ours and the baseline have it."""
    name = report.headline or next(iter(report.pairs), None)
    return name if name in report.pairs else None


def _headline(report: Report) -> str:
    """The result in one sentence."""
    name = _leading(report)
    if name is None:
        return report.title
    if name in report.gains:
        return words.claim(name, report.gains[name], report.baseline)
    shown = metric(name)
    ours, baseline = report.pairs[name]
    better = shown.gain(ours, baseline)
    if not better:
        return f"{shown.label} is that of {report.baseline}"
    text = shown.text(abs(ours - baseline), brief=True) + (f" {shown.unit}" if shown.unit else "")
    return f"{shown.label} is {text} {'better' if better > 0 else 'worse'} than {report.baseline}"


def _summary(report: Report) -> page.Table:
    """A row per method, and one of the gains of ours."""
    summary = {name: _without_consistency(values) for name, values in report.summary.items()}
    rows: list[dict[str, Any]] = [{"method": name, **values} for name, values in summary.items()]
    found = page.table(rows, mark_best=True)
    if not report.gains:
        return found
    title = f"gain of {report.ours}, 95 %"
    names = list(dict.fromkeys(name for values in summary.values() for name in values))
    known = [report.gains.get(name) for name in names]
    texts = [words.brief(name, gain) if gain else "–" for name, gain in zip(names, known, strict=True)]
    cells = [page.number_cell(text, gain.mean if gain else None) for text, gain in zip(texts, known, strict=True)]
    return replace(found, rows=[*found.rows, [page.Cell(title, title), *cells]])


def _picture_of_gains(report: Report) -> dict[str, Any] | None:
    """The differences scene by scene, in the metric of the headline."""
    name = _leading(report)
    if name is None or name not in report.gains:
        return None
    found = {scene: _gain_of(methods, report, name) for scene, methods in report.scenes.items()}
    values = {scene: value for scene, value in found.items() if value is not None}
    return words.picture(name, report.gains[name], values)


def _gain_of(methods: Mapping[str, Mapping[str, float]], report: Report, name: str) -> float | None:
    """What ours gains over the baseline in one scene."""
    value, before = (methods.get(method, {}).get(name) for method in (report.ours, report.baseline))
    return None if value is None or before is None else value - before


def _tiles(report: Report) -> list[dict[str, str]]:
    tiles = []
    for name, (ours, baseline) in report.pairs.items():
        shown, interval = metric(name), report.gains.get(name)
        side = shown.gain(ours, baseline) if interval is None else interval.sign * shown.better
        kind = {1: "good", -1: "bad", 0: "muted"}[side]
        tiles.append(
            {
                "name": name,
                "label": shown.label,
                "value": shown.text(ours, brief=True),
                "unit": shown.unit,
                "gain": words.brief(name, interval) if interval else shown.text(ours - baseline, sign=True, brief=True),
                "kind": kind,
                "words": f"against {report.baseline} {shown.text(baseline, brief=True)}"
                + (f"; {words.over(interval)}" if interval else ""),
            }
        )
    return tiles


def _published(report: Report) -> page.Table | None:
    """The published rows and, where its data are theirs, this run's, over the metrics that were published."""
    if not report.published:
        return None
    rows = [dict(row) for row in report.published]
    if not report.comparable:
        return page.table(rows)
    known = {name for row in rows for name in row}
    ours = {name: value for name, value in report.summary.get(report.ours, {}).items() if name in known}
    rows.append({"method": f"{report.ours} (this run)", **ours})
    return page.table(rows, strong=[len(rows) - 1])


def _without_consistency(scores: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in scores.items() if not name.startswith(CONSISTENCY)}


def _consistency(report: Report) -> page.Table | None:
    """A row per method: over all bands first, then bias and RMSE of each band."""
    rows = [
        {"method": method, **{name: scores[name] for name in sorted(scores, key=_of_a_band) if CONSISTENCY in name}}
        for method, scores in report.summary.items()
        if any(name.startswith(CONSISTENCY) for name in scores)
    ]
    return page.table(rows) if rows else None


def _of_a_band(name: str) -> bool:
    return name.startswith(PER_BAND)


def _scenes(report: Report) -> page.Table | None:
    """A row per scene: each metric of ours, and its gain over the baseline."""
    if not report.scenes:
        return None
    columns = [("scene", "")]
    for name in report.pairs:
        shown = metric(name)
        columns += [
            (f"{shown.label}, {shown.unit}" if shown.unit else shown.label, name),
            ("gain", f"over {report.baseline}"),
        ]
    rows = []
    for scene, methods in report.scenes.items():
        cells = [page.Cell(scene, scene)]
        ours, baseline = methods.get(report.ours, {}), methods.get(report.baseline, {})
        for name in report.pairs:
            shown, gain = metric(name), _gain_of(methods, report, name)
            value, before = ours.get(name), baseline.get(name)
            kind = {1: "good", -1: "bad", 0: ""}[shown.gain(value, before)]
            cells += [page.number_cell(shown.text(value), value), page.number_cell(shown.text(gain, True), gain, kind)]
        rows.append(cells)
    return page.Table(columns, rows)


def _scenes_title(report: Report) -> str:
    """In how many scenes ours is better, as far as that can be said."""
    name = _leading(report)
    if name is None or not report.scenes:
        return "Scene by scene"
    pairs = [
        (methods.get(report.ours, {}).get(name), methods.get(report.baseline, {}).get(name))
        for methods in report.scenes.values()
    ]
    better = sum(metric(name).gain(ours, baseline) > 0 for ours, baseline in pairs)
    label = metric(name).label
    return f"{label} is better than {report.baseline} in {better} of {len(pairs)} scenes"


def _timeline(timeline: Timeline, report: Report) -> dict[str, Any]:
    images = {name: page.as_rgb(image) for name, image in timeline.images.items()}
    frames, columns = next(iter(images.values())).shape[:2]
    names = order(images, report.ours, report.baseline)
    pictures = [{"label": name, "uri": page.png_uri(images[name])} for name in names]
    return {"title": timeline.title, "frames": frames, "columns": columns, "pictures": pictures}
