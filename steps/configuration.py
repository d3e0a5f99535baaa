"""From a paper's name to its configuration, without its recipe: no network is imported."""

from importlib import import_module
from pathlib import Path

from satsr.config.recipe import Config, load
from satsr.config.resolve import paper_block, read_yaml
from satsr.errors import SatsrError


def config_of(paper: str) -> type[Config]:
    """What can be set for ``paper``: the model of ``pipelines/configs/<paper>.py``, looked up by name.

    Raises:
        SatsrError: there is no such paper.
    """
    try:
        module = import_module(f"pipelines.configs.{paper}")
    except ModuleNotFoundError as error:
        if error.name != f"pipelines.configs.{paper}":
            raise
        raise SatsrError(f"no paper is called {paper!r}: there is no pipelines/configs/{paper}.py.") from None
    found: type[Config] = module.CONFIG
    return found


def configuration(paper: str, root: Path) -> Config:
    """The whole configuration of ``paper``, validated.

    Raises:
        SatsrError: the paper or its configuration is not valid.
    """
    paper_block(paper, read_yaml(root / "params.yaml"))
    return load(config_of(paper), paper, root)
