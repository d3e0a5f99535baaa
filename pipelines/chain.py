"""The one chain of seven stages that every paper goes through."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from typing import Any

from zenml import pipeline
from zenml.enums import ExecutionMode
from zenml.environment import Environment
from zenml.integrations.registry import integration_registry
from zenml.models import PipelineRunResponse
from zenml.pipelines.pipeline_definition import Pipeline
from zenml.utils.source_utils import set_custom_source_root

from pipelines.apart import require_reachable, require_success, watched
from satsr.checkout.lent import recover, require_own
from satsr.project import root
from satsr.running import change_idle
from satsr.stack.registration import on_stack
from satsr.tracking.manifest import stated
from steps import zen
from steps.configuration import config_of


def _installed() -> list[str]:
    """The packages of this environment, as ``pip freeze`` lists them."""
    return sorted({f"{found.name}=={found.version}" for found in distributions()}, key=str.lower)


# What ZenML does before every run and a run of ours has no use for, a third of the time of one with nothing to do: it
# loads scikit-learn and torch for the sake of materializers, and starts pip twice to ask which packages there are.
integration_registry.activate_integrations = lambda: None  # type: ignore[method-assign]
Environment.get_python_packages = staticmethod(cache(_installed))  # type: ignore[method-assign]


_submitted = Pipeline._run


def _judged(self: Pipeline) -> PipelineRunResponse | None:
    """As ZenML's, which ends with code 0 and without a word after pods that failed."""
    run = _submitted(self)
    require_success(run)
    return run


Pipeline._run = _judged  # type: ignore[method-assign]


@cache
def train(paper: str) -> Pipeline:
    """The ZenML pipeline ``train_<paper>``.

    Its parameters (``parameters:`` of a file given with ``-c``) change ``params.yaml`` before the run, as
    ``dvc exp run -S`` does: ``profile``, ``data`` (a card or a folder), and ``settings`` (dotted key -> value).
    """
    config_of(paper)  # refuses a paper that there is not; its recipe would load torch, which a cached run does without

    def chain(profile: str | None = None, data: str | None = None, settings: Mapping[str, Any] | None = None) -> None:
        wanted = {"profile": profile, "data": data, **(settings or {})}
        prepare(paper, {key: value for key, value in wanted.items() if value is not None})
        raw = zen.download(paper)
        store = zen.convert(paper, raw)
        checked = zen.validate(paper, store)
        weights = zen.train(paper, store, checked)
        measured, _ = zen.evaluate(paper, store, weights)
        graph = zen.export(paper, store, weights)
        zen.register(paper, checked, weights, measured, graph)

    chain.__name__ = chain.__qualname__ = f"train_{paper}"
    chain.__module__ = "pipelines"
    chain.__doc__ = f"{paper}: download to registration."
    once = ExecutionMode.FAIL_FAST  # a failure is said once
    made = pipeline(enable_cache=False, execution_mode=once, environment=stated(root()))(chain)
    return on_stack(made, zen)


def start(paper: str) -> None:
    """Runs the pipeline in this process, as ``zenml pipeline run train_<paper>`` does in the project's root."""
    set_custom_source_root(str(root()))
    train(paper)()


def prepare(paper: str, settings: Mapping[str, Any]) -> None:
    """Writes the settings into ``params.yaml`` and says so; refuses a bad configuration before anything runs."""
    recover(root())
    require_own(root(), paper)
    for line in change_idle(paper, settings, root(), config_of(paper)):
        print(line)
    require_reachable(paper, root())
    if told := watched():
        print(told)
