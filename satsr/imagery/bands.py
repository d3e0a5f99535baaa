"""Which bands of a scene a model gets: by name where there are names, else in the file's order."""

import re
from collections.abc import Sequence

from satsr.errors import SatsrError

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
    known = [canonical(name) for name in names]
    places = [known.index(canonical(name)) for name in wanted if canonical(name) in known]
    if wanted and len(places) == count:
        return places
    if len(names) == count and not (wanted and all(known)):
        return list(range(count))
    raise SatsrError(
        f"the file has {len(names)} bands ({listed}) and the model takes {count} ({', '.join(wanted) or 'unnamed'}): "
        f"say which ones, in the model's order, for instance --bands {','.join(map(str, range(1, count + 1)))}."
    )


def _given(names: Sequence[str | None], count: int, given: Sequence[str], listed: str) -> list[int]:
    known = [canonical(name) for name in names]
    places = []
    for text in given:
        if text.isdigit() and 1 <= int(text) <= len(names):
            places.append(int(text) - 1)
        elif text in names:
            places.append(list(names).index(text))
        elif canonical(text) and canonical(text) in known:
            places.append(known.index(canonical(text)))
        else:
            raise SatsrError(f"--bands names {text!r}, but the file has {len(names)} bands: {listed}.")
    if len(places) != count or len(set(places)) != count:
        raise SatsrError(f"--bands must name {count} different bands for this model, found {','.join(given)}.")
    return places
