"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere, always on standard error."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TypeVar

Item = TypeVar("Item")
QUIET_SECONDS = 10.0


class Bar:
    """Counts up to ``total``; use as a context manager.

    On a terminal a bar with the time remaining, where rich is installed; elsewhere one line at most every ten seconds
    and one at the end, so that logs stay short.
    """

    def __init__(self, label: str, total: int, done: int = 0) -> None:
        self.label, self.total, self.done = label, total, done
        self._shown = os.environ.get("RANK", "0") == "0"  # of several processes (torchrun) one speaks
        self._live = self._shown and sys.stderr.isatty() and find_spec("rich") is not None
        self._begin = self._last = time.monotonic()
        self._first, self._told = done, -1
        if self._live:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self._rich = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                TaskProgressColumn(),
                TextColumn("{task.completed}/{task.total} {task.fields[note]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._rich.add_task(label, total=total, completed=done, note="")

    def __enter__(self) -> "Bar":
        if self._live:
            self._rich.start()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if self._live:
            self._rich.stop()
        elif self._shown and kind is None and self._told != self.done:
            self._line("")

    def advance(self, count: int = 1, note: str = "") -> None:
        """Moves on by ``count``; ``note`` stands at the end of the line."""
        self.done += count
        if self._live:
            self._rich.update(self._task, completed=self.done, note=note)
        elif self._shown and time.monotonic() - self._last > QUIET_SECONDS:
            self._line(note)

    def _line(self, note: str) -> None:
        self._last, self._told = time.monotonic(), self.done
        seconds = self._last - self._begin
        line = f"{self.label}: {self.done}/{self.total} in {seconds:.0f} s"
        if self._first < self.done < self.total:
            line += f", {seconds / (self.done - self._first) * (self.total - self.done):.0f} s left"
        print(f"{line} {note}".rstrip(), file=sys.stderr, flush=True)


def track(items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
    """Yields ``items`` with a bar."""
    with Bar(label, total) as bar:
        for item in items:
            yield item
            bar.advance()
