"""Stage 7, register: the graph becomes a version in the model registry, behind gates."""

from dataclasses import asdict
from typing import Any

from satsr import manifest, tracking
from satsr.files import read_json, replacing, sha256, write_json, write_text
from satsr.paper import Scores
from satsr.register import gates, registry, review
from satsr.register.cost import cost
from satsr.register.fingerprint import degradation, inputs_sha256, references_sha256
from satsr.register.model_card import about, gain, model_card
from satsr.register.registry import Measured
from satsr.store.store import Store
from steps.export import ROLE
from steps.recipes import Job
from steps.train import trained


def run(job: Job) -> None:
    """Registers the version, evaluates the gates, sets the aliases, and leaves manifest and card.

    The version is ``challenger``; it is ``champion`` as well when it passes its gates and there is no champion yet.
    """
    config, layout = job.config, job.layout
    facts = collect(job)
    outcome = gates.check(
        config.gates,
        job.paper.decides,
        facts["metrics"]["methods"]["bicubic"],
        facts["metrics"]["methods"][ROLE],
        {
            "parity_max_abs": facts["parity"]["max_abs"],
            "megabytes": facts["parity"]["megabytes"],
            "validation": facts["validation"],
            "milliseconds": facts["cost"].milliseconds,
        },
        champion(job, facts),
    )
    name = job.paper.registered_name(config)
    card = model_card(job.paper, facts, outcome)
    with tracking.run(layout.root, job.paper.name, facts["lineage"], name) as run:
        version = registry.add_version(
            run,
            name,
            layout.export / "model.onnx",
            tags(job, facts, outcome),
            card,
            facts=details(job, facts),
            about=about(job.paper, name, job.paper.describe(config)),
            measured=measured(job, facts),
        )
        aliases = [registry.CHALLENGER]
        registry.set_alias(run.client, name, registry.CHALLENGER, version)
        if gates.passed(outcome) and registry.alias(run.client, name, registry.CHAMPION) is None:
            registry.set_alias(run.client, name, registry.CHAMPION, version)
            review.first_champion(run.client, name, version)
            aliases.append(registry.CHAMPION)
        with replacing(layout.registration) as folder:
            folder.mkdir()
            write_json(
                folder / "registration.json",
                {"name": name, "version": version, "aliases": aliases, "run": run.id, "gates": gates.as_rows(outcome)},
            )
            write_json(folder / "manifest.json", facts["manifest"])
            write_text(folder / "model_card.md", card)
            for path in (folder / "manifest.json", folder / "model_card.md"):
                run.artifact(path)
            for path in (layout.evaluation / "report.html", layout.validation / "validation.html"):
                run.artifact(path, "report")


def champion(job: Job, facts: dict[str, Any]) -> Scores | None:
    """The metrics of the present champion, if there is one that was measured on the same data."""
    name, client = job.paper.registered_name(job.config), tracking.client(job.layout.root)
    number = registry.alias(client, name, registry.CHAMPION)
    if number is None:
        return None
    found = review.version(client, name, number)
    if found.tags.get("data.sha256") != facts["manifest"]["store_sha256"]:
        return None
    values = {metric: found.metric(metric) for metric in job.paper.decides}
    return {metric: value for metric, value in values.items() if value is not None}


def collect(job: Job) -> dict[str, Any]:
    """The facts of all stages before this one."""
    config, layout = job.config, job.layout
    store = Store(layout.store)
    training = read_json(layout.training / "train.json")
    parity = read_json(layout.export / "parity.json")
    metrics = read_json(layout.metrics)
    graph = job.paper.graph(trained(job)[ROLE])
    return {
        "lineage": training["lineage"],
        "start": training["identity"].get("start", {}),
        "metrics": metrics,
        "parity": parity,
        "cost": cost(graph, layout.export / "model.onnx", *job.paper.example(config), config.convert.scale),
        "data.hr_sha256": references_sha256(store),
        "data.lr_sha256": inputs_sha256(store),
        "data.lr": degradation(store),
        "validation": read_json(layout.validation / "validation.json")["success"],
        "manifest": {
            **manifest.code(layout.root),
            "config": config.model_dump(),
            "card": store.manifest["card"],
            "raw_sha256": sha256(layout.raw / "raw.json") if (layout.raw / "raw.json").exists() else None,
            "store_sha256": store.manifest["data"]["sha256"],
            "lineage": training["lineage"],
            "start": training["identity"].get("start", {}),
            "seed": config.train.seed,
            "metric_conventions": sorted(metrics["methods"]["bicubic"]),
            "onnx": parity,
        },
    }


