"""The pipeline's runs, newest first: what was run, what it gained, how long it took, and where its report lies."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from satsr.errors import SatsrError
from satsr.progress import duration
from satsr.project import Places
from satsr.tracking import DATABASE, client, local, uri
from satsr.tracking.versions import parsed

REPORT = "report/report.html"
COLUMNS = ("started", "version", "profile", "data", "gain in PSNR, 95 %", "time", "report")
RUNS = """
SELECT runs.run_uuid, experiments.name, runs.status, runs.start_time, runs.end_time, runs.artifact_uri
FROM runs JOIN experiments USING (experiment_id) WHERE runs.lifecycle_stage = 'active'
"""


@dataclass(frozen=True)
class Run:
    """One of MLflow's runs.

    Attributes:
        id: MLflow's.
        paper: its experiment.
        status: MLflow's word: RUNNING, FINISHED, FAILED, KILLED.
        started: milliseconds since 1970.
        ended: likewise; None while it is going on.
        address: of its artifacts.
        tags: of the run, and of the version that was made of it.
        version: ``rasvsr/3``; empty where none was registered.
    """

    id: str
    paper: str
    status: str
    started: int
    ended: int | None
    address: str
    tags: dict[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def gain(self) -> str:
        """That of the PSNR that decides, with its interval; what became of the run where there is none."""
        name = self.tags.get("decides", "").split(",")[0]
        known = self.tags.get(f"gain.{name}") or next((self.tags[key] for key in self.tags if "gain.psnr" in key), "")
        words = {"RUNNING": "going on, or killed", "FINISHED": "not registered"}
        return known or words.get(self.status, self.status.lower())

    @property
    def report(self) -> Path | None:
        """The page, where it lies on this computer."""
        parts = urlsplit(self.address)
        path = Path(unquote(parts.path) if parts.scheme == "file" else self.address) / REPORT
        return path if parts.scheme in ("", "file") and path.is_file() else None


def runs(root: Path, paper: str | None = None) -> list[Run]:
    """All runs of one paper, or of all, newest first.

    Raises:
        SatsrError: the store cannot be read.
    """
    found = list(_stored(root / DATABASE)) if _plain(root) else list(_asked(client(root)))
    wanted = [run for run in found if paper in (None, run.paper)]
    return sorted(wanted, key=lambda run: run.started, reverse=True)


def table(found: Sequence[Run], root: Path, limit: int | None = None) -> list[str]:
    """The runs as aligned lines, the first ``limit`` of them; paths are relative to ``root`` where they lie in it.

    On a terminal that is too narrow for it the column of reports is left out.
    """
    if not found:
        return ["no runs yet: satsr run rasvsr makes one"]
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


def shown(page: Path) -> bool:
    """Opens a page in the browser; whether there is a display with one."""
    import webbrowser

    windows = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    with suppress(webbrowser.Error):
        return bool(windows) and webbrowser.open(page.resolve().as_uri())
    return False


def _row(run: Run, root: Path) -> tuple[str, ...]:
    page = run.report
    inside = page is not None and page.is_relative_to(root)
    return (
        f"{datetime.fromtimestamp(run.started / 1000):%Y-%m-%d %H:%M}",
        run.version or run.paper,
        run.tags.get("profile", "-"),
        run.tags.get("dataset", "-"),
        run.gain.partition(", 95 %")[0],
        "-" if run.ended is None else duration((run.ended - run.started) / 1000),
        "-" if page is None else str(page.relative_to(root) if inside else page),
    )


def _plain(root: Path) -> bool:
    """Whether MLflow's store is the project's own file, which is read without importing MLflow."""
    return uri(root) == local(root) and (root / DATABASE).is_file()


def _stored(database: Path) -> Iterator[Run]:
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            tags = _grouped(connection.execute("SELECT run_uuid, key, value FROM tags WHERE key NOT LIKE 'mlflow.%'"))
            asked = (
                "SELECT run_id, name || '/' || version, key, value FROM model_versions "
                "JOIN model_version_tags USING (name, version) WHERE current_stage != 'Deleted_Internal'"
            )
            made = list(connection.execute(asked))
            rows = list(connection.execute(RUNS))
        except sqlite3.Error as error:
            raise SatsrError(f"{database} cannot be read ({error}): satsr doctor says more.") from None
    of = {run: version for run, version, _, _ in made}
    more = _grouped((run, key, value) for run, _, key, value in made)
    for id_, paper, status, started, ended, address in rows:
        known = {**tags.get(id_, {}), **more.get(id_, {})}
        yield Run(id_, paper, status, started, ended, address, known, of.get(id_, ""))


def _asked(found: Any) -> Iterator[Run]:
    """The same by MLflow's client, of a store anywhere."""
    names = {experiment.experiment_id: experiment.name for experiment in found.search_experiments()}
    versions = {version.run_id: version for version in found.search_model_versions(max_results=1000)}
    for run in found.search_runs(list(names), max_results=1000):
        info, version = run.info, versions.get(run.info.run_id)
        made = f"{version.name}/{version.version}" if version else ""
        tags = {**run.data.tags, **(version.tags if version else {})}
        paper = names[info.experiment_id]
        yield Run(info.run_id, paper, info.status, info.start_time, info.end_time, info.artifact_uri, tags, made)


def _grouped(rows: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run, key, value in rows:
        found.setdefault(run, {})[key] = value
    return found
