"""MLflow runs: one run per trained model, found again by every later stage and by both doors.

The store is the active ZenML stack's tracker if there is one, else ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` at the
project's root, which a bare ``mlflow ui`` shows. A run is known by its *lineage*, the hash of the trained weights, so
nothing random is written into tracked outputs.
"""

import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from satsr import quiet
from satsr.errors import SatsrError, redact
from satsr.files import replacing, write_text
from satsr.locks import locked

LINEAGE = "satsr.lineage"
TOKEN = "satsr.training"  # noqa: S105
"""Tag of a training's run that says to which checkpoints it belongs."""
SAMPLES = "report/samples"
"""Folder of a run's artifacts that holds the pictures of the evaluation."""
DATABASE = "mlflow.db"
NOTE = "mlflow.note.content"
"""Tag that MLflow shows as the description of a run or of a logged model."""
KIND = ("mlflow.experimentKind", "custom_model_development")
"""Tag of experiments, without which MLflow shows the pages of an experiment with language models."""
DIGEST = 36
"""MLflow's longest digest of a data set."""
PATIENCE_SECONDS = 60.0
"""How long metrics are only collected after the store has not answered."""


@dataclass(frozen=True)
class Data:
    """The data that something was measured on, as MLflow shows them with a run and a logged model.

    Attributes:
        name: of the data set.
        sha256: of its content.
        source: where it lies, relative to the project.
        facts: what else is worth knowing (JSON values).
    """

    name: str
    sha256: str
    source: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def client(root: Path) -> Any:
    """An MLflow client on the project's store, which is created when it does not exist.

    Raises:
        SatsrError: the store cannot be reached or was made by another version.
    """
    quiet.calm()
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    location = uri(root)
    mlflow.set_tracking_uri(location)
    try:
        if location == local(root):
            _create(root / DATABASE)
        found = MlflowClient(location)
        found.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise _unusable(location, error) from None
    return found


def _unusable(location: str, error: Exception) -> SatsrError:
    if getattr(error, "error_code", "") in ("UNAUTHENTICATED", "PERMISSION_DENIED") or "error code 401" in str(error):
        return SatsrError(
            f"the MLflow server {location} does not let this user in: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD in the environment, as its administrator gave them to you."
        )
    return SatsrError(
        f"the MLflow store {location} cannot be used: {_reason(error)}. "
        "Check MLFLOW_TRACKING_URI, or that mlflow.db is writable and made by this version of MLflow."
    )


def _reason(error: Exception) -> str:
    """The first line that says something of the store; SQLAlchemy may begin with a remark on its session."""
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result of")]
    return redact(lines[0] if lines else type(error).__name__).rstrip(".")


def uri(root: Path) -> str:
    """The tracking URI."""
    if "zenml" in sys.modules:
        with suppress(Exception):
            from zenml.client import Client

            tracker: Any = Client().active_stack.experiment_tracker
            if tracker is not None and tracker.flavor == "mlflow" and tracker.config.tracking_uri:
                return str(tracker.config.tracking_uri)
    return os.environ.get("MLFLOW_TRACKING_URI") or local(root)


def local(root: Path) -> str:
    """The tracking URI of the store at the project's root."""
    return f"sqlite:///{root / DATABASE}"


def _create(database: Path) -> None:
    """Makes the store whole or not at all: MLflow's own way leaves half of its tables when two processes begin."""
    from mlflow.tracking import MlflowClient

    if database.exists():
        return
    with locked(database):
        if not database.exists():
            with replacing(database) as path:
                MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)


def experiment(found: Any, name: str, root: Path) -> str:
    """The id of the experiment ``name``; its artifacts lie under ``mlruns/`` at the root when the store is local.

    Raises:
        SatsrError: the store cannot be written to.
    """
    from mlflow.exceptions import MlflowException

    existing = found.get_experiment_by_name(name)
    try:
        if existing is not None:
            found.set_experiment_tag(existing.experiment_id, *KIND)  # a store that is read-only says so here
            return str(existing.experiment_id)
        location = (root / "mlruns" / name).as_uri() if uri(root).startswith("sqlite:") else None
        return str(found.create_experiment(name, artifact_location=location, tags=dict([KIND])))
    except MlflowException as error:
        faster = None if existing else found.get_experiment_by_name(name)  # of another process
        if faster is None:
            raise _unusable(uri(root), error) from None
        return str(faster.experiment_id)


