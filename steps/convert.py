"""Stage 2, convert: raw files become the LMDB frame store ``data/lmdb/<paper>``."""

from satsr.data.convert import convert
from steps.recipes import Job


def run(job: Job) -> None:
    """Decodes, cuts, shrinks and divides the frames.

    Raises:
        SatsrError: frames that cannot be used, all of them named, or a full disk.
    """
    layout = job.layout
    convert(layout.raw, layout.store, base=layout.root, **job.config.convert.model_dump())
