"""A registration that is made again, since it was killed or since the cache forgot it: one version, not two.

A version bears :data:`UNFINISHED` from the moment of its creation until everything about it is written. The next
registration of the same run takes it over if it is of the same content, and removes it if not.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.register.registry import facts_of
from satsr.tracking import Run

UNFINISHED = "registration.unfinished"
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
        said = {**facts_of(run.client, found.source), **found.tags}
        if found.run_id == run.id and all(said.get(key) == value for key, value in wanted.items()):
            return Earlier(int(found.version), found.source, UNFINISHED not in found.tags)
    return None


def clear(run: Run, name: str, place: str) -> None:
    """Removes what killed registrations of this clone left: their versions, and logged models that became none."""
    for found in _versions(run, name):
        if found.tags.get(UNFINISHED) == place:
            run.client.delete_model_version(name, found.version)
    kept = {found.source.rpartition("/")[2] for found in _versions(run, name)}
    logged = run.client.search_logged_models([run.experiment_id], filter_string=f"source_run_id = '{run.id}'")
    for model in logged:
        if model.name == name and model.model_id not in kept:
            run.client.delete_logged_model(model.model_id)


def finish(run: Run, name: str, number: int) -> None:
    """Says that everything about the version is written."""
    if UNFINISHED in run.client.get_model_version(name, str(number)).tags:
        run.client.delete_model_version_tag(name, str(number), UNFINISHED)


def _versions(run: Run, name: str) -> list[Any]:
    """Newest first."""
    found = run.client.search_model_versions(f"name = '{name}'", max_results=1000)
    return sorted(found, key=lambda version: -int(version.version))


def _constant(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items() if not key.startswith(VOLATILE)}
