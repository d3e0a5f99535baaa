"""A quiet terminal: no telemetry and no chatter from the tools below.

Runs before the tools are imported: ZenML calls :func:`apply` through the entry point group ``zenml.init_hooks`` (so it
must not import zenml), our own doors call it first thing. Only defaults are set; what the user exported stays.
"""

import logging
import os
import sys
import warnings
from pathlib import Path
from types import TracebackType

from satsr.errors import SatsrError

ENVIRONMENT = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # by default a server that is gone holds every call for four minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # a version's dozen files need no bar
    "ORT_DISABLE_TELEMETRY": "1",  # the Linux wheel writes ~/.cache/Microsoft otherwise
    "DVC_NO_ANALYTICS": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads sleep; on shared cores spinning costs ten times the work
}
LEVELS = {
    "great_expectations": logging.WARNING,  # 214 lines at import under ZenML's root handler
    "alembic": logging.WARNING,
    "dvc": logging.WARNING,  # its command line sets its own level
    "mlflow.store.db.utils": logging.CRITICAL,  # tracebacks of SQL; what it means is told as a sentence
    "lightning_fabric": logging.WARNING,
    "lightning.fabric": logging.WARNING,
    "torch.onnx._internal.exporter._registration": logging.ERROR,  # "torchvision is not installed"
}


def apply() -> None:
    """Sets the defaults; safe to call more than once."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    project = Path(__file__).resolve().parents[1]
    if (project / "dvc.yaml").is_file():  # ZenML's state lives in the repository, not in the user's home
        os.environ.setdefault("ZENML_CONFIG_PATH", str(project / ".zenml"))
    if not sys.stdout.isatty():
        os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")  # else colour codes stand in files and pipes
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*", category=FutureWarning)
    orchestrator = logging.getLogger("zenml.orchestrators.local.local_orchestrator")
    if _without_traceback not in orchestrator.filters:
        orchestrator.addFilter(_without_traceback)
    if not isinstance(sys.excepthook, _Sentences):
        sys.excepthook = _Sentences(sys.excepthook)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A step that stopped on a user's mistake has said its sentence already; its traceback is not logged."""
    return not (record.exc_info and isinstance(record.exc_info[1], SatsrError))


class _Sentences:
    """An exception hook that shows a :class:`SatsrError`, and a pipeline that failed, as one line."""

    def __init__(self, previous: object) -> None:
        self.previous = previous

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        pipeline = isinstance(error, RuntimeError) and str(error).startswith("Pipeline run has failed")
        if isinstance(error, SatsrError) or pipeline:
            print(f"error: {error}", file=sys.stderr)
        elif callable(self.previous):
            self.previous(kind, error, trace)
