"""Stage 2, convert: raw files become the LMDB frame store ``data/lmdb/<paper>``."""

from satsr.convert.convert import Recipe, convert
from steps.recipes import Job


def run(job: Job) -> None:
    """Decodes, cuts, shrinks and divides the frames.

    Raises:
        SatsrError: frames that cannot be used, all of them named, or a full disk.
    """
    layout = job.layout
    settings = job.config.convert.model_dump(exclude={"workers"})
    convert(layout.raw, layout.store, Recipe(**settings), workers=job.config.convert.workers, base=layout.root)
