"""How places, or the parts of one, are shared out to train, val and test.

What comes last is for testing, what comes before it for validation: so that val lies between train and test where one
place has to serve for all three.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from satsr.errors import SatsrError

HELD = ("val", "test")
MIN_TO_TEST, MIN_TO_VALIDATE = 2, 5
"""From so many places on a whole one tests, and whole ones validate; of fewer, a part of each validates."""


class Shares(NamedTuple):
    """Shares of what there is, between 0 and 1."""

    val: float
    test: float


class Plan(NamedTuple):
    """Who does what.

    Attributes:
        whole: the split of each place, in natural order.
        within: the splits that are cut out of each place that trains.
    """

    whole: tuple[str, ...]
    within: frozenset[str]


def share_out(count: int, missing: Collection[str], shares: Shares, what: str, *, divisible: bool = True) -> Plan:
    """Assigns whole places: the last test, those before them validate.

    With fewer than five places the validation is cut out of those that train, and so is the test out of a single one.

    Args:
        count: number of places, in natural order.
        missing: which of val and test are wanted; the data may have brought the others.
        shares: of the places; at least one.
        what: a place is called in a message.
        divisible: whether a place can be divided.

    Raises:
        SatsrError: too few places.
    """
    least = {"val": MIN_TO_VALIDATE, "test": MIN_TO_TEST} if divisible else dict.fromkeys(HELD, 1)
    held = {
        split: max(1, round(count * getattr(shares, split))) if split in missing and count >= least[split] else 0
        for split in HELD
    }
    train = count - sum(held.values())
    if train < 1:
        wanted = ["train", *(split for split in HELD if split in missing)]
        raise SatsrError(
            f"{count} {what}{'s' * (count > 1)} cannot be divided into {', '.join(wanted)}: add others until there are "
            f"{len(wanted)} or more, or lower the shares."
        )
    whole = ("train",) * train + ("val",) * held["val"] + ("test",) * held["test"]
    return Plan(whole, frozenset(split for split in missing if not held[split]))


def cut(count: int, shares: Shares, within: Collection[str]) -> tuple[str | None, ...] | None:
    """The split of each part of one place, in a row: train, then val, then test.

    Where the place tests but does not validate, the parts that would validate are None: a margin.

    Args:
        count: number of parts, in a row: frames in time, rows or columns of tiles.
        shares: of the parts; at least one.
        within: which of val and test are cut out.

    Returns:
        None where there are too few parts.
    """
    test = max(1, round(count * shares.test)) if "test" in within else 0
    val = max(1, round(count * shares.val)) if within else 0
    if count - val - test < 1:
        return None
    middle = "val" if "val" in within else None
    return ("train",) * (count - val - test) + (middle,) * val + ("test",) * test


def in_rows(rows: Sequence[Sequence[float]], shares: Shares, within: Collection[str]) -> list[str | None] | None:
    """The split of each tile of one place, in strips across its longer side.

    Args:
        rows: two coordinates of each tile; equal ones lie in one row, or in one column.
        shares: of the rows; of the tiles where there are too few rows.
        within: which of val and test are cut out.

    Returns:
        None where there are too few tiles.
    """
    axis = int(len({row[1] for row in rows}) >= len({row[0] for row in rows}))
    for keys in ([(row[axis],) for row in rows], [(row[axis], row[1 - axis]) for row in rows]):
        ordered = sorted(set(keys))
        splits = cut(len(ordered), shares, within)
        if splits is not None:
            found = dict(zip(ordered, splits, strict=True))
            return [found[key] for key in keys]
    return None
