"""A registration that is made again, since it was killed or since the cache forgot it: one version, not two.

A version and the logged model that it is made of bear :data:`UNFINISHED` from the moment of their creation until
everything about them is written. The next registration of the same run takes them over if they are of the same content,
and removes them if not. Models that bear it not, or for another clone, belong to somebody else.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.register import decisions
from satsr.register.registry import UNFINISHED, facts_of
from satsr.tracking import Run
from satsr.tracking.versions import unknown

VOLATILE = ("review", "cost.", "git.")
"""Tags and facts that two registrations of the same content may differ in begin so."""


@dataclass(frozen=True)
class Earlier:
    """A version that an earlier registration of the same run made.

    Attributes:
        number: of the version.
        source: the logged model that it was made from, ``models:/m-0123``.
        finished: whether everything about it was written.
    """

    number: int
    source: str
    finished: bool


def here(root: Path) -> str:
    """The value of :data:`UNFINISHED`: this clone on this computer, which several may share a registry with."""
    return hashlib.sha256(f"{platform.node()}:{root}".encode()).hexdigest()[:16]


def earlier(run: Run, name: str, tags: Mapping[str, Any], facts: Mapping[str, Any]) -> Earlier | None:
    """The newest version of ``name`` that the run led to and that says the same of itself."""
    wanted = _constant({**facts, **tags})
    for found in _versions(run, name):
        if found.run_id == run.id and _says(wanted, {**facts_of(run.client, found.source), **found.tags}):
            return Earlier(int(found.version), found.source, UNFINISHED not in found.tags)
    return None


def clear(run: Run, name: str, place: str) -> None:
    """Removes what killed registrations of this clone left: their versions, and logged models that became none."""
    for found in _versions(run, name):
        if found.tags.get(UNFINISHED) == place:
            decisions.forget_first(run.client, name, int(found.version))
            run.client.delete_model_version(name, found.version)
    kept = {found.source.rpartition("/")[2] for found in _versions(run, name)}
    ours = f"tags.`{UNFINISHED}` = '{place}'"
    for model in run.client.search_logged_models([run.experiment_id], filter_string=ours):
        if model.name == name and model.model_id not in kept:
            run.client.delete_logged_model(model.model_id)


def finish(run: Run, name: str, number: int) -> None:
    """Says that everything about the version and its logged model is written."""
    found = run.client.get_model_version(name, str(number))
    if UNFINISHED in found.tags:
        run.client.delete_model_version_tag(name, str(number), UNFINISHED)
    model = found.source.rpartition("/")[2]
    if UNFINISHED in _tags(run.client, model):
        run.client.delete_logged_model_tag(model, UNFINISHED)


def _tags(client: Any, model: str) -> dict[str, str]:
    """Of a logged model; none if somebody deleted it."""
    try:
        return dict(client.get_logged_model(model).tags)
    except Exception as error:
        if not unknown(error):
            raise
        return {}


def _says(wanted: Mapping[str, str], said: Mapping[str, str]) -> bool:
    return all(said.get(key) == value for key, value in wanted.items())


def _versions(run: Run, name: str) -> list[Any]:
    """Newest first."""
    found = run.client.search_model_versions(f"name = '{name}'", max_results=1000)
    return sorted(found, key=lambda version: -int(version.version))


def _constant(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items() if not key.startswith(VOLATILE)}
