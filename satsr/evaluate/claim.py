"""What was published, and how near to it a measurement must come."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from satsr.config.resolve import read_yaml
from satsr.errors import SatsrError, problems
from satsr.scores import Scores

Rows = dict[str, dict[str, float]]
"""A published table: method -> metric -> value."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedData(_Part):
    """What the figures were measured on.

    Attributes:
        card: the name of its card.
        test_scenes: how many scenes the means are over; null where that is not said.
        references_sha256: of the references of these scenes (:func:`satsr.store.fingerprint.references_sha256`); null
            while nobody who has the data has pinned it.
    """

    card: str
    test_scenes: int | None = Field(None, ge=1)
    references_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")


class Tolerance(_Part):
    """How far a measurement may lie from the published value, on either side, in the metric's own units.

    Attributes:
        baseline: of the method without a network, which depends on data and metric alone, so that it must come near.
        method: of a trained network.
    """

    baseline: float = Field(gt=0)
    method: float = Field(gt=0)


class Claim(_Part):
    """What a paper published (``pipelines/<paper>.published.yaml``).

    Attributes:
        data: that it measured on.
        metric: the one that is named first.
        method: what its table calls the paper's own method.
        source: where the figures stand, and how they were measured.
        rows: means over all test scenes. Without any its figures are not known, and ``source`` says why.
        scenes: scene -> the table of that scene alone.
        tolerances: of every metric that the tables have.
        seeds: metric -> standard deviation over trainings with several seeds, where one was measured.
        baseline: what its tables call the method without a network.
        profiles: row -> the profile that it belongs to, where that is not ``paper``.
        supplied: settings that a run must supply because no profile can name a file: weights to start from.
        repeatable: whether anybody else has its data.
        departures: what every run of the recipe does otherwise than the training of the figures, and which matters.
        clips: further tables of single scenes that are shown beside ours and not judged.
        params_m: millions of parameters by method, as the table says.
        runtime_ms: milliseconds a frame by method, as the table says, on the authors' machine.
    """

    data: PublishedData
    metric: str
    method: str
    source: str
    rows: Rows = {}
    scenes: dict[str, Rows] = {}
    tolerances: dict[str, Tolerance] = {}
    seeds: dict[str, float] = {}
    baseline: str = "bicubic"
    profiles: dict[str, str] = {}
    supplied: list[str] = []
    repeatable: bool = True
    departures: list[str] = []
    clips: dict[str, Rows] = {}
    params_m: dict[str, float] = {}
    runtime_ms: dict[str, float] = {}

    @model_validator(mode="after")
    def _metrics_have_tolerances(self) -> "Claim":
        bare = {name for _, rows in self.tables for row in rows.values() for name in row} - self.tolerances.keys()
        if bare and self.repeatable:
            raise ValueError(f"tolerances lacks {', '.join(sorted(bare))}")
        return self

    @property
    def tables(self) -> list[tuple[str | None, Rows]]:
        """All tables, each with the scene that it is about; None: the means over all."""
        return [(None, self.rows), *self.scenes.items()]

    def figures(self, name: str) -> list[tuple[str | None, dict[str, float]]]:
        """The rows of a method in all tables that have one."""
        return [(scene, rows[name]) for scene, rows in self.tables if name in rows]

    def profile(self, name: str) -> str:
        """The profile that the row ``name`` belongs to."""
        return self.profiles.get(name, "paper")

    def shown(self) -> list[dict[str, Any]]:
        """The tables as one, for the report."""
        columns = {"params_m": self.params_m, "runtime_ms": self.runtime_ms}
        more = {
            method: {name: values[method] for name, values in columns.items() if method in values}
            for method in self.rows
        }
        return [
            {"method": method if scene is None else f"{method}, {scene}", **values, **more.get(method, {})}
            for scene, rows in self.tables
            for method, values in rows.items()
        ]

    def clip_table(self, scenes: Mapping[str, Scores]) -> list[dict[str, Any]]:
        """A row for each of ``clips``: the first-named metric of every method, and of this run where it has the clip.

        Args:
            scenes: ours, scene -> metric -> value.
        """
        ours = {scene.rsplit("/")[-1]: scores.get(self.metric) for scene, scores in scenes.items()}
        return [
            {"clip": clip, **{name: row[self.metric] for name, row in methods.items()}, "this run": ours.get(clip)}
            for clip, methods in self.clips.items()
        ]


def load_claim(root: Path, paper: str) -> Claim:
    """What ``paper`` published.

    Raises:
        SatsrError: the file is missing, or has an unknown key or a wrong value.
    """
    path = root / "pipelines" / f"{paper}.published.yaml"
    try:
        return Claim.model_validate(read_yaml(path))
    except ValidationError as error:
        raise SatsrError(
            f"{path} does not say what was published: {'; '.join(problems(error, model=Claim))}."
        ) from None
