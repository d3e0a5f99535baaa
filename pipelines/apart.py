"""Steps on machines that share no disk: what must be so before they are sent, and what is said when one has failed."""

import subprocess
from pathlib import Path
from typing import Any

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse

from satsr import tracking
from satsr.config.resolve import paper_block, read_yaml
from satsr.download.card import load_card
from satsr.errors import SatsrError
from satsr.remote import REMOTE
from steps.remote import Remote, opened

KILLED = "it ended without a word, as when its pod was removed or wanted more memory than it may have."


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


def watched() -> str:
    """Where the steps of the active stack can be watched whose orchestrator is silent while they run, else nothing."""
    orchestrator: Any = Client().active_stack.orchestrator
    if orchestrator.flavor != "kubernetes":
        return ""
    namespace = orchestrator.config.kubernetes_namespace
    return f"the steps run as jobs of Kubernetes: kubectl --namespace {namespace} get jobs"


def require_success(run: PipelineRunResponse | None) -> None:
    """Refuses a run that has ended otherwise: ZenML's orchestrator for Kubernetes waits for its pods and says nothing.

    Args:
        run: as ZenML's server has it after the submission; a run that goes on elsewhere is no failure.

    Raises:
        SatsrError: it failed or was stopped.
    """
    if run is None or not run.status.is_finished or run.status.is_successful:
        return
    failed = Client().list_run_steps(pipeline_run_id=run.id, status=ExecutionStatus.FAILED, hydrate=True).items
    reasons = [f"{one.name}: {(one.exception_info and one.exception_info.message) or KILLED}" for one in failed]
    raise SatsrError(f"the run {run.name} {'failed' if run.status.is_failed else 'was stopped'}. {' '.join(reasons)}")


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
