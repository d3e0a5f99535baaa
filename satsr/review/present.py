"""Whether the registry has what a stage says that it registered: another server may have taken its place."""

from satsr import tracking
from satsr.errors import SatsrError
from satsr.files import read_json
from satsr.project import Places
from satsr.register import decisions


def present(places: Places) -> bool:
    """Whether the version that the finished stage ``register`` names exists and is of the same weights.

    Args:
        places: of the paper.
    """
    made = read_json(places.registration / "registration.json")
    lineage = read_json(places.registration / "manifest.json")["lineage"]
    try:
        found = decisions.version(tracking.client(places.root), made["name"], made["version"])
    except SatsrError:
        return False
    return bool(found.tags.get("lineage") == lineage)
