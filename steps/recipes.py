"""From a paper's name to its recipe, its configuration and its files."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from satsr.config import Config, load, paper_block, read_yaml
from satsr.errors import SatsrError
from satsr.paper import Paper
from satsr.project import Layout


@dataclass(frozen=True)
class Job:
    """All that a stage works with."""

    paper: Paper
    config: Config
    layout: Layout


def recipe(paper: str) -> Paper:
    """The recipe in ``pipelines/<paper>.py``, looked up by name so that nothing here lists the papers.

    Raises:
        SatsrError: there is no such recipe.
    """
    try:
        module = import_module(f"pipelines.{paper}")
    except ModuleNotFoundError as error:
        if error.name != f"pipelines.{paper}":
            raise
        raise SatsrError(f"no paper is called {paper!r}: there is no pipelines/{paper}.py.") from None
    return cast(Paper, module.PAPER)


def job(paper: str, root: Path) -> Job:
    """The recipe of ``paper`` with its configuration, validated.

    Raises:
        SatsrError: the paper or its configuration is not valid.
    """
    paper_block(paper, read_yaml(root / "params.yaml"))
    found = recipe(paper)
    return Job(found, load(found.config, paper, root), Layout(root, paper))
