"""What steps hand each other: small references, never data and never absolute paths."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Output(BaseModel):
    """What a stage made, enough for a machine that has none of it to fetch it.

    Attributes:
        stage: the stage that made it, for instance ``convert``.
        paper: the paper.
        path: its first output, relative to the project's root.
        md5: DVC's hash of that.
        entry: what ``dvc.lock`` says of the stage: every dependency, parameter and output by its hash.
        reused: whether the stage was up to date and did not run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    paper: str
    path: str
    md5: str
    entry: dict[str, Any]
    reused: bool
