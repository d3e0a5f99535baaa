"""The seven stages as ZenML steps: each asks DVC whether there is anything to do, else runs the stage's function."""

import os
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated

from zenml import log_metadata, step
from zenml.types import HTMLString

from satsr.checkout.lent import require_own
from satsr.files import disk_errors, read_json
from satsr.locks import turn
from satsr.progress import announce
from satsr.project import Places, root
from satsr.review.outcome import line
from satsr.review.present import present
from satsr.review.summary import summary
from steps.cache import reuse_or_run
from steps.inputs import require_unaltered
from steps.outputs import Output
from steps.remote import share_checkpoints


def _stage(
    name: str, paper: str, *before: Output, also: Sequence[str] = (), holds: Callable[[Places], bool] = lambda _: True
) -> Output:
    where, begin = root(), time.monotonic()
    require_own(where, paper)
    place = Places(where, paper)

    def run() -> None:
        announce(name)
        with turn(place.scratch, name, paper):
            require_unaltered(name, paper, where)
            import_module(f"steps.{name}").run(paper, where)

    with disk_errors(f"{name} of {paper}"), turn(place.scratch, name, paper, purpose="-zenml"):
        reference = reuse_or_run(name, paper, where, run, before, also, lambda: holds(place))
    seconds = None if reference.reused else time.monotonic() - begin
    print(line(name, place, seconds), flush=True)
    return reference


@step(enable_cache=False)
def download(paper: str) -> Output:
    """The dataset card becomes raw files."""
    return _stage("download", paper)


@step(enable_cache=False)
def convert(paper: str, raw: Output) -> Output:
    """Raw files become the frame store."""
    return _stage("convert", paper, raw)


@step(enable_cache=False)
def validate(paper: str, store: Output) -> Output:
    """The store is checked."""
    return _stage("validate", paper, store)


@step(enable_cache=False)
def train(paper: str, store: Output, checked: Output) -> Output:
    """The store and the recipe become weights; ZenML shows which, and what they started from."""
    share_checkpoints(root())
    reference = _stage("train", paper, store, checked)
    if os.environ.get("SATSR_CHECKPOINTS"):
        import_module("steps.train").finished(paper, root())
    made = read_json(Places(root(), paper).training / "train.json")
    log_metadata({"lineage": made["lineage"], **made["identity"].get("start", {})})
    return reference


@step(enable_cache=False)
def evaluate(
    paper: str, store: Output, weights: Output
) -> tuple[Annotated[Output, "measured"], Annotated[HTMLString, "report"]]:
    """The weights are measured against the baseline and the published table; ZenML shows the report."""
    reference = _stage("evaluate", paper, store, weights)
    report = Places(root(), paper).evaluation / "report.html"
    return reference, HTMLString(report.read_text(encoding="utf-8"))


@step(enable_cache=False)
def export(paper: str, store: Output, weights: Output) -> Output:
    """The weights become one ONNX graph, equal to the network, which says on what data they were trained."""
    return _stage("export", paper, store, weights)


@step(enable_cache=False)
def register(paper: str, checked: Output, weights: Output, measured: Output, graph: Output) -> Output:
    """The graph becomes a version in the model registry."""
    metrics = Places(root(), paper).metrics.relative_to(root()).as_posix()
    reference = _stage("register", paper, checked, weights, measured, graph, also=[metrics], holds=present)
    print(summary(root(), paper))
    return reference
