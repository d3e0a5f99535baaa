"""The model zoo as text: for a terminal of 80 columns, and as the tables of ``docs/zoo.md``."""

from collections.abc import Sequence
from textwrap import wrap

from satsr.zoo import PREFIX, REAL, Entry, Measured

BEGIN, END = "<!-- zoo: make zoo writes what follows -->", "<!-- end of zoo -->"
COLUMNS = 80
HEAD = ("model", "kind", "MB", "test scenes", "real imagery")
FOOT = f"""
Gains over bicubic in dB with their 95 % intervals: on the test scenes of its
own data, and on real imagery that no training saw (- where none was at hand).
`satsr upscale IN OUT` takes the first that fits IN, if no champion does;
--model {PREFIX}NAME, or satsr.load("{PREFIX}NAME"), takes one by its name.
What they were made of: docs/zoo.md."""


def text(found: Sequence[Entry]) -> str:
    """What ``satsr zoo`` prints."""
    rows = [HEAD, *(_row(entry) for entry in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    takes = {entry.kind: entry.takes for entry in found}
    kinds = "; ".join(f"{kind}: {words}" for kind, words in takes.items())
    return "\n".join([*lines, "", *wrap(f"Kinds are {kinds}.", COLUMNS), FOOT])


def markdown(found: Sequence[Entry]) -> str:
    """The tables of the page: what each model gains on what, then what each was made of."""
    gains = ["model", "takes", "measured on", "over", "metrics", "baseline, dB", "gain, dB", "in the second", "refused"]
    made = ["model", "MB", "recipe", "data", "commit", "SHA-256", "licence"]
    rows = [_gains(entry, one) for entry in found for one in (entry.test, *entry.unseen)]
    total = f"{len(found)} models, {sum(entry.size for entry in found) / 1e6:.1f} MB."
    return "\n".join([*_table(gains, rows), "", *_table(made, [_made(entry) for entry in found]), "", total])


def placed(page: str, table: str) -> str:
    """A page with the tables between its marks."""
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _row(entry: Entry) -> tuple[str, ...]:
    real = entry.on(REAL)
    gains = (entry.test.gain.text(), real.gain.text() if real else "-")
    return (entry.name, entry.kind, f"{entry.size / 1e6:.1f}", *gains)


def _gains(entry: Entry, on: Measured) -> list[str]:
    """A model on one kind of imagery."""
    seen = "its test scenes" if on is entry.test else f"unseen, {on.imagery}"
    decides, *more = on.gains
    return [
        f"`{entry.name}`",
        entry.takes,
        f"{seen}: {on.data}",
        f"{decides.count} {decides.unit}",
        ", ".join(f"`{gain.metric}`" for gain in on.gains),
        "–" if decides.baseline is None else f"{decides.baseline:.2f}",
        decides.text(),
        ", ".join(gain.text(4) for gain in more) or "–",
        f"{on.refused:.0%}" if on.refused else "–",
    ]


def _made(entry: Entry) -> list[str]:
    made, data = entry.made, entry.made["data"]
    return [
        f"`{entry.name}`",
        f"{entry.size / 1e6:.2f}",
        f"{made['profile']}: {made['train']['iterations']} steps, seed {made['seed']}",
        f"`{data['name']}`, store `{data['store_sha256'][:12]}`",
        f"`{made['commit'][:12]}`",
        f"`{entry.sha256}`",
        entry.licence,
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
