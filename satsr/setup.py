"""State of the tools inside the repository: ZenML's folder, DVC's, MLflow's database. Safe to repeat."""

import logging
import uuid
from pathlib import Path

from satsr import quiet, tracking
from satsr.errors import redact
from satsr.locks import locked
from satsr.remote import NAME, described, unserved, untaken


def setup(root: Path, remote: str | None = None) -> list[str]:
    """Creates what is missing; one line per thing for the terminal.

    Args:
        root: of the project.
        remote: the address of a DVC remote, such as ``s3://bucket/prefix`` or a folder, that becomes this project's.

    Raises:
        SatsrError: the remote cannot be written, or there are credentials in its address.
    """
    quiet.apply()
    with locked(root / "scratch" / "setup", waiting="satsr setup is running in another process here: waiting for it"):
        lines = [_dvc(root), _mlflow(root), _zenml(root)]
        return [*lines, _remote(root, remote)] if remote else lines


def _dvc(root: Path) -> str:
    from dvc.repo import Repo

    if (root / ".dvc").is_dir():
        return "dvc: ready"
    with Repo.init(str(root), no_scm=not (root / ".git").exists()):
        return "dvc: initialised .dvc"


def _remote(root: Path, url: str) -> str:
    """Makes it DVC's default remote, in ``.dvc/config``, which belongs into git."""
    from dvc.config import ConfigError
    from dvc.repo import Repo

    settings = described(url)
    trial = {"core": {"remote": NAME}, "remote": {NAME: settings}}
    try:
        opened = Repo(str(root), config=trial)
    except ConfigError as error:
        raise unserved(url, error) from None
    with opened as repo:
        try:
            there = repo.cloud.get_remote_odb(None, "push")
            file = there.fs.join(there.path, f"satsr-setup-{uuid.uuid4().hex}")
            there.fs.makedirs(there.fs.parent(file))
            there.fs.pipe(file, b"written by satsr setup --remote, and removed\n")
            there.fs.remove(file)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # of whichever storage it is
            raise untaken(url, error) from None
    with Repo(str(root)) as repo, repo.config.edit("repo") as config:
        config.setdefault("core", {})["remote"] = NAME
        config.setdefault("remote", {})[NAME] = settings
    return f"remote: {url}, written and read; commit .dvc/config, and other clones know it"


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
