"""One page that shows two model versions side by side: metrics, scenes, the same crops with a slider."""

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from satsr import page
from satsr.data.images import read_rgb
from satsr.errors import SatsrError
from satsr.files import write_text
from satsr.report import Panel, panel_context
from satsr.review import COMPARABLE, Version

SAMPLES = "report/samples"
FACTS = (
    *("data.sha256", "dataset", "profile", "lineage", "git.commit", "git.dirty"),
    *("onnx.sha256", "onnx.parity_max_abs", "onnx.megabytes", "onnx.milliseconds", "gates", "review"),
)


def write_comparison(client: Any, path: Path, first: Version, second: Version) -> None:
    """Writes the page for two versions; it loads nothing else.

    Raises:
        raise SatsrError(f"{_label(first)} and {_label(second)} share no metric: there is nothing to compare.")
    """
    names = [first, second]
    measured = [name.removeprefix("bicubic.") for name in first.tags if name.startswith("bicubic.")]
    metrics = [name for name in measured if all(version.metric(name) is not None for version in names)]
    if not metrics:
        raise SatsrError(f"{_label(first)} and {_label(second)} have no metric in common: nothing to compare.")
    with tempfile.TemporaryDirectory() as folder:
        fetched = [_fetch(client, version, Path(folder) / str(index)) for index, version in enumerate(names)]
        panels, heat_top, _ = panel_context(_panels(first, second, fetched), _label(second), _label(first))
        scenes = _scenes(first, second, fetched, first.decides or metrics[:1])
    rows = [
        {"version": _label(version), **{name: version.metric(name) for name in metrics}} for version in (first, second)
    ]
    rows.append({"version": "bicubic", **{name: float(first.tags[f"bicubic.{name}"]) for name in metrics}})
    decisive = (first.decides or metrics)[0]
    gain = (second.metric(decisive) or np.nan) - (first.metric(decisive) or np.nan)
    word = "better" if gain >= 0 else "worse"
    write_text(
        path,
        page.render(
            "comparison.html.j2",
            headline=f"{_label(second)} is {abs(gain):.2f} dB {word} than {_label(first)}",
            lede=f"{decisive} on {second.tags.get('dataset', 'unknown data')}",
            warnings=_warnings(first, second),
            panels=panels,
            heat_top=heat_top,
            left=_label(first),
            right=_label(second),
            metrics=page.table(rows, mark_best=True),
            scenes=page.table(scenes) if scenes else None,
            facts=page.table([{"fact": n, **{_label(v): v.tags.get(n, "-") for v in names}} for n in FACTS]),
        ),
    )


def _label(version: Version) -> str:
    return f"{version.name} v{version.number}"


def _warnings(first: Version, second: Version) -> list[str]:
    return [
        f"{tag} differs: {first.tags.get(tag)} and {second.tags.get(tag)}. Their metrics cannot be compared."
        for tag in COMPARABLE
        if first.tags.get(tag) != second.tags.get(tag)
    ]


def _fetch(client: Any, version: Version, folder: Path) -> Path:
    folder.mkdir()
    try:
        return Path(client.download_artifacts(version.run, "report", str(folder)))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise SatsrError(f"the artifacts of {_label(version)} cannot be fetched from MLflow: {reason}") from None


def _panels(first: Version, second: Version, fetched: list[Path]) -> list[Panel]:
    panels = []
    for path in sorted((fetched[0] / "samples").glob("*-ours.png")):
        stem = path.name.removesuffix("-ours.png")
        other = fetched[1] / "samples" / path.name
        if not other.exists():
            continue
        images: Mapping[str, Path] = {
            "LR": path.with_name(f"{stem}-lr.png"),
            "bicubic": path.with_name(f"{stem}-bicubic.png"),
            _label(first): path,
            _label(second): other,
            "HR": path.with_name(f"{stem}-hr.png"),
        }
        panels.append(Panel(stem, {name: read_rgb(image) for name, image in images.items()}))
    return panels


def _scenes(first: Version, second: Version, fetched: list[Path], metrics: list[str]) -> list[dict[str, Any]]:
    tables = [_means(folder / "frames.csv", metrics) for folder in fetched]
    rows = []
    for scene in sorted(set(tables[0]) & set(tables[1])):
        row: dict[str, Any] = {"scene": scene}
        for name in metrics:
            row[f"{_label(first)} {name}"] = tables[0][scene][name]
            row[f"{_label(second)} {name}"] = tables[1][scene][name]
            row[f"difference {name}"] = tables[1][scene][name] - tables[0][scene][name]
        rows.append(row)
    return rows


def _means(path: Path, metrics: list[str]) -> dict[str, dict[str, float]]:
    collected: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["method"] != "ema":
                continue
            for name in metrics:
                collected.setdefault(row["scene"], {}).setdefault(name, []).append(float(row[name]))
    return {scene: {n: float(np.mean(v)) for n, v in values.items()} for scene, values in collected.items()}
