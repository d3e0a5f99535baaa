"""The pipeline's runs, newest first: what was run, what it gained, how long it trained, and where its report lies."""

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from satsr.checkout.moved import present
from satsr.errors import SatsrError
from satsr.progress import duration
from satsr.project import Places
from satsr.tracking import DATABASE, client, local, uri
from satsr.tracking.versions import parsed

REPORT = "report/report.html"
COLUMNS = ("started", "version", "profile", "data", "gain in PSNR, 95 %", "training", "report")
SECONDS = "train_seconds"
"""Metric of a run; its own beginning and end say when it was opened first and closed last, also for a registration."""
PAGE = 1000
"""Most rows that MLflow gives in one answer."""
RUNS = """
SELECT runs.run_uuid, experiments.name, runs.status, runs.start_time, runs.artifact_uri, latest_metrics.value
FROM runs JOIN experiments USING (experiment_id)
LEFT JOIN latest_metrics ON latest_metrics.run_uuid = runs.run_uuid AND latest_metrics.key = ?
WHERE runs.lifecycle_stage = 'active'
"""
VERSIONS = """
SELECT run_id, name, version, key, value FROM model_versions LEFT JOIN model_version_tags USING (name, version)
WHERE current_stage != 'Deleted_Internal'
"""


@dataclass(frozen=True)
class Run:
    """One of MLflow's runs, or one of the versions that were made of it.

    Attributes:
        id: MLflow's.
        paper: its experiment.
        status: MLflow's word: RUNNING, FINISHED, FAILED, KILLED.
        started: milliseconds since 1970.
        address: of its artifacts; a path where they lie on this computer.
        seconds: of training, since it was begun or gone on with last; None where it has not ended.
        tags: of the run, and of the version that was made of it.
        version: ``rasvsr/3``; empty where none was registered.
    """

    id: str
    paper: str
    status: str
    started: int
    address: str
    seconds: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def gain(self) -> str:
        """That of the PSNR that decides, with its interval; what became of the run where there is none."""
        name = self.tags.get("decides", "").split(",")[0]
        known = self.tags.get(f"gain.{name}") or next(
            (self.tags[key] for key in sorted(self.tags) if key.startswith("gain.") and "psnr" in key), ""
        )
        words = {"RUNNING": "going on, or killed", "FINISHED": "not registered"}
        return known or words.get(self.status, self.status.lower())

    @property
    def report(self) -> Path | None:
        """The page, where it lies on this computer."""
        path = Path(self.address) / REPORT
        return path if path.is_file() else None


def runs(root: Path) -> list[Run]:
    """All runs, newest first; one that several versions were made of comes once for each.

    Raises:
        SatsrError: the store cannot be read.
    """
    found = _stored(root / DATABASE) if _plain(root) else _asked(client(root))
    here = [replace(run, address=_here(run.address, root)) for run in found]
    return sorted(here, key=lambda run: (run.started, len(run.version), run.version), reverse=True)


