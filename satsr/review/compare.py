"""Model versions side by side: one table of quality and cost, the same crops of each, from MLflow alone.

Versions are comparable when they were measured against the very same references (the tag ``data.hr_sha256``) at the
same scale and share a metric. How the low-resolution frames were made may differ between papers; the page says so.
"""

import csv
import re
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.files import write_text
from satsr.imagery.images import read_rgb
from satsr.pages import further, gains, page
from satsr.pages.page import metric
from satsr.pages.panels import Panel, panel_context
from satsr.register import decisions
from satsr.register.decisions import Version
from satsr.register.registry import CHAMPION
from satsr.review import paired
from satsr.review.paired import Pair, label
from satsr.scores import BASELINE, EXPORTED, PER_BAND
from satsr.tracking.versions import parsed

REFERENCES = "data.hr_sha256"
COSTS = {
    "parameters, M": "cost.parameters",
    "GMAC": "cost.gmac",
    "ms": "cost.milliseconds",
    "peak MB": "cost.peak_mb",
    "file MB": "onnx.megabytes",
}
FACTS = (
    *("dataset", "profile", REFERENCES, "data.lr_sha256", "data.lr", "data.sha256", "lineage"),
    *("git.commit", "git.dirty", "onnx.sha256", "onnx.parity_max_abs", "cost.inputs", "cost.images", "cost.machine"),
    *("gates", "gates.failed", "verdict", "review", "review.why"),
)
SHOWN_APART = (f"{BASELINE}.", "gain.", "cost.")
OURS = b"SATSR_COMPARISON"
"""By which a page is known as satsr's own."""
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def named(client: Any, names: Sequence[str]) -> list[Version]:
    """The versions that are named, or without names all that were measured on the same data.

    Args:
        client: MLflow's client.
        names: ``model/3``, ``model@alias`` or ``model``, its champion (its newest version if there is none).

    Raises:
        SatsrError: fewer than two, or one that does not exist.
    """
    if not names:
        return _largest_group([_chosen(client, name) for name in decisions.names(client)])
    found = {label(version): version for version in (_named(client, name) for name in names)}
    if len(found) < 2:
        raise SatsrError("a comparison needs two versions or more, for instance: satsr compare rasvsr/1 rasvsr/2.")
    return list(found.values())


def common(versions: Sequence[Version]) -> list[str]:
    """The metrics that all versions have, those that decide first.

    Raises:
        SatsrError: they were measured on other references or at another scale, or have no metric in common.
    """
    first = versions[0]
    for version in versions:
        if REFERENCES not in version.tags:
            raise SatsrError(
                f"{label(version)} does not say what it was measured against ({REFERENCES}): run the register stage of "
                f"its paper again."
            )
        for tag, words in ((REFERENCES, "against other references"), ("scale", "at another scale")):
            if version.tags.get(tag) != first.tags.get(tag):
                there, here = (f"{_brief(v.tags.get(tag, '?'))} ({v.tags.get('dataset')})" for v in (first, version))
                raise SatsrError(
                    f"{label(version)} was measured {words} than {label(first)}: {tag} is {here}, not {there}, so "
                    "their metrics cannot be compared."
                )
    measured = [name.removeprefix(f"{BASELINE}.") for name in first.tags if name.startswith(f"{BASELINE}.")]
    whole = [name for name in measured if not name.startswith(PER_BAND)]
    protocols = [name for name in whole if further.says(name) is None]  # each report has the further ones
    shared = [name for name in protocols if all(version.metric(name) is not None for version in versions)]
    if not shared:
        raise SatsrError(f"{' and '.join(map(label, versions))} have no metric in common: nothing to compare.")
    return sorted(shared, key=lambda name: ([*first.decides, name].index(name), name))


