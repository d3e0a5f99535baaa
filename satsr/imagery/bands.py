"""The one grammar of band names, and which bands of a file are meant: by name, else by the file's order."""

import re
from collections.abc import Sequence

from satsr.errors import SatsrError

ORDER = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Sentinel-2's bands in the order of its metadata."""
RGB = ("B04", "B03", "B02")
RED_NIR = {"RED": "B04", "NIR": "B08"}
WORDS: dict[tuple[str, ...], str] = {RGB: "red, green and blue (B04, B03, B02)"}
COLOURS = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge": "B05",
    "nir": "B08",
    "b": "B02",
    "g": "B03",
    "r": "B04",
    "n": "B08",
}


def canonical(name: str | None) -> str:
    """A band's name as Sentinel-2 writes it, ``B04`` for ``b4``, ``Band 4``, ``B4_10m``, ``red``; empty if unknown."""
    text = (name or "").strip().lower()
    if text in COLOURS:
        return COLOURS[text]
    found = re.fullmatch(r"(?:b|band)[ _-]?0*(\d{1,2})(a?)(?:[ _-].*)?", text)
    if found is None:
        return ""
    return f"B{int(found[1])}A" if found[2] else f"B{int(found[1]):02d}"


def places(names: Sequence[str | None], wanted: Sequence[str]) -> list[int]:
    """Where the wanted bands stand among some, in the order wanted; those that are not there are left out."""
    known = [canonical(name) for name in names]
    return [known.index(band) for band in map(canonical, wanted) if band and band in known]


def assumed(count: int, names: Sequence[str | None], where: str) -> list[str | None]:
    """Names for the bands of a file: its own, or by custom where it gives none.

    Three or four bands without names are red, green, blue (and near infrared), ten or more are Sentinel-2's in its own
    order, which begins with B01, B02, B03, B04.

    Args:
        count: number of bands.
        names: of the bands, None where a band has none.
        where: the file, for messages.

    Raises:
        SatsrError: another number of bands without names.
    """
    if any(names):
        return list(names)
    if count not in (3, 4) and count < 10:
        raise SatsrError(
            f"{where} has {count} bands without names: call them B04, B03 and B02 (or red, green and blue)."
        )
    custom: list[str | None] = [*RGB, "B08"] if count <= 4 else [*ORDER[:8], *[None] * (count - 8)]
    return custom[:count]


def find(count: int, names: Sequence[str | None], wanted: Sequence[str], where: str) -> list[int]:
    """The places of the wanted bands in a file for training, told as :func:`assumed` tells them.

    Raises:
        SatsrError: one of them is not there, or it cannot be told.
    """
    known = assumed(count, names, where)
    found = places(known, wanted)
    if len(found) < len(wanted):
        raise SatsrError(
            f"{where} has the bands {', '.join(str(name) for name in known)}, of which "
            f"{WORDS.get(tuple(wanted), ', '.join(wanted))} are not all there: name them, or give a file that has them."
        )
    return found


def red_and_nir(count: int, names: Sequence[str | None], where: str) -> list[str]:
    """Which of ``RED`` and ``NIR`` a file has, told as :func:`assumed` tells bands.

    Raises:
        SatsrError: it cannot be told, or neither is there.
    """
    known = assumed(count, names, where)
    found = [word for word, band in RED_NIR.items() if places(known, [band])]
    if not found:
        listed = ", ".join(str(name) for name in known)
        raise SatsrError(f"{where} has the bands {listed}: neither red (B04) nor near infrared (B08) is there.")
    return found


def pick(names: Sequence[str | None], wanted: Sequence[str], count: int, given: Sequence[str] = ()) -> list[int]:
    """Which bands of a file go to a model, in the model's order.

    Args:
        names: of the file's bands, None or empty where they have none.
        wanted: names of the model's bands; empty if they have none.
        count: of the model's bands.
        given: the user's choice, as names or numbers from 1; empty for none.

    Returns:
        Indices from 0.

    Raises:
        SatsrError: there are too few, the choice names what is not there, the names say that these are other bands, or
            there are more than the model takes and the names do not say which.
    """
    listed = ", ".join(name or f"(unnamed {index})" for index, name in enumerate(names, 1)) if any(names) else "unnamed"
    if given:
        return _given(names, count, given, listed)
    if len(names) < count:
        raise SatsrError(
            f"the model takes {count} bands ({', '.join(wanted) or 'unnamed'}), but the file has {len(names)}: "
            f"{listed}. Use another model, or stack the missing bands."
        )
    found = places(names, wanted)
    if wanted and len(found) == count:
        return found
    if len(names) == count and not (wanted and all(map(canonical, names))):
        return list(range(count))
    raise SatsrError(
        f"the file has {len(names)} bands ({listed}) and the model takes {count} ({', '.join(wanted) or 'unnamed'}): "
        f"say which ones, in the model's order, for instance --bands {','.join(map(str, range(1, count + 1)))}."
    )


def _given(names: Sequence[str | None], count: int, given: Sequence[str], listed: str) -> list[int]:
    found = []
    for text in given:
        if text.isdigit() and 1 <= int(text) <= len(names):
            found.append(int(text) - 1)
        elif text in names:
            found.append(list(names).index(text))
        elif place := places(names, [text]):
            found += place
        else:
            raise SatsrError(f"--bands names {text!r}, but the file has {len(names)} bands: {listed}.")
    if len(found) != count or len(set(found)) != count:
        raise SatsrError(f"--bands must name {count} different bands for this model, found {','.join(given)}.")
    return found
