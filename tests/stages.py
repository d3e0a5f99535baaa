"""A project in a folder of its own whose stages are run in this process, as ``python -m steps`` runs them."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from satsr.config.resolve import read_yaml
from satsr.project import Places
from steps.job import Job, job

ROOT = Path(__file__).resolve().parents[1]


def project(root: Path, paper: str, card: str, settings: dict[str, Any]) -> Places:
    """The project's code, one dataset card, and ``params.yaml`` with the settings of one paper.

    Args:
        root: an existing folder.
        paper: the only one.
        card: the dataset card's text, or the name of one in ``data/catalog`` with replacements made in it.
        settings: sections of its block in ``params.yaml``.
    """
    for name in ("models", "satsr", "steps", "pipelines", "dvc.yaml"):
        (root / name).symlink_to(ROOT / name)
    (root / "tiny.yaml").write_text(card)
    configure(root, paper, settings)
    return Places(root, paper)


def configure(root: Path, paper: str, settings: dict[str, Any]) -> None:
    """Writes the settings of the paper."""
    rooms = read_yaml(ROOT / "params.yaml")["papers"][paper]["rooms"]
    with (root / "params.yaml").open("w") as handle:
        YAML().dump({"papers": {paper: {"rooms": rooms, "data": "tiny.yaml", **settings}}}, handle)


def run(root: Path, paper: str, *stages: str) -> Job:
    """Runs the stages; the paper with its configuration and files."""
    for stage in stages:
        import_module(f"steps.{stage}").run(paper, root)
    return job(paper, root)
