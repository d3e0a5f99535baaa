"""Stage 7, register: the graph becomes a version in the model registry, behind gates."""

from typing import Any

from satsr import gates, manifest, onnx, registry, review, tracking
from satsr.card_text import model_card
from satsr.data.store import Store
from satsr.files import read_json, replacing, sha256, write_json, write_text
from steps.export import ROLE
from steps.recipes import Job


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
            "milliseconds": facts["milliseconds"],
        },
    )
    name = job.paper.registered_name(config)
    card = model_card(job.paper, facts, outcome)
    with tracking.run(layout.root, job.paper.name, facts["lineage"], name) as run:
        version = registry.add_version(run, name, layout.export / "model.onnx", tags(job, facts, outcome), card)
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


def collect(job: Job) -> dict[str, Any]:
    """The facts of all stages before this one."""
    config, layout = job.config, job.layout
    store = Store(layout.store)
    training = read_json(layout.training / "train.json")
    parity = read_json(layout.export / "parity.json")
    metrics = read_json(layout.metrics)
    return {
        "lineage": training["lineage"],
        "metrics": metrics,
        "parity": parity,
        "milliseconds": onnx.milliseconds(layout.export / "model.onnx", job.paper.parity_cases(config)[0]),
        "validation": read_json(layout.validation / "validation.json")["success"],
        "manifest": {
            **manifest.code(layout.root),
            "config": config.model_dump(),
            "card": store.manifest["card"],
            "raw_sha256": sha256(layout.raw / "raw.json") if (layout.raw / "raw.json").exists() else None,
            "store_sha256": store.manifest["data"]["sha256"],
            "lineage": training["lineage"],
            "seed": config.train.seed,
            "metric_conventions": sorted(metrics["methods"]["bicubic"]),
            "onnx": parity,
        },
    }


def tags(job: Job, facts: dict[str, Any], outcome: list[gates.Gate]) -> dict[str, Any]:
    """What the version itself carries, readable in MLflow's own page."""
    ours, baseline = facts["metrics"]["methods"][ROLE], facts["metrics"]["methods"]["bicubic"]
    return {
        **{name: f"{value:.6g}" for name, value in ours.items() if value is not None},
        **{f"bicubic.{name}": f"{value:.6g}" for name, value in baseline.items() if value is not None},
        "profile": job.config.profile,
        "dataset": facts["metrics"]["dataset"],
        "data.sha256": facts["manifest"]["store_sha256"],
        "git.commit": facts["manifest"]["git"]["commit"],
        "git.dirty": facts["manifest"]["git"]["dirty"],
        "lineage": facts["lineage"],
        "onnx.sha256": facts["parity"]["sha256"],
        "onnx.parity_max_abs": facts["parity"]["max_abs"],
        "onnx.megabytes": f"{facts['parity']['megabytes']:.3f}",
        "verdict": facts["metrics"]["verdict"]["word"],
        "decides": ",".join(job.paper.decides),
        "conventions": ",".join(facts["manifest"]["metric_conventions"]),
        "onnx.parity": "passed" if facts["parity"]["max_abs"] <= job.config.gates.max_abs_parity else "failed",
        "onnx.milliseconds": f"{facts['milliseconds']:.1f}",
        "gates": "passed" if gates.passed(outcome) else "failed",
        "gates.failed": "; ".join(gate.sentence for gate in outcome if not gate.passed),
        "review": "pending",
    }
