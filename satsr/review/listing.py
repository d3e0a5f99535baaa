"""Model versions as tables for the terminal: the list of a model, and a comparison."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from satsr.register import decisions
from satsr.register.registry import CHAMPION

if TYPE_CHECKING:
    from satsr.review.paired import Pair

COLUMNS = (
    "version",
    "alias",
    "PSNR",
    "gain over bicubic",
    "vs champion",
    "SSIM",
    "parity",
    "MB",
    "ms",
    "data",
    "code",
    "age",
    "gates",
    "review",
)

LEAST = ("parity", "ms", "MB", "code", "data", "SSIM", "age", "vs champion", "PSNR")
"""Columns that a narrow terminal does without, the first first."""
INDENT = "  "


def listing(client: Any, name: str) -> str:
    """All versions of a model, newest first, each beside the champion where data and convention are the same."""
    versions = decisions.versions(client, name)
    champion = next((row for row in versions if CHAMPION in row.aliases), None)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = fitting([COLUMNS, *(_row(version, champion) for version in versions)], columns)
    psnr, ssim = ([*versions[0].decides, "", ""] if versions else ["", ""])[:2]
    return "\n".join([f"{name} (PSNR is {psnr}, SSIM is {ssim})", *(INDENT + line for line in lines)])


def fitting(rows: Sequence[Sequence[str]], columns: int | None) -> list[str]:
    """The lines of a list; where they would be too long for a terminal, without their :data:`LEAST` columns.

    Args:
        rows: the headings, then a version each.
        columns: of the terminal; None where nobody reads on one.
    """
    lines = _aligned(rows)
    if columns is None or max(map(len, lines)) + len(INDENT) <= columns:
        return lines
    rows = [[cell.partition(", 95 %")[0] for cell in row] for row in rows]
    for name in LEAST:
        lines = _aligned(rows)
        if max(map(len, lines)) + len(INDENT) <= columns:
            break
        place = rows[0].index(name)
        rows = [[*row[:place], *row[place + 1 :]] for row in rows]
    return [*_aligned(rows), "`satsr review | cat` shows all columns"]


def comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of :func:`satsr.review.compare.table`, numbers as on the page."""
    from satsr.pages import page

    shown = page.table(rows)
    headings = [note or title for title, note in shown.columns]
    return "\n".join(_aligned([headings, *([cell.text for cell in row] for row in shown.rows)]))


def answers(found: "Sequence[Pair]") -> list[str]:
    """The differences between versions with their intervals, and whether they can be told apart."""
    lines = []
    for pair in found:
        rows = [[str(row[key]) for key in ("metric", "difference", "over", "answer")] for row in pair.rows()]
        lines += [f"{pair.version} against {pair.other}", *("  " + line for line in _aligned(rows))]
        lines += [f"  {note}" for note in pair.notes()]
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(version: decisions.Version, champion: decisions.Version | None) -> tuple[str, ...]:
    tags = version.tags
    psnr, ssim = (version.metric(name) for name in ([*version.decides, "", ""])[:2])
    commit = tags.get("git.commit", "?")[:8] + ("+" if tags.get("git.dirty") == "True" else "")
    return (
        str(version.number),
        ",".join(version.aliases) or "-",
        "?" if psnr is None else f"{psnr:.2f}",
        tags.get(f"gain.{version.decides[0]}", "?") if version.decides else "?",
        _against(version, champion),
        "?" if ssim is None else f"{ssim:.4f}",
        f"{float(tags.get('onnx.parity_max_abs', 'nan')):.0e}",
        f"{float(tags.get('onnx.megabytes', 'nan')):.1f}",
        f"{float(tags.get('cost.milliseconds', 'nan')):.0f}",
        tags.get("data.sha256", "?")[:8],
        commit,
        _age(version.created),
        tags.get("gates", "?"),
        tags.get("review", "?"),
    )


def _against(version: decisions.Version, champion: decisions.Version | None) -> str:
    if champion is None:
        return "no champion"
    if champion.number == version.number:
        return "champion"
    if any(version.tags.get(tag) != champion.tags.get(tag) for tag in decisions.COMPARABLE):
        return "other data"
    ours, theirs = (row.metric(champion.decides[0]) for row in (version, champion))
    return "?" if ours is None or theirs is None else f"{round(ours - theirs, 2) + 0.0:+.2f} dB"


def _age(created: datetime) -> str:
    seconds = (datetime.now(UTC) - created).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
