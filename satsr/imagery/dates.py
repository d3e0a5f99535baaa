"""Dates: those in the names of files, and which dates of a series are taken."""

import re
from datetime import date

import numpy as np

DATE = re.compile(r"(?<!\d)(\d{4})([-_]?)(\d{2})\2(\d{2})(?!\d)")


def date_in(name: str) -> date | None:
    """The first date that stands in a file's name, as ``2018-05-03`` or ``20180503``, if any."""
    for match in DATE.finditer(name):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
    return None


def nearest(days: np.ndarray, count: int) -> list[int]:
    """The ``count`` dates nearest to the wanted one, or all if there are fewer, in the order of the series.

    Args:
        days: (T,) signed, of each date from the wanted one; of two that are equally near the first is taken.
        count: how many.
    """
    return sorted(int(index) for index in np.argsort(np.abs(days), kind="stable")[:count])
