"""What a training of each full recipe moves: its checkpoints and its samples, for the table in ``docs/clusters.md``.

``python -m benchmarks.training_sizes [paper...]`` draws data of the published form and size, few in number
(``tests/published.py``), makes the store, and measures the profile ``paper``: a checkpoint as it is at the end of the
recipe, with all rows of its curves, written and hashed; and samples as one loader process makes them. What a GPU eats
is computed from the hours that ``docs/paper-runs.md`` estimates, at their lower end.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML

from satsr.config.resolve import read_yaml
from satsr.files import sha256
from satsr.project import root
from satsr.store.store import Store
from satsr.train.checkpoint import Checkpoints, Progress, snapshot
from satsr.train.loop import LOG_EVERY
from satsr.train.native import NativeSamples
from satsr.train.objectives import Objective
from steps.job import Job
from tests import stages
from tests.pipelines.test_paper_profiles import settings
from tests.published import WRITERS

HOURS = {"rasvsr": 20, "msdtgp": 15, "qanet": 10, "breizhsr": 11, "srgan": 7}
"""Of the whole recipe on one H200, estimates; not measured."""
STEPS = {"rasvsr": 90_000, "msdtgp": 869_400, "qanet": 379_600, "breizhsr": 400_000, "srgan": 200_000}
BATCHES = {"rasvsr": 4, "msdtgp": 1, "qanet": 10, "breizhsr": 32, "srgan": 12}
FRAMES = {"rasvsr": 60 / 2}
"""How many times a drawn sample's frames the recipe has: what is drawn has clips of two."""
SECONDS = 5.0
HEAD = (
    *("paper", "checkpoint", "written in", "hashed in", "sent at 100 Mbit/s", "at 1 Gbit/s", "a sample"),
    *("made in", "a GPU eats", "loaders", "to the GPU"),
)


def row(paper: str, folder: Path) -> list[str]:
    """The cells of a paper."""
    work = published(paper, folder)
    stages.run(folder, paper, "download", "convert")
    objective = work.paper.objective(work.paper.network())
    size, written, hashed = _checkpoint(objective, STEPS[paper], folder / "checkpoints")
    sample, made = (FRAMES.get(paper, 1) * value for value in _samples(work))
    rate = STEPS[paper] * BATCHES[paper] / HOURS[paper] / 3600
    return [
        *(paper, f"{size / 1e6:.0f} MB", f"{written:.2f} s", f"{hashed:.2f} s"),
        *(f"{8 * size / 100e6:.1f} s", f"{8 * size / 1e9:.1f} s", f"{sample / 1e6:.2f} MB", f"{1000 * made:.1f} ms"),
        *(f"{rate:.0f} samples/s", f"{rate * made:.2f}", f"{rate * sample / 1e6:.0f} MB/s"),
    ]


def published(paper: str, folder: Path) -> Job:
    """The recipe with drawn data in the published form."""
    WRITERS[paper](folder / "published")
    card = read_yaml(root() / read_yaml(root() / f"pipelines/{paper}.yaml")["paper"]["data"])
    card["source"] = {"files": {"path": str(folder / "published")}}
    stages.project(folder, paper, "", settings(paper, folder))
    with (folder / "tiny.yaml").open("w") as handle:
        YAML().dump(card, handle)
    return stages.run(folder, paper)


def _checkpoint(objective: Objective, steps: int, folder: Path) -> tuple[int, float, float]:
    """Bytes of a checkpoint after so many steps, the median seconds to write and to hash it."""
    for optimizer in objective.optimizers.values():
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    curves = [{"step": float(step), "loss": 1 / step, "lr": 1e-4} for step in range(LOG_EVERY, steps + 1, LOG_EVERY)]
    ema = {name: value.detach().clone() for name, value in objective.networks["network"].named_parameters()}
    checkpoints, times = Checkpoints(folder), []
    for step in range(1, 4):
        begin = time.monotonic()
        path = checkpoints.save(step, snapshot(objective, ema, Progress(step, curves=curves)))
        middle = time.monotonic()
        sha256(path)
        times.append((middle - begin, time.monotonic() - middle))
    written, hashed = (sorted(values)[1] for values in zip(*times, strict=True))
    return path.stat().st_size, written, hashed


def _samples(work: Job) -> tuple[float, float]:
    """Bytes of a sample as it comes from a loader, and seconds that one process needs for it."""
    samples: Any = work.paper.samples(Store(work.places.store))
    make = samples.native if isinstance(samples, NativeSamples) else samples.__getitem__
    size = sum(value.nbytes for value in make(0).values())
    begin, count = time.process_time(), 0
    while time.process_time() - begin < SECONDS:
        count += 1
        make(count)
    return size, (time.process_time() - begin) / count


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = []
    for paper in sys.argv[1:] or WRITERS:
        folder = Path(tempfile.mkdtemp(prefix="satsr-sizes-"))
        rows.append(row(paper, folder))
        shutil.rmtree(folder)
    print("\n".join("| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD), *rows)))
