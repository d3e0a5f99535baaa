"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere, always on standard error."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any, TypeVar

Item = TypeVar("Item")
QUIET_SECONDS = 10.0
LABEL, LONGEST, SHORTEST = 10, 28, 6
"""Characters of the label's column, and of the longest and the shortest bar."""


class Bar:
    """Counts up to ``total``; use as a context manager.

    On a terminal one line that is redrawn and goes away at the end, where rich is installed; elsewhere a line every ten
    seconds, so that logs stay short, and none for work that is done sooner. Bars that are made in the same thread while
    one is entered that ``gathers`` move that one on and show none of their own.
    """

    def __init__(self, label: str, total: int, done: int = 0, gathers: bool = False) -> None:
        self.label, self.total, self.done, self.note = label, total, done, ""
        self.part = 0.0  # of the next one, which another bar tells
        self._around, self._gathers = _gathering.get(), gathers
        # Of several processes (torchrun) one speaks.
        self._shown = os.environ.get("RANK", "0") == "0" and self._around is None
        self._live = _display(self) if self._shown and _redraws() else None
        self._begin = self._last = self._moved = time.monotonic()
        self._first, self._told = done, done

    def __enter__(self) -> "Bar":
        if self._live:
            self._live.start()
        if self._gathers:
            _gathering.set(self)
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if self._gathers:
            _gathering.set(None)
        if self._live:
            self._live.stop()
        elif self._shown and kind is None and self._first != self._told != self.done:
            self._line()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Moves on by ``count``; ``note`` is words that stand at the end of the line, a loss before the others."""
        self.done, self.note, self.part, self._moved = self.done + count, note, 0.0, time.monotonic()
        if self._around is not None:
            self._around.within(self.done / self.total if self.total else 1.0)
        self._tell()

    def within(self, part: float) -> None:
        """Says that a share (0..1) of the next one is done."""
        if self.part < (part := min(part, 1.0)):
            self.part, self._moved = part, time.monotonic()
        self._tell()

    @property
    def share(self) -> float:
        """Of the whole, in 0..1."""
        return (self.done + self.part) / self.total if self.total else 1.0

    def _tell(self) -> None:
        if self._shown and not self._live and time.monotonic() - self._last > QUIET_SECONDS:
            self._line()

    def spent(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begin

    def left(self) -> float | None:
        """Seconds that remain at the speed until the last step; None before one was done.

        They run down during a step, and stand still where it takes longer than those before: at 0 in the last one.
        """
        done, rest = self.done + self.part - self._first, self.total - self.done - self.part
        if not done:
            return None
        each = (self._moved - self._begin) / done
        return each * rest - min(time.monotonic() - self._moved, each * min(rest, 1))

    def _line(self) -> None:
        self._last, self._told = time.monotonic(), self.done
        line = f"{self.label}: {self.done}/{self.total} in {duration(self._last - self._begin)}"
        left = self.left()
        if left and self.done < self.total:
            line += f", {duration(left)} left"
        print(f"{line} {self.note}".rstrip(), file=sys.stderr, flush=True)


_gathering: ContextVar[Bar | None] = ContextVar("gathering", default=None)


def track(items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
    """Yields ``items`` with a bar."""
    with Bar(label, total) as bar:
        for item in items:
            yield item
            bar.advance()


def announce(label: str) -> None:
    """Says on a terminal what goes on, until the next line takes the place of this one."""
    if _redraws():
        print(f"{label:<{LABEL}} ...", end="\r", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """``4 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def fitted(bar: Bar, width: int, marks: str = "━─") -> str:
    """The bar as a line of at most ``width`` characters.

    Label, share, time left (before the first step is done, the time spent) and the note's first word come first; then
    the bar itself, the count, and the note's other words, as far as there is room.

    Args:
        bar: what is done.
        width: in characters.
        marks: of which the bar is drawn, done and to do.
    """
    left, words = bar.left(), sorted(bar.note.split(), key=lambda word: not word.startswith("loss"))
    for_now = "" if bar.share >= 1 else f"{duration(bar.spent())} so far"  # one long step: it is seen that time goes by
    share = min(bar.share, 1.0)
    begin = f"{bar.label:<{LABEL}} {share:4.0%}"
    parts = [for_now if left is None else f"{duration(left)} left", *words[:1]]
    tail = "  ".join(filter(None, parts))
    room = width - len(begin) - len(tail) - 4
    drawn = min(LONGEST, room) if room >= SHORTEST else 0
    line = f"{begin}  {_marks(share, drawn, marks)}{'  ' if drawn else ''}{tail}"
    for word in (f"{bar.done}/{bar.total}", *words[1:]):
        if len(line) + 2 + len(word) > width:
            break
        line += f"  {word}"
    return line[:width].rstrip()


def _marks(share: float, length: int, marks: str) -> str:
    full = int(min(1.0, share) * length)
    return marks[0] * full + marks[1] * (length - full)


def _redraws() -> bool:
    """Whether standard error is a terminal on which a line can be written again."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and find_spec("rich") is not None


def _display(bar: Bar) -> Any:
    """What draws ``bar`` four times a second while other lines pass above it."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    marks = "━─" if (sys.stderr.encoding or "").lower().startswith("utf") else "#-"
    console = Console(stderr=True, highlight=False)

    class Line:
        def __rich__(self) -> Text:
            return Text(fitted(bar, console.width - 1, marks), no_wrap=True, overflow="crop", end="")

    return Live(Line(), console=console, transient=True, refresh_per_second=4)
