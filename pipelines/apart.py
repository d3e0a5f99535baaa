"""What must be so before steps are sent to machines that share no disk: said here, not by the first pod that fails."""

import subprocess
from pathlib import Path

from zenml.client import Client

from satsr import tracking
from satsr.config.resolve import paper_block, read_yaml
from satsr.download.card import load_card
from satsr.errors import SatsrError
from satsr.remote import REMOTE
from steps.remote import Remote, opened


def require_reachable(paper: str, root: Path) -> None:
    """Refuses a run on a stack of other machines that would not find the data, the cache or the registry.

    Raises:
        SatsrError: one of them is only on this machine.
    """
    stack = Client().active_stack
    if not stack.orchestrator.config.is_remote:
        return
    elsewhere = f"the steps of the stack {stack.name} run on other machines"
    with opened(root) as repo:
        if not Remote(repo, root).address and REMOTE not in stack.environment:
            raise SatsrError(
                f"{elsewhere} and share no disk: `satsr setup --remote s3://bucket/prefix` sets the DVC remote through "
                "which they find each other's files."
            )
    if tracking.uri(root) == tracking.local(root):
        raise SatsrError(
            f"{elsewhere}, and MLflow's store is {tracking.DATABASE} here: put a server's address into "
            "MLFLOW_TRACKING_URI, or an experiment tracker into the stack."
        )
    for place in _data(paper, root):
        if not _travels(place, root):
            raise SatsrError(
                f"{elsewhere}, and {place} is neither in git nor kept by DVC, so that it would reach none of them: "
                f"`dvc add {place} && dvc push` inside the project, or name an address to fetch it from in a card."
            )


def _data(paper: str, root: Path) -> list[str]:
    """The card, and the files that it names."""
    named = str(paper_block(paper, read_yaml(root / "params.yaml"))["data"])
    files = load_card(named, root).source.files
    return [named, *([files.path] if files and files.path != named else [])]


def _travels(place: str, root: Path) -> bool:
    """Whether a clone has it, or can fetch it."""
    path = root / place
    if not path.resolve().is_relative_to(root):
        return False
    if Path(f"{path}.dvc").exists():
        return True
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", place]
    return bool(subprocess.run(listed, cwd=root, capture_output=True, text=True).stdout)
