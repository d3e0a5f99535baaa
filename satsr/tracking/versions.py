"""What people call a version of a registered model: ``rasvsr/3``, ``rasvsr@champion``, or ``rasvsr`` alone."""

import re
from dataclasses import dataclass
from typing import Any

WORD = "[A-Za-z0-9._-]+"
REFERENCE = re.compile(rf"(?:models:/)?({WORD})(?:/(\d+)|@({WORD}))?")


@dataclass(frozen=True)
class Reference:
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


def parsed(text: str) -> Reference | None:
    """What ``text`` names; None if it is of another form."""
    found = REFERENCE.fullmatch(text)
    return found and Reference(found[1], int(found[2]) if found[2] else None, found[3])


def registered(client: Any, reference: Reference) -> Any:
    """MLflow's version for a reference that is not bare; None if the registry has none."""
    from mlflow.exceptions import MlflowException

    try:
        if reference.alias:
            return client.get_model_version_by_alias(reference.name, reference.alias)
        return client.get_model_version(reference.name, str(reference.number))
    except MlflowException:
        return None
