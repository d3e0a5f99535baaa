"""GPU memory of a step of the full recipes, from what their backward passes need: the table in ``docs/paper-runs.md``.

``python -m benchmarks.activations [paper...]`` draws data of the published form and size (``tests/published.py``),
makes one step of the profile ``paper`` with batches of 2 and 3 on the CPU, counts the bytes that autograd keeps (each
storage once, without the parameters), and goes on in a straight line to the recipe's batch. Weights, gradients, both
moments of Adam and the average are added. What kernels need for themselves, and the caching allocator, are not in it.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.data import default_collate

from benchmarks.training_sizes import BATCHES, published
from satsr.store.store import Store
from satsr.train.objectives import Objective
from tests import stages

PAPERS = ("msdtgp", "qanet", "breizhsr", "srgan")
"""RASVSR's clips of 60 frames do not fit a small machine; docs/paper-runs.md says how it was measured."""
SMALL = (2, 3)
COPIES = 5
"""Of the trained weights: they themselves, gradients, two moments, the average."""
HEAD = ("paper", "batch", "activations", "weights and their copies", "together")


def row(paper: str, folder: Path) -> list[str]:
    """The cells of a paper."""
    work = published(paper, folder)
    stages.run(folder, paper, "download", "convert")
    samples: Any = work.paper.samples(Store(work.places.store))
    objective = work.paper.objective(work.paper.network())
    for network in objective.networks.values():
        network.train()
    first, second = (_kept(objective, default_collate([samples[i] for i in range(count)])) for count in SMALL)
    each = (second - first) / (SMALL[1] - SMALL[0])
    activations = first + each * (BATCHES[paper] - SMALL[0])
    networks = objective.networks.values()
    weights = COPIES * sum(p.nbytes for network in networks for p in network.parameters())
    sizes = (f"{size / 1e9:.1f} GB" for size in (activations, weights, activations + weights))
    return [paper, f"{BATCHES[paper]}", *sizes]


def _kept(objective: Objective, batch: Any) -> int:
    """The most bytes that one of the losses of a step keeps for its backward pass."""
    own = {p.untyped_storage().data_ptr() for net in objective.networks.values() for p in net.parameters()}
    kept: dict[int, int] = {}
    most = 0

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        for _, loss in objective.losses(batch, 1):
            most = max(most, sum(kept.values()))
            loss.backward()
            kept.clear()
    return most


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = []
    for name in sys.argv[1:] or PAPERS:
        with tempfile.TemporaryDirectory(prefix="satsr-activations-") as place:
            rows.append(row(name, Path(place)))
    print("\n".join("| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD), *rows)))
