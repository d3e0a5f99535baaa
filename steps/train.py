"""Stage 4, train: the store and the recipe become weights and curves."""

import os
from functools import partial
from pathlib import Path

import torch

from satsr import tracking
from satsr.files import write_json
from satsr.seeds import integer
from satsr.store.statistics import statistics
from satsr.store.store import Store
from satsr.train.loop import fit
from satsr.train.start import WEIGHTS
from satsr.train.validation import validator
from satsr.train.weights import begin, identity_of, key_of, save
from steps.code import code_sha256
from steps.job import job


def run(paper: str, root: Path) -> None:
    """Trains, or goes on with a training of the same identity that was interrupted, into ``results/<paper>/train``.

    Raises:
        SatsrError: the store is damaged, or the loss does not stay finite.
        Interrupted: a signal arrived; the next run goes on.
    """
    work = job(paper, root)
    recipe, config, places = work.paper, work.config, work.places
    store = Store(places.store)
    torch.manual_seed(integer(config.train.seed, "initialise"))
    network = recipe.network()
    objective = recipe.objective(network)
    started = recipe.start(objective)
    identity = identity_of(config, store, code_sha256("train", paper, root), started)
    key = key_of(identity)
    if os.environ.get("RANK", "0") == "0":
        begin(places.scratch, identity)
    train = partial(
        fit, objective, recipe.samples(store), config.train, places.scratch / key[:16], validator(recipe, store)
    )
    if int(os.environ.get("RANK", "0")) > 0:  # one of several processes (torchrun): the first of them writes
        train()
        return
    told = key_of({**identity, "profile": config.profile})[:16]
    kept = places.scratch / key[:16] / f"{told}.run"
    with tracking.run(root, paper, name=f"{paper}-{key[:8]}", kept=kept) as log:
        log.params({"profile": config.profile, **identity})
        fitted = train(log.metrics)
        values = statistics(store, recipe.seen)
        lineage = save(fitted, places, identity, values, {**recipe.describe(), **getattr(network, "made_from", {})})
        log.tags({tracking.LINEAGE: lineage, "profile": config.profile, "dvc.lmdb": identity["data"], **started})
        for path in sorted(places.training.glob("*.safetensors")):
            log.artifact(path, WEIGHTS)
        log.metrics({"train_seconds": fitted.seconds, "data_wait_share": fitted.wait_share})
    times = {"seconds": fitted.seconds, "wait_share": fitted.wait_share, "resumed_at": fitted.resumed_at}
    write_json(places.scratch / "train-times.json", times)
