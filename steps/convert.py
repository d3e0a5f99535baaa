"""Stage 2, convert: raw files become the LMDB frame store ``data/lmdb/<paper>``."""

from pathlib import Path

from satsr.config.data import Convert
from satsr.config.resolve import section
from satsr.convert.convert import convert
from satsr.project import Places


def run(paper: str, root: Path) -> None:
    """Decodes, cuts, shrinks and divides the frames.

    Raises:
        SatsrError: a bad section ``convert``, frames that cannot be used, all of them named, or a full disk.
    """
    places = Places(root, paper)
    convert(places.raw, places.store, section(Convert, "convert", paper, root), base=root)
