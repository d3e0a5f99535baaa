"""The one error a user meets: a sentence that says what was expected, what was found, and what to do."""

import signal
from collections.abc import Sequence


class SatsrError(Exception):
    """Bad input or a broken environment, told as a sentence with its fix.

    The doors (``python -m steps``, ``satsr``) print it without a traceback and exit with code 1. Library code raises it
    for whatever a user can cause; programming errors stay ordinary exceptions.
    """


class Interrupted(Exception):
    """Training stopped on a signal after saving; ``code`` is the exit code that shells expect."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} at step {step}; the same command goes on from here")
        self.code = 128 + number


def listed(claim: str, problems: Sequence[str], limit: int = 200) -> str:
    """A message with one problem a line."""
    more = [f"... and {len(problems) - limit} more"] if len(problems) > limit else []
    return "\n  ".join([f"{claim} ({len(problems)} found):", *problems[:limit], *more])