def tags(job: Job, facts: dict[str, Any], outcome: list[gates.Gate]) -> dict[str, Any]:
    """What the version's row shows: the decision, the gates, the result, and where it comes from."""
    ours, baseline = facts["metrics"]["methods"][ROLE], facts["metrics"]["methods"]["bicubic"]
    known = [name for name in job.paper.decides if ours.get(name) is not None]
    failed = "; ".join(gate.sentence for gate in outcome if not gate.passed)
    return {
        "review": "pending",
        "gates": "passed" if gates.passed(outcome) else "failed",
        **({"gates.failed": failed} if failed else {}),
        **{name: f"{ours[name]:.6g}" for name in known},
        **{f"gain.{name}": gain(name, ours[name], baseline[name]) for name in known if baseline.get(name) is not None},
        "dataset": facts["metrics"]["dataset"],
        "profile": job.config.profile,
        "verdict": facts["metrics"]["verdict"]["word"],
        "onnx.parity": "passed" if facts["parity"]["max_abs"] <= job.config.gates.max_abs_parity else "failed",
        "data.sha256": facts["manifest"]["store_sha256"],
        "git.commit": facts["manifest"]["git"]["commit"],
        "lineage": facts["lineage"],
        **facts["start"],
    }


def details(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """Everything else, for the page of the logged model and for comparisons."""
    ours, baseline = facts["metrics"]["methods"][ROLE], facts["metrics"]["methods"]["bicubic"]
    return {
        **{name: f"{value:.6g}" for name, value in ours.items() if value is not None},
        **{f"bicubic.{name}": f"{value:.6g}" for name, value in baseline.items() if value is not None},
        **{f"cost.{name}": value for name, value in asdict(facts["cost"]).items() if value is not None},
        **{name: facts[name] for name in ("data.hr_sha256", "data.lr_sha256", "data.lr")},
        "scale": job.config.convert.scale,
        "decides": ",".join(job.paper.decides),
        "conventions": ",".join(facts["manifest"]["metric_conventions"]),
        "git.dirty": facts["manifest"]["git"]["dirty"],
        "onnx.sha256": facts["parity"]["sha256"],
        "onnx.parity_max_abs": facts["parity"]["max_abs"],
        "onnx.megabytes": f"{facts['parity']['megabytes']:.3f}",
    }


def measured(job: Job, facts: dict[str, Any]) -> Measured:
    """The version's metrics and costs, on the validation references."""
    ours, baseline = facts["metrics"]["methods"][ROLE], facts["metrics"]["methods"]["bicubic"]
    metrics = {name: value for name, value in ours.items() if value is not None}
    metrics |= {f"gain.{name}": metrics[name] - baseline[name] for name in metrics if baseline.get(name) is not None}
    costs = {name: value for name, value in asdict(facts["cost"]).items() if isinstance(value, int | float)}
    card = facts["manifest"]["card"]
    profile = {"licence": card.get("licence"), "low resolution": facts["data.lr"], "split": "val"}
    data = tracking.Data(
        facts["metrics"]["dataset"],
        facts["data.hr_sha256"],
        job.layout.store.relative_to(job.layout.root).as_posix(),
        {name: value for name, value in profile.items() if value},
    )
    return Measured({**metrics, **{f"cost.{name}": value for name, value in costs.items()}}, data)