class Run:
    """An open MLflow run. A store that fails while metrics are sent costs a line, never the training."""

    def __init__(self, found: Any, run_id: str, experiment_id: str) -> None:
        self.client, self.id, self.experiment_id = found, run_id, experiment_id
        self._unsent: list[tuple[dict[str, float], int, int]] = []
        self._warned = False
        self._again = 0.0

    def params(self, values: Mapping[str, Any]) -> None:
        """Logs parameters, nested keys joined by dots, secrets redacted."""
        from mlflow.entities import Param

        flat = {key: redact(str(value))[:6000] for key, value in flatten(values).items()}
        self.client.log_batch(self.id, params=[Param(key, value) for key, value in flat.items()])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Logs metrics; what cannot be sent now is sent with a later call.

        Points of a curve have no time, so that those of a training that goes on are the same points. What is measured
        once has the time of now: what is measured again is a later value, not a second one of the same moment, of which
        MLflow could make no logged model.
        """
        self._unsent.append((dict(values), step, 0 if step else int(1000 * time.time())))
        if time.monotonic() >= self._again:
            self.send()

    def send(self) -> int:
        """Sends the metrics that were not sent yet; how many rows of them are still waiting."""
        from mlflow.entities import Metric

        metrics = [
            Metric(key, float(value), when, at)
            for row, at, when in self._unsent
            for key, value in row.items()
            if value == value and abs(value) != float("inf")
        ]
        try:
            for begin in range(0, len(metrics), 500):
                self.client.log_batch(self.id, metrics=metrics[begin : begin + 500])
        except Exception as error:
            if not self._warned:
                told = f"tracking: MLflow does not answer ({_reason(error)}); going on, will try again"
                print(told, file=sys.stderr)
            self._warned, self._again = True, time.monotonic() + PATIENCE_SECONDS
        else:
            self._unsent.clear()
        return len(self._unsent)

    def measured(self, values: Mapping[str, float], data: Data, model_id: str) -> None:
        """Logs metrics of a logged model on a data set, which becomes an input of the run."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

        digest, now = data.sha256[:DIGEST], int(1000 * time.time())
        source = json.dumps({"uri": data.source})
        described = Dataset(data.name, digest, "local", source, profile=json.dumps(dict(data.facts)))
        context = InputTag("mlflow.data.context", "testing")
        self.client.log_inputs(self.id, datasets=[DatasetInput(described, [context])])
        metrics = [Metric(key, value, now, 0, model_id, data.name, digest, self.id) for key, value in values.items()]
        self.client.log_batch(self.id, metrics=metrics)

    def tags(self, values: Mapping[str, Any]) -> None:
        """Sets tags."""
        for key, value in values.items():
            self.client.set_tag(self.id, key, redact(str(value))[:5000])

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Stores a file."""
        self.client.log_artifact(self.id, str(path), folder)

    def text(self, text: str, name: str) -> None:
        """Stores a text file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_text(text, encoding="utf-8")
            self.artifact(path, str(Path(name).parent) if "/" in name else None)


@contextmanager
def run(
    root: Path,
    experiment_name: str,
    lineage: str | None = None,
    name: str | None = None,
    kept: Path | None = None,
) -> Iterator[Run]:
    """A run that is marked FINISHED, FAILED or KILLED at the end.

    Args:
        root: the project's root.
        experiment_name: one experiment per paper.
        lineage: when given, the newest run with this lineage goes on; if there is none, one is started.
        name: the run's name when it is started.
        kept: a file that says which run it is, so that what is started again after a kill goes on in the same one.

    Raises:
        SatsrError: the store cannot be used, or stopped answering.
    """
    from mlflow.exceptions import MlflowException

    found = client(root)
    where = experiment(found, experiment_name, root)
    wanted = {LINEAGE: lineage} if lineage else {}
    if kept is not None:
        wanted |= {TOKEN: _token(kept)}
    existing = next(filter(None, (find(found, where, value, tag) for tag, value in wanted.items())), None)
    if existing is None:
        tags = {"mlflow.source.name": "satsr", **wanted}
        existing = found.create_run(where, run_name=name, tags=tags).info.run_id
    elif kept is not None:
        found.update_run(existing, status="RUNNING")
    opened = Run(found, existing, where)
    status = "FAILED"
    try:
        yield opened
        status = "FINISHED"
    except MlflowException as error:
        raise SatsrError(
            f"MLflow does not answer ({_reason(error)}): what the stage made is kept; run the same command again when "
            "it does."
        ) from None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit) or type(error).__name__ == "Interrupted":
            status = "KILLED"
        raise
    finally:
        if missing := opened.send():
            print(
                f"tracking: {missing} rows of metrics are missing from the MLflow run {existing}; the tables in "
                f"results/{experiment_name} have them",
                file=sys.stderr,
            )
        with suppress(Exception):
            found.set_terminated(existing, status)


def find(found: Any, experiment_id: str, value: str, tag: str = LINEAGE) -> str | None:
    """The newest run of this lineage, or with another tag of this value, or None."""
    runs = found.search_runs(
        [experiment_id], filter_string=f"tags.`{tag}` = '{value}'", max_results=1, order_by=["start_time DESC"]
    )
    return str(runs[0].info.run_id) if runs else None


def _token(kept: Path) -> str:
    """What the file holds, by which a run is found; written before the run is started, so that a kill loses none."""
    if not kept.is_file():
        write_text(kept, uuid.uuid4().hex)
    return kept.read_text(encoding="utf-8")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
