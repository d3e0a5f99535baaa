"""From a paper's name to its configuration, without its recipe: no network is imported."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from satsr.config.recipe import Config, load
from satsr.config.resolve import paper_block, read_yaml
from satsr.errors import SatsrError, meant


def named(module: str, attribute: str, paper: str) -> Any:
    """What ``module`` of ``paper`` holds, looked up by name so that nothing here lists the papers.

    Raises:
        SatsrError: there is no such module.
    """
    if not paper.isidentifier() or paper.startswith("_"):
        raise SatsrError(f"no paper is called {paper!r}: a paper's name is that of its file, such as rasvsr.")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        papers = [found.name for found in iter_modules(import_module(module.rpartition(".")[0]).__path__)]
        raise SatsrError(
            f"no paper is called {paper!r}{meant(paper, papers)}: there is no {module.replace('.', '/')}.py."
        ) from None


def config_of(paper: str) -> type[Config]:
    """What can be set for ``paper``: the model of ``pipelines/configs/<paper>.py``.

    Raises:
        SatsrError: there is no such paper.
    """
    found: type[Config] = named(f"pipelines.configs.{paper}", "CONFIG", paper)
    return found


def configuration(paper: str, root: Path) -> Config:
    """The whole configuration of ``paper``, validated.

    Raises:
        SatsrError: the paper or its configuration is not valid.
    """
    paper_block(paper, read_yaml(root / "params.yaml"))
    return load(config_of(paper), paper, root)
