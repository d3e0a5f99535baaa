"""Stage 4, train: the store and the recipe become weights and curves."""

import csv
import hashlib
import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from models.weights import save_weights
from satsr import tracking
from satsr.evaluate.measure import validator
from satsr.files import replacing, write_json
from satsr.project import Layout
from satsr.seeds import integer
from satsr.store.store import Store
from satsr.train.loop import Fitted, fit
from satsr.train.start import WEIGHTS, lineage_of
from steps.recipes import Job

APPLICABLE = ("network", "ema")
"""Roles whose weights are those of the paper's network."""


def run(job: Job) -> None:
    """Trains, or goes on with a training of the same identity that was interrupted, into ``results/<paper>/train``.

    Raises:
        SatsrError: the store is damaged, or the loss does not stay finite.
        Interrupted: a signal arrived; the next run goes on.
    """
    paper, config, layout = job.paper, job.config, job.layout
    store = Store(layout.store)
    torch.manual_seed(integer(config.train.seed, "initialise"))
    network = paper.network(config)
    objective = paper.objective(config, network)
    started = paper.start(config, objective)
    identity = {
        "network": config.network.model_dump(),
        "train": config.train.model_dump(),
        "convert": config.convert.model_dump(include={"scale"}),
        "data": store.manifest["data"]["sha256"],
        "code": code_hash(layout.root, paper.name),
        **({"start": started} if started else {}),
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    train = partial(
        fit,
        objective,
        paper.samples(config, store),
        config.train,
        layout.scratch / key[:16],
        validator(paper, config, store),
    )
    if int(os.environ.get("RANK", "0")) > 0:  # one of several processes (torchrun): the first of them writes
        train()
        return
    with tracking.run(layout.root, paper.name, name=f"{paper.name}-{key[:8]}") as log:
        log.params({"profile": config.profile, **identity})
        fitted = train(log.metrics)
        about = paper.describe(config) | getattr(network, "recipe", {})
        lineage = save(fitted, layout, identity, about)
        log.tags({tracking.LINEAGE: lineage, "profile": config.profile, "dvc.lmdb": identity["data"], **started})
        for path in sorted(layout.training.glob("*.safetensors")):
            log.artifact(path, WEIGHTS)
        log.metrics({"train_seconds": fitted.seconds, "data_wait_share": fitted.wait_share})
    write_json(
        layout.scratch / "train-times.json",
        {"seconds": fitted.seconds, "wait_share": fitted.wait_share, "resumed_at": fitted.resumed_at},
    )


def save(fitted: Fitted, layout: Layout, identity: Mapping[str, object], about: Mapping[str, object]) -> str:
    """Writes weights and identity as one folder, and the curves.

    Args:
        fitted: the finished training.
        layout: where.
        identity: what the training's result depends on.
        about: what the weights that can be applied say of themselves (:mod:`satsr.exported.facts`).

    Returns:
        The lineage, the hash of the weights.
    """
    with replacing(layout.training) as folder:
        folder.mkdir()
        for role, state in sorted(fitted.weights.items()):
            header = {"role": role, "paper": layout.paper}
            if role in APPLICABLE:
                header["satsr"] = json.dumps(about, sort_keys=True)
            save_weights(state, folder / f"{role}.safetensors", header)
        lineage = lineage_of(folder)
        write_json(
            folder / "train.json",
            {"identity": identity, "lineage": lineage, "steps": fitted.steps, "skipped_steps": fitted.skipped},
        )
    curves(fitted.curves, layout.results)
    return lineage


def curves(rows: list[dict[str, float]], folder: Path) -> None:
    """The curves as two tables for ``dvc plots``: the loss every few steps, the validation where it was made."""
    for name, wanted in (("loss", False), ("validation", True)):
        table = [row for row in rows if any(key.startswith("val_") for key in row) is wanted]
        columns = list(dict.fromkeys(key for row in table for key in row))
        with replacing(folder / f"{name}.csv") as path, path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "step": int(row["step"])} for row in table)


def code_hash(root: Path, paper: str) -> str:
    """Hash of the sources that a training's result depends on, so that a checkpoint never meets other code."""
    files = [
        *sorted((root / "models").glob("*.py")),
        *sorted((root / "models" / "operators").glob("*.py")),
        *sorted((root / "models" / paper).rglob("*.py")),
        root / "pipelines" / f"{paper}.py",
        root / "satsr" / "seeds.py",
        root / "satsr" / "radiometry.py",
        *sorted((root / "satsr" / "train").glob("*.py")),
        *sorted((root / "satsr" / "kinds").rglob("*.py")),
    ]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def trained(job: Job) -> dict[str, nn.Module]:
    """The trained networks by role: ``network`` and ``ema``, in evaluation mode."""
    from models import load_weights

    networks = {}
    for role in APPLICABLE:
        network = job.paper.network(job.config)
        load_weights(network, job.layout.training / f"{role}.safetensors")
        networks[role] = network.eval()
    return networks
