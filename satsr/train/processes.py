"""Several processes that train as one: torchrun's processes, and what they agree on and hand each other.

``torchrun`` starts them, on one machine or on several, and says in their environment how many there are. Batch
normalisations over several processes are in :mod:`satsr.train.devices`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import distributed

from satsr import quiet
from satsr.errors import SatsrError
from satsr.train.devices import device

LOST = re.compile(r"gloo|NCCL|closed by peer|reset by peer|Broken pipe", re.IGNORECASE)
"""What the messages of a connection between processes have in common, when it breaks."""


def first() -> bool:
    """Whether this is the process that writes: the only one, or the first of all nodes."""
    return os.environ.get("RANK", "0") == "0"


def launched(batch: int, precision: Any) -> Fabric:
    """What this process trains with: the other processes that torchrun started are connected.

    Args:
        batch: items of a batch, which the processes share.
        precision: ``train.precision``.

    Raises:
        SatsrError: the processes were not started by torchrun, are unequally many on the nodes, more than there are
            GPUs, or cannot share a batch.
    """
    world, local = _number("WORLD_SIZE", 1), _number("LOCAL_WORLD_SIZE", 0)
    if world == 1:
        return Fabric(accelerator=device().type, devices=1, precision=precision)
    if batch % world:
        raise SatsrError(f"train.batch = {batch} cannot be shared by {world} processes: make it a multiple.")
    _require_devices(world, local)
    nodes = world // local
    quiet.calm()  # again, for Lightning's import has set levels of its own
    fabric = Fabric(accelerator=device().type, devices=local, num_nodes=nodes, strategy="ddp", precision=precision)
    fabric.launch()
    return fabric


def _require_devices(world: int, local: int) -> None:
    if not local:
        raise SatsrError(
            f"WORLD_SIZE = {world}, but nothing says how many processes are on this node: start the stage with "
            "torchrun --nnodes ... --nproc-per-node ... -m steps train <paper> (or unset WORLD_SIZE)."
        )
    if world % local:
        raise SatsrError(
            f"of {world} processes {local} are on this node: give torchrun the same --nproc-per-node on every node."
        )
    if device().type == "cuda" and torch.cuda.device_count() < local:
        raise SatsrError(
            f"{local} processes on a node with {torch.cuda.device_count()} GPUs: a process takes one, so give torchrun "
            "--nproc-per-node gpu, or ask for more."
        )


def _number(name: str, absent: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else absent


@contextmanager
def together(world: int) -> Iterator[None]:
    """Turns the loss of another process into a sentence; at the end their connection is closed.

    Raises:
        SatsrError: another process ended before this one.
    """
    try:
        yield
    except RuntimeError as error:
        if world == 1 or not LOST.search(str(error)):
            raise
        raise SatsrError(
            f"another of the {world} processes of this training ended ({' '.join(str(error).split())[:160]}): its own "
            "message says why. The same command goes on from the last checkpoint."
        ) from None
    if world > 1:
        distributed.destroy_process_group()


def require_same(fabric: Fabric, training: str) -> None:
    """Lets no two processes train different things as one.

    Args:
        fabric: of this process.
        training: the beginning of its identity's hash.

    Raises:
        SatsrError: the first process has another one.
    """
    theirs = fabric.broadcast(training)
    if theirs != training:
        raise SatsrError(
            f"process {fabric.global_rank} would train {training}, the first one trains {theirs}: their checkouts "
            "differ in code, settings or data. Give all nodes the same commit, params.yaml and store."
        )


def handed(fabric: Fabric, state: Mapping[str, Any]) -> dict[str, Any]:
    """The first process's state of a training, for all: on other nodes there may be no checkpoint to read."""
    buffer = BytesIO()
    if fabric.is_global_zero:
        torch.save(state, buffer)
    sent: bytes = fabric.broadcast(buffer.getvalue())
    received: dict[str, Any] = torch.load(BytesIO(sent), map_location=fabric.device, weights_only=True)
    return received


def means(fabric: Fabric, values: Mapping[str, float]) -> dict[str, float]:
    """The means over all processes of numbers that each of them has."""
    if fabric.world_size == 1 or not values:
        return dict(values)
    own = torch.tensor(list(values.values()), dtype=torch.float64, device=fabric.device)
    shared: Any = fabric.all_reduce(own)
    return dict(zip(values, shared.tolist(), strict=True))
