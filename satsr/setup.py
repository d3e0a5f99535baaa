"""State of the tools inside the repository: ZenML's folder, DVC's, MLflow's database. Safe to repeat."""

import logging
from pathlib import Path

from satsr import quiet, tracking
from satsr.errors import redact


def setup(root: Path) -> list[str]:
    """Creates what is missing; one line per thing for the terminal."""
    quiet.apply()
    return [_dvc(root), _mlflow(root), _zenml(root)]


def _dvc(root: Path) -> str:
    from dvc.repo import Repo

    if (root / ".dvc").is_dir():
        return "dvc: ready"
    with Repo.init(str(root), no_scm=not (root / ".git").exists()):
        return "dvc: initialised .dvc"


def _mlflow(root: Path) -> str:
    kept = tracking.uri(root)
    existed = (root / tracking.DATABASE).exists()
    tracking.client(root)
    if kept != tracking.local(root):
        return f"mlflow: ready, at {redact(kept)}"
    return "mlflow: ready" if existed else f"mlflow: created {tracking.DATABASE}"


def _zenml(root: Path) -> str:
    if (root / ".zen").is_dir():
        return "zenml: ready"
    from zenml.client import Client

    logging.disable(logging.WARNING)  # it tells each of its steps, from loggers with levels of their own
    try:
        Client.initialize(root)
        Client(root).active_stack_model  # noqa: B018  # the first access creates the database and the default stack
    finally:
        logging.disable(logging.NOTSET)
    return "zenml: initialised .zen, state in .zenml"
