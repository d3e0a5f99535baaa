"""What steps hand each other: small references, never data and never absolute paths."""

from pydantic import BaseModel, ConfigDict


class Output(BaseModel):
    """An output of a stage.

    Attributes:
        stage: the stage that made it, for instance ``convert``.
        paper: the paper.
        path: relative to the project's root.
        md5: DVC's hash of the content, by which a remote machine pulls it.
        reused: whether the stage was up to date and did not run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    paper: str
    path: str
    md5: str
    reused: bool
