"""What a version of the registry says of itself, collected from the files of all earlier stages."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from satsr.files import read_json
from satsr.pages import further
from satsr.pages.gains import text
from satsr.paper import Paper
from satsr.project import Places
from satsr.register.cost import Cost, cost
from satsr.register.gates import CONSISTENCY, Gate, passed
from satsr.register.registry import Measured
from satsr.scores import BASELINE, EXPORTED, Interval, Scores
from satsr.tracking import Data, manifest
from satsr.train.weights import trained


@dataclass(frozen=True)
class Facts:
    """The facts of one version.

    Attributes:
        metrics: content of ``metrics.json``.
        parity: content of ``parity.json``.
        cost: of the exported graph.
        references_sha256: of the images that were measured against.
        inputs_sha256: of the images that went in.
        degradation: how these came about, in words.
        validated: whether the data passed the validation.
        start: tags of the weights that the training went on from.
        trained_on: hash of the store of the training, which may be another than the one that was measured on.
        manifest: everything that decides the numbers.
    """

    metrics: dict[str, Any]
    parity: dict[str, Any]
    cost: Cost
    references_sha256: str
    inputs_sha256: str
    degradation: str
    validated: bool
    start: dict[str, str]
    trained_on: str
    manifest: dict[str, Any]

    @property
    def lineage(self) -> str:
        """The hash of the weights."""
        return str(self.manifest["lineage"])

    @property
    def ours(self) -> Scores:
        """Metrics of the weights that are exported."""
        scores: Scores = self.metrics["methods"][EXPORTED]
        return scores

    @property
    def baseline(self) -> Scores:
        """Metrics of the baseline."""
        scores: Scores = self.metrics["methods"][BASELINE]
        return scores

    @property
    def gains(self) -> dict[str, Interval]:
        """What these gain over the baseline, with their intervals."""
        return {name: Interval(**values) for name, values in self.metrics.get("gains", {}).items()}

    @property
    def for_gates(self) -> dict[str, Any]:
        """What the gates look at beside the metrics."""
        return {
            "parity_max_abs": self.parity["max_abs"],
            "megabytes": self.parity["megabytes"],
            "validation": self.validated,
            "milliseconds": self.cost.milliseconds,
            "consistency": (self.baseline.get(CONSISTENCY), self.ours.get(CONSISTENCY)),
        }


def collect(paper: Paper[Any], places: Places) -> Facts:
    """The facts of all stages before this one."""
    data = read_json(places.evaluation / "data.json")
    training = read_json(places.training / "train.json")
    parity, metrics = read_json(places.export / "parity.json"), read_json(places.metrics)
    graph = paper.graph(trained(paper, places, EXPORTED))
    start = training["identity"].get("start", {})
    return Facts(
        metrics=metrics,
        parity=parity,
        cost=cost(graph, places.export / "model.onnx", *paper.example(), paper.config.convert.scale),
        references_sha256=data["references_sha256"],
        inputs_sha256=data["inputs_sha256"],
        degradation=data["degradation"],
        validated=read_json(places.validation / "validation.json")["success"],
        start=start,
        trained_on=training["identity"]["data"],
        manifest={
            **manifest.code(places.root),
            "config": paper.config.model_dump(),
            "card": data["card"],
            "store_sha256": data["store_sha256"],
            "lineage": training["lineage"],
            "start": start,
            "seed": paper.config.train.seed,
            "metric_conventions": sorted(further.main(metrics["methods"][BASELINE])),
            "onnx": parity,
        },
    )


def kept(value: float) -> str:
    """A metric as a tag, with digits enough that whoever shows fewer rounds once."""
    return f"{value:.10g}"


def tags(paper: Paper[Any], facts: Facts, outcome: Sequence[Gate]) -> dict[str, Any]:
    """What the version's row shows: the decision, the gates, the result, and where it comes from."""
    ours, gains = facts.ours, facts.gains
    known = [name for name in paper.decides if ours.get(name) is not None]
    failed = "; ".join(gate.sentence for gate in outcome if not gate.passed)
    return {
        "review": "pending",
        "gates": "passed" if passed(outcome) else "failed",
        **({"gates.failed": failed} if failed else {}),
        **{name: kept(ours[name]) for name in known},
        **{f"gain.{name}": text(name, gains[name]) for name in known if name in gains},
        "dataset": facts.metrics["dataset"],
        "profile": paper.config.profile,
        "verdict": facts.metrics["verdict"]["word"],
        "onnx.parity": "passed" if facts.parity["max_abs"] <= paper.config.gates.max_abs_parity else "failed",
        "data.sha256": facts.manifest["store_sha256"],
        "git.commit": facts.manifest["git"]["commit"],
        "lineage": facts.lineage,
        **facts.start,
    }


def details(paper: Paper[Any], facts: Facts) -> dict[str, Any]:
    """Everything else, for the page of the logged model and for comparisons."""
    return {
        **{name: kept(value) for name, value in facts.ours.items() if value is not None},
        **{f"{BASELINE}.{name}": kept(value) for name, value in facts.baseline.items() if value is not None},
        **{f"cost.{name}": value for name, value in asdict(facts.cost).items() if value is not None},
        "data.hr_sha256": facts.references_sha256,
        "data.lr_sha256": facts.inputs_sha256,
        "data.lr": facts.degradation,
        "scale": paper.config.convert.scale,
        "decides": ",".join(paper.decides),
        "conventions": ",".join(facts.manifest["metric_conventions"]),
        "git.dirty": facts.manifest["git"]["dirty"],
        "onnx.sha256": facts.parity["sha256"],
        "onnx.parity_max_abs": facts.parity["max_abs"],
        "onnx.megabytes": f"{facts.parity['megabytes']:.3f}",
    }


def measured(places: Places, facts: Facts) -> Measured:
    """The version's metrics and costs, on the test references."""
    metrics = {name: value for name, value in facts.ours.items() if value is not None}
    for name, gain in facts.gains.items():
        ends = {f"gain.{name}": gain.mean, f"gain.{name}.low": gain.low, f"gain.{name}.high": gain.high}
        metrics |= {key: value for key, value in ends.items() if value is not None}
    costs = {name: value for name, value in asdict(facts.cost).items() if isinstance(value, int | float)}
    profile = {"licence": facts.manifest["card"].get("licence"), "low resolution": facts.degradation, "split": "test"}
    data = Data(
        facts.metrics["dataset"],
        facts.references_sha256,
        places.store.relative_to(places.root).as_posix(),
        {name: value for name, value in profile.items() if value},
    )
    learnt = replace(data, sha256=facts.manifest["store_sha256"], facts={**data.facts, "split": "train"})
    metrics |= {f"cost.{name}": value for name, value in costs.items()}
    return Measured(metrics, data, learnt if facts.trained_on == learnt.sha256 else None)
