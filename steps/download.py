"""Stage 1, download: a dataset card, or the user's own folder, becomes ``data/raw/<paper>``."""

from satsr.download.card import load_card
from satsr.download.download import download
from steps.recipes import Job


def run(job: Job) -> None:
    """Draws, fetches or lists the files; ``raw.json`` says what there is.

    Raises:
        SatsrError: the source is missing, refused, damaged or empty.
    """
    layout = job.layout
    download(load_card(job.config.data, layout.root), layout.raw, base=layout.root)
