"""The model zoo as text: for a terminal of 80 columns, and as the tables of ``docs/zoo.md``."""

from collections.abc import Sequence
from textwrap import wrap

from satsr.zoo import DRAWN, PREFIX, REAL, Entry, Measured

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
    """The tables of the page: gains, then what each was made of."""
    total = sum(entry.size for entry in found) / 1e6
    gains = ["model", "takes", "its test scenes", "drawn scenes of another seed", "real imagery"]
    made = ["model", "MB", "recipe", "data", "commit", "SHA-256", "licence"]
    return "\n".join(
        [
            *_table(gains, [_gains(entry) for entry in found]),
            "",
            *_table(made, [_made(entry) for entry in found]),
            "",
            f"{len(found)} models, {total:.1f} MB.",
        ]
    )


def placed(page: str, table: str) -> str:
    """A page with the tables between its marks."""
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _row(entry: Entry) -> tuple[str, ...]:
    real = entry.on(REAL)
    gains = (entry.test.gain.text(), real.gain.text() if real else "-")
    return (entry.name, entry.kind, f"{entry.size / 1e6:.1f}", *gains)


def _gains(entry: Entry) -> list[str]:
    unseen = [entry.on(imagery) for imagery in (DRAWN, REAL)]
    return [f"`{entry.name}`", entry.takes, _cell(entry.test), *("–" if one is None else _cell(one) for one in unseen)]


def _cell(measured: Measured) -> str:
    """Gains in the metrics that decide, what they are over, and what would be refused."""
    gains = [f"{gain.text(2 + 2 * place)}{'' if place else ' dB'}" for place, gain in enumerate(measured.gains)]
    names = ", ".join(f"`{gain.metric}`" for gain in measured.gains)
    over = f"{measured.gain.count} {measured.gain.unit}: {measured.data}"
    refused = f"; {measured.refused:.0%} refused without `--force`" if measured.refused else ""
    baseline = "" if measured.gain.baseline is None else f" over {measured.gain.baseline:.2f} dB"
    return f"{' / '.join(gains)}{baseline} ({names}); {over}{refused}"


def _made(entry: Entry) -> list[str]:
    made, data = entry.made, entry.made["data"]
    steps = f"{made['train']['iterations']} steps, seed {made['seed']}"
    hashes = f"`{data['name']}`, store `{data['store_sha256'][:12]}`"
    recipe = f"{made['profile']}: {steps}"
    return [
        f"`{entry.name}`",
        f"{entry.size / 1e6:.2f}",
        recipe,
        hashes,
        f"`{made['commit'][:12]}`",
        f"`{entry.sha256}`",
        entry.licence,
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