def table(versions: Sequence[Version], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """One row per version and one per bicubic baseline: the metrics, the gain in the first of them, the costs."""
    lead, rows = metric(metrics[0]), []
    for version in versions:
        row: dict[str, Any] = {"version": label(version), **{name: version.metric(name) for name in metrics}}
        gain = (row[lead.name] or np.nan) - (version.metric(f"{BASELINE}.{lead.name}") or np.nan)
        row[f"gain, {lead.unit}" if lead.unit else "gain"] = lead.text(gain, sign=True, brief=True)
        costs = {title: version.metric(tag) for title, tag in COSTS.items()}
        costs["parameters, M"] = (costs["parameters, M"] or np.nan) / 1e6
        rows.append(row | costs)
    return [*_baselines(versions, metrics), *rows]


def differences(versions: Sequence[Version]) -> list[str]:
    """What to keep in mind when reading the table: sentences."""
    found = []
    if _differ(versions, "data.lr_sha256"):
        ways = _all(versions, "data.lr")
        found.append(f"The low-resolution inputs differ ({ways}); the references are the same.")
    if _differ(versions, "cost.machine"):
        found.append(f"Times were measured on different machines ({_all(versions, 'cost.machine')}).")
    if _differ(versions, "profile"):
        found.append(f"They were trained with different profiles ({_all(versions, 'profile')}).")
    return found


def cost_note(versions: Sequence[Version]) -> str:
    """What the columns of cost were measured on."""
    measured = "; ".join(
        f"{label(version)} on {version.tags['cost.inputs']}, {version.tags.get('cost.images')} out"
        for version in versions
        if "cost.inputs" in version.tags
    )
    return (
        "GMAC and ms are for one image that comes out, on the CPU; peak MB is what a fresh process grows by while it "
        f"loads the ONNX graph and runs it once. Inputs: {measured or 'not recorded'}."
    )


def write_comparison(client: Any, path: Path, versions: Sequence[Version], found: Sequence[Pair] | None = None) -> None:
    """Writes the page for two versions or more; it loads nothing else.

    Args:
        client: MLflow's client.
        path: the page.
        versions: two or more.
        found: their differences (:func:`satsr.review.paired.pairs`), where somebody has made them already.

    Raises:
        SatsrError: they cannot be compared (:func:`common`), their artifacts cannot be fetched, or something that satsr
            did not write lies at ``path``.
    """
    if path.exists() and not (path.is_file() and OURS in path.read_bytes()):
        raise SatsrError(f"{path} exists, and satsr did not write it, so it is not replaced: choose another --output.")
    metrics = common(versions)
    lead, pair = metrics[0], len(versions) == 2
    best = paired.best(versions, lead)
    found = paired.pairs(client, versions, metrics) if found is None else found
    left, right = (label(versions[0]), label(versions[1])) if pair else (BASELINE, label(best))
    with tempfile.TemporaryDirectory() as folder:
        fetched = [_fetch(client, version, Path(folder) / str(index)) for index, version in enumerate(versions)]
        panels, heat_top, _ = panel_context(_panels(versions, fetched, lead), right, left)
        scenes = _scenes(versions, fetched, metrics[:2] if pair else metrics[:1])
    rows = table(versions, metrics)
    write_text(
        path,
        page.render(
            "comparison.html.j2",
            headline=_headline(versions, found, lead),
            lede=f"{lead} on {versions[0].tags.get('dataset', 'unknown data')}",
            warnings=differences(versions),
            panels=panels,
            heat_top=heat_top,
            left=left,
            right=right,
            metrics=page.table(rows, mark_best=True),
            cost_note=cost_note(versions),
            pairs=paired.table(found),
            pairs_notes=[*(note for pair in found for note in pair.notes()), gains.NOTE],
            scenes=page.table(scenes) if scenes else None,
            facts=page.table([_fact(versions, name) for name in _facts(versions)]),
        ),
    )


def _named(client: Any, name: str) -> Version:
    wanted = parsed(name)
    return _chosen(client, wanted.name) if wanted and wanted.bare else decisions.find(client, name)


def _chosen(client: Any, name: str) -> Version:
    found = decisions.versions(client, name)
    if not found:
        raise SatsrError(f"{name} has no versions: run its pipeline first.")
    return next((version for version in found if CHAMPION in version.aliases), found[0])


def _largest_group(versions: Sequence[Version]) -> list[Version]:
    groups: dict[tuple[str, ...], list[Version]] = {}
    for version in versions:
        if REFERENCES in version.tags:
            groups.setdefault((version.tags[REFERENCES], version.tags.get("scale", "")), []).append(version)
    largest = max(groups.values(), key=len, default=[])
    if len(largest) < 2:
        ways = _all(versions, "dataset") or "it is empty"
        raise SatsrError(
            f"no two models of the registry were measured on the same data ({ways}): name versions of one model, for "
            "instance satsr compare rasvsr/1 rasvsr/2."
        )
    return largest


def _baselines(versions: Sequence[Version], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The bicubic rows: one, unless the versions had other inputs."""
    rows: dict[tuple[float | None, ...], list[str]] = {}
    for version in versions:
        rows.setdefault(tuple(version.metric(f"{BASELINE}.{name}") for name in metrics), []).append(label(version))
    return [
        {"version": BASELINE if len(rows) == 1 else f"{BASELINE} of {', '.join(names)}"}
        | dict(zip(metrics, values, strict=True))
        for values, names in rows.items()
    ]


def _headline(versions: Sequence[Version], found: Sequence[Pair], lead: str) -> str:
    shown = metric(lead)
    if len(versions) == 2 and lead in found[0].gains:
        return gains.claim(lead, found[0].gains[lead], found[0].other, found[0].version)
    if len(versions) == 2:
        first, second = versions
        gain = (second.metric(lead) or np.nan) - (first.metric(lead) or np.nan)
        word = "better" if gain * shown.better >= 0 else "worse"
        return f"{label(second)} is {shown.text(abs(gain), brief=True)} {shown.unit} {word} than {label(first)}"
    return f"{label(paired.best(versions, lead))} has the best {shown.label} of {len(versions)}"


def _facts(versions: Sequence[Version]) -> list[str]:
    """The facts of :data:`FACTS`, then every setting in which the versions differ."""
    every = sorted({name for version in versions for name in version.tags} - set(FACTS))
    measured = {name for name in every if f"{BASELINE}.{name}" in every}
    settings = [name for name in every if name not in measured and not name.startswith(SHOWN_APART)]
    return [*FACTS, *(name for name in settings if _differ(versions, name))]


def _fact(versions: Sequence[Version], name: str) -> dict[str, str]:
    values = {label(version): version.tags.get(name, "–") for version in versions}
    return {"fact": name, **{word: _brief(value) for word, value in values.items()}}


def _brief(value: str) -> str:
    return value[:16] if HASH.fullmatch(value) else value


def _differ(versions: Sequence[Version], tag: str) -> bool:
    return len({version.tags.get(tag) for version in versions}) > 1


def _all(versions: Sequence[Version], tag: str) -> str:
    return "; ".join(f"{label(version)}: {version.tags.get(tag, 'not known')}" for version in versions)


def _fetch(client: Any, version: Version, folder: Path) -> Path:
    folder.mkdir()
    try:
        return Path(client.download_artifacts(version.run, "report", str(folder)))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise SatsrError(f"the artifacts of {label(version)} cannot be fetched from MLflow: {reason}") from None


def _panels(versions: Sequence[Version], fetched: Sequence[Path], lead: str) -> list[Panel]:
    """The crops that all versions have, with the metric ``lead``; LR and bicubic are the first version's.

    Raises:
        SatsrError: the targets differ, so that equal metrics would mean different things.
    """
    folders = [folder / "samples" for folder in fetched]
    frames = [_frames(folder / "frames.csv", lead) for folder in fetched]
    panels = []
    for stem in sorted(path.name.removesuffix("-ours.png") for path in folders[0].glob("*-ours.png")):
        if not all((folder / f"{stem}-ours.png").exists() for folder in folders):
            continue
        images = {"LR": "lr", BASELINE: BASELINE}
        pictures = {name: read_rgb(folders[0] / f"{stem}-{kind}.png") for name, kind in images.items()}
        for version, folder in zip(versions, folders, strict=True):
            pictures[label(version)] = read_rgb(folder / f"{stem}-ours.png")
        targets = [read_rgb(folder / f"{stem}-hr.png") for folder in folders]
        for (first, one), (second, other) in combinations(zip(versions, targets, strict=True), 2):
            if not np.array_equal(one, other):
                raise SatsrError(
                    f"{label(first)} and {label(second)} were measured against targets that were prepared in different "
                    f"ways (they differ in {stem}, perhaps by train.match), so their metrics cannot be compared."
                )
        scores = {label(version): rows[EXPORTED][stem] for version, rows in zip(versions, frames, strict=True)}
        scores[BASELINE] = frames[0][BASELINE][stem]
        shown = {name: {lead: value} for name, value in scores.items()}
        panels.append(Panel(stem, {**pictures, "HR": targets[0]}, shown))
    return panels


def _scenes(versions: Sequence[Version], fetched: Sequence[Path], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Means over the frames of each scene, and for two versions what the second gains."""
    tables = {
        name: [_frames(folder / "frames.csv", name, whole=True)[EXPORTED] for folder in fetched] for name in metrics
    }
    rows = []
    for scene in sorted(set.intersection(*(set(table) for of_metric in tables.values() for table in of_metric))):
        row: dict[str, Any] = {"scene": scene}
        for name, of_metric in tables.items():
            values = [table[scene] for table in of_metric]
            row |= {f"{label(version)} {name}": value for version, value in zip(versions, values, strict=True)}
            if len(values) == 2:
                row[f"difference {name}"] = values[1] - values[0]
        rows.append(row)
    return rows


def _frames(path: Path, name: str, whole: bool = False) -> dict[str, dict[str, float]]:
    """A metric by method and frame, as in the names of samples (``scene-frame``), or by method and whole scene."""
    collected: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            place = row["scene"] if whole else f"{row['scene']}-{row['frame']}".replace("/", "-")
            if row[name]:
                collected.setdefault(row["method"], {}).setdefault(place, []).append(float(row[name]))
    return {method: {place: float(np.mean(v)) for place, v in rows.items()} for method, rows in collected.items()}
