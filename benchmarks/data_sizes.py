"""What each published data set is in the store, once, ten and a hundred times, for the table in ``docs/clusters.md``.

``python -m benchmarks.data_sizes [paper...]`` draws data of the published form and size, few in number
(``tests/published.py``), converts them, and scales bytes and processor time by how many the published
data set has. What a network sends is computed; the hours of a GPU are the estimates of ``docs/paper-runs.md``, and so
is what they cost at :data:`DOLLARS`.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.training_sizes import HOURS, published
from satsr.files import read_json
from satsr.store.store import MANIFEST
from tests import stages

SCENES = {
    "rasvsr": (431 * 100, 12, "frames"),
    "msdtgp": (199 * 100, 8 + 4 * (192 / 640) ** 2, "frames"),
    "qanet": (1450, 3, "image sets"),
    "breizhsr": (52_255, 4, "series"),
}
"""By paper: how many the published data set has, how many are drawn, of what. SRGAN's pairs are not public."""
DOLLARS = 3.0
"""Of an hour of one H200: an assumption."""
TIMES = (1, 10, 100)
REPEATS = 5
HEAD = (
    *("data of", "times", "arrays in the store", "its manifest", "processor time to convert"),
    *("sent at 1 Gbit/s", "at 10 Gbit/s"),
)
COST = ("recipe", "hours of one H200", f"at {DOLLARS:.0f} dollars an hour")


def rows(paper: str, folder: Path) -> Iterator[list[str]]:
    """The rows of a paper's data set."""
    whole, drawn, what = SCENES[paper]
    work = published(paper, folder)
    stages.run(folder, paper, "download")
    seconds = _converting(folder, paper, work.places.store) / drawn
    manifest = (work.places.store / MANIFEST).stat().st_size / drawn
    size = read_json(work.places.store / MANIFEST)["bytes"] / drawn
    for times in TIMES:
        count = whole * times
        sent = 8 * count * size
        yield [
            *(f"{paper}, {count:,} {what}", f"{times}", _bytes(count * size), _bytes(count * manifest)),
            *(_hours(count * seconds / 3600), _hours(sent / 1e9 / 3600), _hours(sent / 10e9 / 3600)),
        ]


def _converting(folder: Path, paper: str, store: Path) -> float:
    """Processor seconds of the conversion, the fewest of :data:`REPEATS` times: other work beside lengthens them."""
    seconds = []
    for _ in range(REPEATS):
        shutil.rmtree(store, ignore_errors=True)
        begin = time.process_time()
        stages.run(folder, paper, "convert")
        seconds.append(time.process_time() - begin)
    return min(seconds)


def _bytes(size: float) -> str:
    return next(f"{size / unit:.1f} {name}" for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if size >= unit)


def _hours(hours: float) -> str:
    return f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _table(head: tuple[str, ...], cells: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *cells))


if __name__ == "__main__":
    found: list[list[str]] = []
    for name in sys.argv[1:] or SCENES:
        with tempfile.TemporaryDirectory(prefix="satsr-sizes-") as place:
            found += rows(name, Path(place))
    print(_table(HEAD, found))
    print()
    print(_table(COST, [[name, f"{hours}", f"{DOLLARS * hours:.0f} dollars"] for name, hours in HOURS.items()]))
