"""A metric without a value ends nothing: it is NaN, and the reason is said once."""

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from satsr.errors import Undefined


def or_nan(metric: Callable[..., float], *arguments: Any, **settings: Any) -> float:
    """The metric of these arguments; NaN where it is not defined, with its reason on the terminal, once a process.

    Raises:
        SatsrError: what else the metric refuses: images of other sizes or types are a mistake and no matter of content.
    """
    try:
        return metric(*arguments, **settings)
    except Undefined as reason:
        warn(f"{metric.__name__} has no value, and counts as not a number: {reason}")
        return float("nan")


@cache
def warn(sentence: str) -> None:
    """Says a sentence on the terminal, the first time that it is said; of several processes (torchrun) one speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(sentence, file=sys.stderr, flush=True)
