"""Where things lie: the project's root (satsr is an application that runs from its repository), and a paper's files."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from satsr.errors import SatsrError

OWN = ("dvc.yaml", "params.yaml", "data/catalog", "models", "pipelines", "satsr", "steps")
"""What of a checkout its stages read."""


def root() -> Path:
    """The folder that holds ``params.yaml`` and ``dvc.yaml``: the nearest one upwards from the working directory.

    ``SATSR_ROOT`` overrides it.

    Raises:
        SatsrError: the command was started outside the project.
    """
    named = os.environ.get("SATSR_ROOT")
    start = Path(named) if named else Path.cwd()
    for folder in (start, *start.resolve().parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder.resolve()
    raise SatsrError(f"{start} is not inside a satsr checkout (no params.yaml and dvc.yaml upwards of it): cd there.")


def checkout() -> Path:
    """The root, from which ``steps`` and ``pipelines`` can be imported from here on, however satsr was installed.

    Raises:
        SatsrError: as :func:`root`.
    """
    found = root()
    if str(found) not in sys.path:
        sys.path.append(str(found))
    return found


def lent(found: Path) -> Path:
    """The file that says what ``params.yaml`` was before a run's settings came into it; absent otherwise.

    Args:
        found: the root.
    """
    return found / "scratch" / "params-lent.json"


def apart(folder: Path) -> Path:
    """A project of its own in ``folder``, with the checkout's code, recipes, cards and settings.

    Stages that are given this root leave the checkout's settings, results and registry as they are.

    Raises:
        SatsrError: as :func:`root`.
    """
    source = checkout()
    for name in OWN:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / name, target)
    return folder.resolve()


@dataclass(frozen=True)
class Places:
    """The paths of one paper."""

    root: Path
    paper: str

    @property
    def raw(self) -> Path:
        """Output of download."""
        return self.root / "data" / "raw" / self.paper

    @property
    def store(self) -> Path:
        """Output of convert."""
        return self.root / "data" / "lmdb" / self.paper

    @property
    def results(self) -> Path:
        """Everything the later stages make."""
        return self.root / "results" / self.paper

    @property
    def validation(self) -> Path:
        """Output of validate."""
        return self.results / "validation"

    @property
    def training(self) -> Path:
        """Output of train."""
        return self.results / "train"

    @property
    def evaluation(self) -> Path:
        """Output of evaluate, beside :attr:`metrics` and :attr:`headline`."""
        return self.results / "evaluation"

    @property
    def metrics(self) -> Path:
        """Every metric of every method with the gains, committed to git."""
        return self.results / "metrics.json"

    @property
    def headline(self) -> Path:
        """The few of them that DVC's tables show, committed to git."""
        return self.results / "headline.json"

    @property
    def export(self) -> Path:
        """Output of export."""
        return self.results / "export"

    @property
    def registration(self) -> Path:
        """Output of register."""
        return self.results / "register"

    @property
    def scratch(self) -> Path:
        """Checkpoints of unfinished trainings and times; not an output."""
        return self.root / "scratch" / self.paper
