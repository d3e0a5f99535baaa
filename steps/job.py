"""From a paper's name to its recipe, bound to its configuration, and its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.paper import Paper
from satsr.project import Places
from steps.configuration import configuration, named


@dataclass(frozen=True)
class Job:
    """All that the stages from training on work with."""

    paper: Paper[Any]
    places: Places

    @property
    def config(self) -> Any:
        """The configuration that the paper is bound to."""
        return self.paper.config


def recipe(paper: str) -> type[Paper[Any]]:
    """The recipe in ``pipelines/<paper>.py``.

    Raises:
        SatsrError: there is no such recipe.
    """
    found: type[Paper[Any]] = named(f"pipelines.{paper}", "PAPER", paper)
    return found


def job(paper: str, root: Path) -> Job:
    """The recipe of ``paper`` with its configuration, validated.

    Raises:
        SatsrError: the paper or its configuration is not valid.
    """
    config = configuration(paper, root)
    return Job(recipe(paper)(config), Places(root, paper))