def table(found: Sequence[Run], root: Path, limit: int | None = None, paper: str | None = None) -> list[str]:
    """The runs as aligned lines; on a terminal that is too narrow for it the column of reports is left out.

    Args:
        found: all of them.
        root: of the project; paths are relative to it where they lie in it.
        limit: how many are shown.
        paper: of which; all by default.
    """
    others = sorted({run.paper for run in found})
    found = [run for run in found if paper in (None, run.paper)]
    if not found and others:
        return [f"no runs of {paper}: there are some of {', '.join(others)}"]
    if not found:
        return ["no runs yet: `satsr run rasvsr` makes one"]
    rows = [COLUMNS, *(_row(run, root) for run in found[:limit])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sys.stdout.isatty() and sum(widths) + 2 * len(widths) > shutil.get_terminal_size().columns:
        rows = [row[:-1] for row in rows]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    last = next((run.version for run in found if run.version and run.report), "")
    lines += [f"{len(found) - limit} more: --all lists them"] if limit is not None and len(found) > limit else []
    return [*lines, f"a report: satsr open {last}"] if last else lines


def report_of(root: Path, what: str | None = None) -> Path:
    """The page of a version, of the last evaluation of a paper, or of the last one of all.

    Raises:
        SatsrError: there is none.
    """
    if what and (named := parsed(what)) and named.number is not None:
        pages = [run.report for run in runs(root) if run.version == str(named)]
        found = [page for page in pages if page is not None]
    elif what:
        found = [path for path in [Places(root, what).evaluation / "report.html"] if path.is_file()]
    else:
        found = sorted(root.glob("results/*/evaluation/report.html"), key=lambda path: path.stat().st_mtime)
    if not found:
        of = f" of {what}" if what else ""
        raise SatsrError(f"there is no report{of} in {root}: satsr runs lists what was run, satsr run makes one.")
    return found[-1]


def _row(run: Run, root: Path) -> tuple[str, ...]:
    page = run.report
    inside = page is not None and page.is_relative_to(root)
    return (
        f"{datetime.fromtimestamp(run.started / 1000):%Y-%m-%d %H:%M}",
        run.version or run.paper,
        run.tags.get("profile", "-"),
        run.tags.get("dataset", "-"),
        run.gain.partition(", 95 %")[0],
        "-" if run.seconds is None else duration(run.seconds),
        "-" if page is None else str(page.relative_to(root) if inside else page),
    )


def _plain(root: Path) -> bool:
    """Whether MLflow's store is the project's own file, which is read without importing MLflow."""
    return uri(root) == local(root) and (root / DATABASE).is_file()


def _here(address: str, root: Path) -> str:
    """The path of artifacts that lie on this computer, also where the checkout was moved since."""
    parts = urlsplit(address)
    local = parts.scheme in ("", "file")
    return str(present(Path(unquote(parts.path) if parts.scheme else address), root)) if local else address


def _stored(database: Path) -> Iterator[Run]:
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tags = _grouped(connection.execute("SELECT run_uuid, key, value FROM tags WHERE key NOT LIKE 'mlflow.%'"))
            made = list(connection.execute(VERSIONS))
            rows = list(connection.execute(RUNS, (SECONDS,)))
    except sqlite3.Error as error:
        raise SatsrError(f"{database} cannot be read ({error}): satsr doctor says more.") from None
    versions = _grouped((f"{name}/{number}", key, value) for _, name, number, key, value in made)
    of: dict[str, list[str]] = {}
    for run, name in sorted({(run, f"{name}/{number}") for run, name, number, _, _ in made}):
        of.setdefault(run, []).append(name)
    for id_, paper, status, started, address, seconds in rows:
        for version in of.get(id_, [""]):
            known = {**tags.get(id_, {}), **versions.get(version, {})}
            yield Run(id_, paper, status, started, address, seconds, known, version)


def _asked(found: Any) -> Iterator[Run]:
    """The same by MLflow's client, of a store anywhere."""
    names = {experiment.experiment_id: experiment.name for experiment in _all(found.search_experiments)}
    versions: dict[str, list[Any]] = {}
    for version in _all(found.search_model_versions):
        versions.setdefault(version.run_id, []).append(version)
    for run in _all(found.search_runs, list(names)):
        info, seconds = run.info, run.data.metrics.get(SECONDS)
        paper, begin = names[info.experiment_id], (info.status, info.start_time, info.artifact_uri)
        for version in versions.get(info.run_id, [None]):
            made = f"{version.name}/{version.version}" if version else ""
            tags = {**run.data.tags, **(version.tags if version else {})}
            yield Run(info.run_id, paper, *begin, seconds, tags, made)


def _all(search: Callable[..., Any], *what: object) -> Iterator[Any]:
    """All that a search of MLflow's client finds, page by page."""
    token = None
    while token != "":
        page = search(*what, max_results=PAGE, page_token=token)
        yield from page
        token = page.token or ""


def _grouped(rows: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run, key, value in rows:
        found.setdefault(run, {})[key] = value
    return found
