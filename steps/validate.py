"""Stage 3, validate: every frame of the store is checked before anything is trained on it."""

from satsr.files import replacing
from satsr.store.store import Store
from satsr.validate.checks import require, validate
from satsr.validate.suites import suite
from steps.recipes import Job


def run(job: Job) -> None:
    """Leaves ``validation.html`` and ``validation.json``, also when the data fail.

    Raises:
        SatsrError: the data fail; the message lists the offending frames with their files.
    """
    paper, config, layout = job.paper, job.config, job.layout
    store = Store(layout.store)
    store.verify()
    with replacing(layout.validation) as folder:
        folder.mkdir()
        result = validate(store, suite(paper.suite, **paper.limits(config)), folder)
    require(result, layout.validation / "validation.html")
