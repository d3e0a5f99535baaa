"""Stage 1, download: a dataset card, or the user's own folder, becomes ``data/raw/<paper>``."""

from pathlib import Path

from satsr.download.card import load_card
from satsr.download.download import download
from satsr.project import Places
from steps.configuration import configuration


def run(paper: str, root: Path) -> None:
    """Draws, fetches or lists the files; ``raw.json`` says what there is.

    It is the first stage, so it looks at the whole configuration: a bad one stops before any data are touched.

    Raises:
        SatsrError: a bad configuration, or a source that is missing, refused, damaged or empty.
    """
    config = configuration(paper, root)
    download(load_card(config.data, root), Places(root, paper).raw, base=root)
