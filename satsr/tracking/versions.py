"""What people call a version of a registered model: ``rasvsr/3``, ``rasvsr@champion``, or ``rasvsr`` alone."""

import re
from dataclasses import dataclass
from typing import Any

WORD = "[A-Za-z0-9._-]+"
FORM = re.compile(rf"(?:models:/)?({WORD})(?:/(\d+)|@({WORD}))?")


@dataclass(frozen=True)
class VersionName:
    """A registered model, and the number or the alias of a version if one was named."""

    name: str
    number: int | None = None
    alias: str | None = None

    @property
    def bare(self) -> bool:
        """Whether only the model was named."""
        return self.number is None and self.alias is None

    def __str__(self) -> str:
        return self.name if self.bare else f"{self.name}@{self.alias}" if self.alias else f"{self.name}/{self.number}"


def parsed(text: str) -> VersionName | None:
    """What ``text`` names; None if it is of another form."""
    found = FORM.fullmatch(text)
    return found and VersionName(found[1], int(found[2]) if found[2] else None, found[3])


def registered(client: Any, wanted: VersionName) -> Any:
    """MLflow's version for a name that is not bare; None if the registry has none.

    Args:
        client: MLflow's, or :class:`satsr.tracking.reading.Reading`.
        wanted: its name.
    """
    try:
        if wanted.alias:
            return client.get_model_version_by_alias(wanted.name, wanted.alias)
        return client.get_model_version(wanted.name, str(wanted.number))
    except Exception as error:
        if not unknown(error):
            raise
        return None


def unknown(error: Exception) -> bool:
    """Whether the registry said by it that it does not have what was asked for."""
    if isinstance(error, LookupError):
        return True
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException)
