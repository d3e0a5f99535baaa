"""The registry, read from the project's own database as MLflow's client reads it, but without MLflow.

Importing MLflow takes seconds, and who only applies models does not have it. What is read here are the tables of one
revision of MLflow's schema, and nothing is written; for any other revision or store MLflow's client is taken.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from satsr.checkout.moved import present
from satsr.tracking import DATABASE, client, local, uri

REVISION = "dc11669786a5"
"""Of the schema that MLflow 3.17.2 makes."""
DELETED = "Deleted_Internal"
"""Stage of versions that were deleted."""
BY_NAME = re.compile(r"name = '([^']*)'")
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Model:
    """A registered model, with the names that MLflow gives its attributes."""

    name: str
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """A version of it; ``folder`` holds its files where they lie on this computer."""

    name: str
    version: str
    creation_timestamp: int
    source: str
    run_id: str
    folder: Path | None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """A logged model."""

    params: dict[str, str]


def reader(root: Path) -> Any:
    """What reads the project's registry: :class:`Reading` where it can, else MLflow's client.

    Raises:
        SatsrError: as :func:`satsr.tracking.client`.
    """
    database = root / DATABASE
    plain = uri(root) == local(root) and database.is_file() and not os.environ.get("MLFLOW_ENABLE_WORKSPACES")
    if plain:
        with suppress(sqlite3.Error):
            found = Reading(database)
            if found.revision() == REVISION:
                return found
    return client(root)


class Reading:
    """As much of MLflow's client as lists and finds versions.

    Args:
        database: of MLflow's SQLite store, which is opened for reading.

    Raises:
        LookupError: by its methods, where there is no such model, version or alias.
    """

    def __init__(self, database: Path) -> None:
        self._root = database.parent
        self._address = f"{database.resolve().as_uri()}?mode=ro"

    def revision(self) -> str:
        """Of the schema."""
        ((found,),) = self._rows("SELECT version_num FROM alembic_version")
        return str(found)

    def search_registered_models(self, *, max_results: int = 1000) -> list[Model]:
        """All registered models."""
        names = self._rows("SELECT name FROM registered_models WHERE workspace = 'default' ORDER BY name")
        return [self.get_registered_model(name) for (name,) in names[:max_results]]

    def get_registered_model(self, name: str) -> Model:
        """One of them."""
        if not self._rows("SELECT 1 FROM registered_models WHERE workspace = 'default' AND name = ?", name):
            raise LookupError(name)
        asked = "SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?"
        return Model(name, {alias: str(version) for alias, version in self._rows(asked, name)})

    def search_model_versions(self, filter_string: str, *, max_results: int = 1000) -> list[Version]:
        """The versions of the model that is named by ``name = '...'``."""
        found = BY_NAME.fullmatch(filter_string)
        if found is None:
            raise ValueError(f"only name = '...' can be searched for, not {filter_string}")
        return list(self._versions(found[1]))[:max_results]

    def get_model_version(self, name: str, version: str) -> Version:
        """One version."""
        for found in self._versions(name):
            if found.version == str(int(version)):
                return found
        raise LookupError(f"{name}/{version}")

    def get_model_version_by_alias(self, name: str, alias: str) -> Version:
        """The version that bears an alias; ``latest`` is the newest one, as in MLflow."""
        if alias.lower() == "latest":
            for found in self._versions(name):
                return found
        return self.get_model_version(name, self.get_registered_model(name).aliases[alias])

    def get_logged_model(self, model_id: str) -> Logged:
        """A logged model."""
        asked = "SELECT 1 FROM logged_models WHERE model_id = ? AND lifecycle_stage != 'deleted'"
        if not self._rows(asked, model_id):
            raise LookupError(model_id)
        rows = self._rows("SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?", model_id)
        return Logged(dict(rows))

    def _versions(self, name: str) -> Iterator[Version]:
        """Newest first."""
        asked = (
            "SELECT version, creation_time, source, run_id, storage_location FROM model_versions "
            "WHERE workspace = 'default' AND name = ? AND current_stage != ? ORDER BY version DESC"
        )
        tags = "SELECT key, value FROM model_version_tags WHERE workspace = 'default' AND name = ? AND version = ?"
        for number, created, source, run, location in self._rows(asked, name, DELETED):
            held = dict(self._rows(tags, name, number))
            yield Version(name, str(number), created, source, run, _folder(location or source, self._root), held)

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._address, uri=True, timeout=WAIT_SECONDS)) as connection:
            return connection.execute(query, values).fetchall()


def _folder(location: str, root: Path) -> Path | None:
    """The folder of a ``file:`` address or a path, if it is there."""
    parts = urlsplit(location)
    path = present(Path(unquote(parts.path)) if parts.scheme == "file" else Path(location), root)
    return path if path.is_absolute() and path.is_dir() else None
