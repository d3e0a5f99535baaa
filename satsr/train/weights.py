"""What a training leaves: weights by role, its identity and its curves; and the networks made of them again."""

import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import load_weights
from models.shared.weights import save_weights
from satsr.config.recipe import Config
from satsr.errors import SatsrError
from satsr.files import read_json, replacing, write_json
from satsr.paper import Paper
from satsr.project import Places
from satsr.store.store import Store
from satsr.tracking import flatten
from satsr.train.start import lineage_of

IDENTITY = "identity.json"
APPLICABLE = ("network", "ema")
"""Roles whose weights are those of the paper's network."""


@dataclass(frozen=True)
class Fitted:
    """What a training gives: weights by role, its curves, and how the time was spent."""

    weights: dict[str, dict[str, torch.Tensor]]
    curves: list[dict[str, float]]
    steps: int
    skipped: int
    resumed_at: int
    seconds: float
    wait_share: float


def identity_of(config: Config, store: Store, code_sha256: str, started: Mapping[str, str]) -> dict[str, Any]:
    """All that a training's result depends on.

    Args:
        config: the paper's.
        store: the frame store.
        code_sha256: of the sources that the stage depends on.
        started: tags of the weights that it goes on from.
    """
    return {
        "network": config.network.model_dump(),
        "train": config.train.model_dump(),
        "convert": config.convert.model_dump(include={"scale"}),
        "data": store.manifest["data"]["sha256"],
        "code": code_sha256,
        **({"start": dict(started)} if started else {}),
    }


def key_of(identity: Mapping[str, Any]) -> str:
    """A hash of an identity: where its checkpoints lie."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def begin(scratch: Path, identity: Mapping[str, Any]) -> None:
    """Notes beside a training's checkpoints what they belong to, and says so if another one was left unfinished.

    Args:
        scratch: the folder of the paper's checkpoints, a folder each training; of several the newest is told of.
        identity: of the training that begins or goes on.
    """
    own = scratch / key_of(identity)[:16]
    found = [] if own.exists() else list(_unfinished(scratch))
    if found:
        newest, earlier = max(found, key=lambda pair: pair[0].stat().st_mtime)
        told = f"train: begins anew; {newest} stays, which is of another training"
        print(f"{told} ({', '.join(differences(earlier, identity))})", file=sys.stderr, flush=True)
    write_json(own / IDENTITY, dict(identity))


def _unfinished(scratch: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The last checkpoints of trainings that did not end, and their identities; damaged ones are passed over."""
    for path in scratch.glob(f"*/{IDENTITY}"):
        with suppress(SatsrError, LookupError, TypeError, ValueError):
            identity, checkpoints = read_json(path), sorted(path.parent.glob("step-*.ckpt"))
            if checkpoints and int(checkpoints[-1].stem[5:]) < identity["train"]["iterations"]:
                yield checkpoints[-1], identity


def differences(earlier: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    """What an earlier identity has otherwise: ``other code``, or settings such as ``train.lr = 0.1 instead of 0.2``."""
    before, now = flatten(earlier), flatten(identity)
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    hashes = ("code", "data")
    settings = [f"{key} = {before.get(key)} instead of {now.get(key)}" for key in changed if key not in hashes]
    return [f"other {key}" for key in changed if key in hashes] + settings


def save(
    fitted: Fitted,
    places: Places,
    identity: Mapping[str, Any],
    values: Mapping[str, Any],
    about: Mapping[str, Any],
) -> str:
    """Writes weights and identity as one folder, and the curves.

    Args:
        fitted: the finished training.
        places: where.
        identity: what the training's result depends on.
        values: statistics of the native values that it saw.
        about: what the weights that can be applied say of themselves (:mod:`satsr.exported.facts`).

    Returns:
        The lineage, the hash of the weights.
    """
    with replacing(places.training) as folder:
        folder.mkdir()
        for role, state in sorted(fitted.weights.items()):
            header = {"role": role, "paper": places.paper}
            if role in APPLICABLE:
                header["satsr"] = json.dumps({**about, "statistics": values}, sort_keys=True)
            save_weights(state, folder / f"{role}.safetensors", header)
        lineage = lineage_of(folder)
        made = {"identity": identity, "lineage": lineage, "statistics": values}
        write_json(folder / "train.json", {**made, "steps": fitted.steps, "skipped_steps": fitted.skipped})
    _curves(fitted.curves, places)
    return lineage


def _curves(rows: list[dict[str, float]], places: Places) -> None:
    """The curves as two tables for ``dvc plots``: the loss every few steps, the validation where it was made."""
    for name, wanted in (("loss", False), ("validation", True)):
        table = [row for row in rows if any(key.startswith("val_") for key in row) is wanted]
        columns = list(dict.fromkeys(key for row in table for key in row))
        with replacing(places.results / f"{name}.csv") as path, path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "step": int(row["step"])} for row in table)


def trained(paper: Paper[Any], places: Places, role: str, device: torch.device | None = None) -> nn.Module:
    """The trained network with the weights of ``role`` (one of :data:`APPLICABLE`), in evaluation mode.

    Args:
        paper: the recipe.
        places: of its files.
        role: whose weights.
        device: where the network is put; the CPU unless given.

    Raises:
        SatsrError: no training has finished, its files were altered since, or its weights are those of another network.
    """
    network = paper.network()
    path = places.training / f"{role}.safetensors"
    if not path.is_file():
        raise SatsrError(
            f"there is no {path}: no training of {places.paper} has finished here. Run the train stage "
            f"(python -m steps train {places.paper}); one that was interrupted goes on where it stopped."
        )
    _require_unaltered(places)
    try:
        load_weights(network, path)
    except ValueError as error:
        raise SatsrError(
            f"the trained weights are not those of the configured network: {error} The configuration was changed "
            f"after the training: run the train stage again (python -m steps train {places.paper})."
        ) from None
    return network.eval().to(device or torch.device("cpu"))


def _require_unaltered(places: Places) -> None:
    """Whether the files of weights are those that the training wrote: a damaged copy may come out of a cache.

    Raises:
        SatsrError: they are not.
    """
    expected, found = read_json(places.training / "train.json")["lineage"], lineage_of(places.training)
    if found != expected:
        raise SatsrError(
            f"the weights in {places.training} are not those that the training wrote (lineage {expected[:12]}, found "
            f"{found[:12]}): they were altered, or damaged in DVC's cache. Delete this folder and its copy in the "
            f"cache, and run the train stage again (dvc repro --force --single-item train@{places.paper}); it goes on "
            "from its last checkpoint."
        )
