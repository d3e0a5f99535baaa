"""A quiet terminal: no telemetry and no chatter from the tools below.

Runs before the tools are imported: ZenML calls :func:`apply` through the entry point group ``zenml.init_hooks`` (so it
must not import zenml), our own doors call it, or :func:`calm` where they only read, first thing. Only defaults are set;
what the user exported stays.
"""

import atexit
import gc
import logging
import os
import sys
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType

from satsr.errors import Interrupted, SatsrError

VERBOSE = "SATSR_VERBOSE"
"""Environment variable that brings back what the tools below say of themselves."""
ARRIVING = "SATSR_CODE"
"""Environment variable of the container image: where ZenML will put the submitted code, satsr's among it."""
ENVIRONMENT = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # by default a server that is gone holds every call for four minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of a server, at the end of every stage
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
    "aiobotocore.credentials": logging.WARNING,  # "found credentials in environment variables", once a client
    "botocore.configprovider": logging.WARNING,  # "found endpoint for s3 via"
    "botocore.credentials": logging.WARNING,
    "mlflow.store.model_registry.abstract_store": logging.WARNING,  # "waiting up to 300 seconds" for an instant
    "matplotlib": logging.WARNING,  # "generated new fontManager"
    "torch.onnx._internal.exporter._registration": logging.ERROR,  # "torchvision is not installed"
}
CALM = {
    "dvc.progress": logging.CRITICAL,  # a bar for each file that is hashed
    "dvc_data.callbacks": logging.CRITICAL,  # and for each folder that is committed
    "zenml": logging.WARNING,  # a header, the advertisement of its server, two lines a step
    "zenml.zen_stores.base_zen_store": logging.ERROR,  # "setting the global active stack"
}
"""Levels that hold unless :data:`VERBOSE` is set: what a stage made is told by the stage."""
PROJECT = Path(__file__).resolve().parents[1]
STEPS = ("zenml.orchestrators.local.local_orchestrator", "zenml.orchestrators.step_launcher")
RUNS = "zenml.pipelines.pipeline_definition"
"""Who tells of ``zenml login --local``, which moves ZenML to a server that stays: ``satsr dashboard`` does not."""


def apply() -> None:
    """As :func:`calm`, before commands that write: their databases follow a checkout to another place first."""
    calm()
    if _plain():
        _without_reset()
    if (PROJECT / "dvc.yaml").is_file():
        _follow(PROJECT)
        if "zenml" in sys.modules:  # which calls this while it is imported
            _first(PROJECT)
    elif os.environ.get(ARRIVING):
        _give_way()


def calm() -> None:
    """Sets the defaults; safe to call more than once."""
    gc.set_threshold(10_000)  # looking for garbage among what they import takes a seventh of the tools' seconds
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if (PROJECT / "dvc.yaml").is_file():  # ZenML's state lives in the repository, not in the user's home
        os.environ.setdefault("ZENML_CONFIG_PATH", str(PROJECT / ".zenml"))
    if not sys.stdout.isatty() or _plain():
        os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")  # else colour codes stand in files and pipes
    wanted = dict.fromkeys(CALM, logging.NOTSET) if os.environ.get(VERBOSE) else CALM
    for name, level in {**LEVELS, **wanted}.items():
        logging.getLogger(name).setLevel(level)
    warnings.filterwarnings("ignore", message="You are using a Python version", category=FutureWarning)  # Google's
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*", category=FutureWarning)
    for name, kept in {**dict.fromkeys(STEPS, _without_sentences), RUNS: _without_server}.items():
        logger = logging.getLogger(name)
        if kept not in logger.filters:
            logger.addFilter(kept)
    if not isinstance(sys.excepthook, _Sentences):
        sys.excepthook = _Sentences(sys.excepthook)


def lighten() -> None:
    """Has rasterio do without boto3, which it loads for files on S3 that are not opened: a third of a short command."""
    found = sys.modules.get("boto3")
    sys.modules["boto3"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import rasterio.session  # noqa: F401
    finally:
        del sys.modules["boto3"]
        if found is not None:
            sys.modules["boto3"] = found


def _plain() -> bool:
    """Whether the user wants no colours."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _without_reset() -> None:
    """Keeps colorama, which DVC brings, from ending every process on a terminal with the code that resets colours."""
    with suppress(ImportError):
        from colorama import initialise

        initialise.atexit_done = True
        atexit.unregister(initialise.reset_all)


def _give_way() -> None:
    """Forgets the installed satsr, so that a step imports the submitted one, of which the cache keeps the hashes."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "satsr"]:
        del sys.modules[name]


@cache
def _follow(project: Path) -> None:
    """Once in a process, and before the tools open their databases, which name files from the root of the disk."""
    from satsr.checkout import moved

    if sentence := moved.follow(project):
        print(sentence, file=sys.stderr)


@cache
def _first(project: Path) -> None:
    """Once in a process, and before ZenML makes its database."""
    from satsr.checkout.first import first

    first(project)


def _without_sentences(record: logging.LogRecord) -> bool:
    """A step that stopped on a user's mistake or wish: its sentence is said once, at the end, without its traceback."""
    raised = [record.exc_info[1]] if record.exc_info else list(record.args) if isinstance(record.args, tuple) else []
    return not any(isinstance(error, SatsrError | Interrupted | KeyboardInterrupt) for error in raised)


def _without_server(record: logging.LogRecord) -> bool:
    """Anything but the advice to log in to a server."""
    return "zenml login" not in record.getMessage()


class _Sentences:
    """An exception hook that shows a :class:`SatsrError`, an interruption, and a pipeline that failed, as one line."""

    def __init__(self, previous: object) -> None:
        self.previous = previous

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        pipeline = isinstance(error, RuntimeError) and str(error).startswith("Pipeline run has failed")
        if isinstance(error, Interrupted):
            print(error, file=sys.stderr)
            sys.exit(error.code)  # which Python takes from an exception hook as from anywhere else
        elif isinstance(error, SatsrError) or pipeline:
            print(f"error: {error}", file=sys.stderr)
        elif callable(self.previous):
            self.previous(kind, error, trace)
