"""Stage 3, validate: every frame of the store is checked before anything is trained on it."""

from pathlib import Path

from satsr.config.data import Checks, Convert
from satsr.config.resolve import section
from satsr.files import replacing
from satsr.project import Places
from satsr.store.store import Store
from satsr.validate.checks import require, validate
from satsr.validate.suites import chosen


def run(paper: str, root: Path) -> None:
    """Leaves ``validation.html`` and ``validation.json``, also when the data fail.

    Raises:
        SatsrError: a bad section ``checks``, or the data fail; the message lists the offending frames with their files.
    """
    places = Places(root, paper)
    suite = chosen(section(Checks, "checks", paper, root), section(Convert, "convert", paper, root))
    store = Store(places.store)
    store.verify()
    with replacing(places.validation) as folder:
        folder.mkdir()
        result = validate(store, suite, folder)
    require(result, places.validation / "validation.html")
