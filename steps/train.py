"""Stage 4, train: the store and the recipe become weights and curves."""

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from satsr import tracking
from satsr.errors import Interrupted, SatsrError
from satsr.files import read_json, write_json
from satsr.project import Places
from satsr.seeds import integer
from satsr.store.statistics import statistics
from satsr.store.store import Store
from satsr.train.loop import fit
from satsr.train.processes import divided, first, wanted
from satsr.train.remote import Remote, remote
from satsr.train.start import WEIGHTS
from satsr.train.validation import validator
from satsr.train.weights import begin, identity_of, key_of, save
from steps.code import code_sha256
from steps.job import job


def run(paper: str, root: Path) -> None:
    """Trains, or goes on with a training of the same identity that was interrupted, into ``results/<paper>/train``.

    With ``SATSR_PROCESSES`` it does so in several processes of this machine.

    Raises:
        SatsrError: the store is damaged, the loss does not stay finite, or ``SATSR_CHECKPOINTS`` cannot be used.
        Interrupted: a signal arrived; the next run goes on.
    """
    count = wanted()
    if count == 1:
        train(paper, root)
        return
    os.environ["MLFLOW_TRACKING_URI"] = tracking.uri(root)  # they know nothing of ZenML's stack
    if number := divided(count, train, paper, root):
        reached = [path.stem for path in Places(root, paper).scratch.glob("*/step-*.ckpt")]
        raise Interrupted(number, max((int(stem.removeprefix("step-")) for stem in reached), default=0))


def train(paper: str, root: Path) -> None:
    """The same in this process, which may be one of several."""
    work = job(paper, root)
    recipe, config, places = work.paper, work.config, work.places
    store = Store(places.store)
    torch.manual_seed(integer(config.train.seed, "initialise"))
    network = recipe.network()
    objective = recipe.objective(network)
    started = recipe.start(objective)
    identity = identity_of(config, store, code_sha256("train", paper, root), started)
    key = key_of(identity)
    afar = _begun(paper, identity, places) if first() else None
    scratch, validate = places.scratch / key[:16], validator(recipe, store)
    fitting = partial(fit, objective, recipe.samples(store), config.train, scratch, validate, remote=afar)
    if not first():  # one of several processes (torchrun): the first of them writes
        fitting()
        return
    told = key_of({**identity, "profile": config.profile})[:16]
    kept = scratch / f"{told}.run"
    if afar:
        afar.bring(kept)
    with tracking.run(root, paper, name=f"{paper}-{key[:8]}", kept=kept) as log:
        if afar:
            afar.leave(kept)
        log.params({"profile": config.profile, **identity})
        fitted = fitting(log=log.metrics)
        values = statistics(store, recipe.seen)
        lineage = save(fitted, places, identity, values, {**recipe.describe(), **getattr(network, "made_from", {})})
        log.tags({tracking.LINEAGE: lineage, "profile": config.profile, "dvc.lmdb": identity["data"], **started})
        for path in sorted(places.training.glob("*.safetensors")):
            log.artifact(path, WEIGHTS)
        log.metrics({"train_seconds": fitted.seconds, "data_wait_share": fitted.wait_share})
    times = {"seconds": fitted.seconds, "wait_share": fitted.wait_share, "resumed_at": fitted.resumed_at}
    write_json(places.scratch / "train-times.json", times)


def _begun(paper: str, identity: Mapping[str, Any], places: Places) -> Remote | None:
    """Notes what the checkpoints belong to, here and at the address where they are sent, if there is one."""
    begin(places.scratch, identity)
    afar = remote(paper, key_of(identity))
    if afar:
        afar.begin(identity)
    return afar


def finished(paper: str, root: Path) -> None:
    """Removes the checkpoints that were sent to ``SATSR_CHECKPOINTS``, once the outputs are where they are needed.

    Whoever runs the stage says when that is: with a DVC remote, after the push. What cannot be removed is told of.

    Args:
        paper: whose training has finished.
        root: the project's.
    """
    training = Places(root, paper).training / "train.json"
    try:
        afar = remote(paper, key_of(read_json(training)["identity"])) if first() and training.exists() else None
        if afar:
            afar.forget()
    except SatsrError as error:
        print(f"train: {error}", file=sys.stderr, flush=True)
