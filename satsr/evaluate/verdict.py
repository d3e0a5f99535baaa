"""Whether a published result was reproduced, and what was published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from satsr.config.resolve import read_yaml
from satsr.errors import SatsrError, problems
from satsr.scores import EXPORTED, Scores


class Claim(BaseModel):
    """What a paper published (``pipelines/<paper>.published.yaml``).

    Attributes:
        dataset: the name of the card of its data.
        metric: the one that decides.
        method: what its table calls the paper's own method.
        source: where the figures stand, and how they were measured.
        rows: the table: method -> metric -> value. Without rows its figures are not known, and ``source`` says why.
        repeatable: whether anybody else has its data.
        clips: the table of single clips, where there is one: clip -> method -> metric -> value.
        params_m: millions of parameters by method, as the table says.
        runtime_ms: milliseconds a frame by method, as the table says, on the authors' machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    metric: str
    method: str
    source: str
    rows: dict[str, dict[str, float]]
    repeatable: bool = True
    clips: dict[str, dict[str, dict[str, float]]] = {}
    params_m: dict[str, float] = {}
    runtime_ms: dict[str, float] = {}

    def table(self) -> list[dict[str, Any]]:
        """The published rows with the key ``method``, and what the table says of sizes and times."""
        columns = {"params_m": self.params_m, "runtime_ms": self.runtime_ms}
        return [
            {"method": method, **row, **{name: values[method] for name, values in columns.items() if method in values}}
            for method, row in self.rows.items()
        ]

    def clip_table(self, scenes: Mapping[str, Scores]) -> list[dict[str, Any]]:
        """A row for each published clip: the deciding metric of every method, and of this run where it has the clip.

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
        raise SatsrError(f"{path} does not say what was published: {'; '.join(problems(error))}.") from None


@dataclass(frozen=True)
class Verdict:
    """Whether a published result was reproduced."""

    word: str
    sentence: str


def verdict(
    claim: Claim, name: str, profile: str, dataset: str, methods: Mapping[str, Scores], tolerance_db: float
) -> Verdict:
    """Reproduced within tolerance, not reproduced, not comparable, or no published figure; and why.

    The weights that are exported are judged, and no others.

    Args:
        claim: what was published.
        name: what the published table calls this configuration.
        profile: of the recipe.
        dataset: that was measured on.
        methods: method -> metric -> value, as measured.
        tolerance_db: what a reproduction may lie below the published figure.
    """
    published = claim.rows.get(name, {}).get(claim.metric)
    if published is None:
        return Verdict("no published figure", f"There is no known {claim.metric} of {name} to compare with.")
    if not claim.repeatable:
        return Verdict(
            "not comparable", f"The published {published:.3f} dB of {name} was measured on data that are not public."
        )
    ours = methods[EXPORTED][claim.metric]
    if dataset != claim.dataset or profile != "paper":
        return Verdict(
            "not comparable",
            f"The published {published:.3f} dB belongs to {claim.dataset} and the full recipe; this run used "
            f"{dataset} and the profile {profile}.",
        )
    difference = ours - published
    word = "reproduced" if difference >= -tolerance_db else "not reproduced"
    return Verdict(
        word,
        f"{claim.metric} is {ours:.3f} dB, {difference:+.3f} dB from the published {published:.3f} dB "
        f"(tolerance {tolerance_db:.2f} dB).",
    )
