"""Several processes that train as one: torchrun's processes, and what they agree on and hand each other.

``torchrun`` starts them, on one machine or on several, and says in their environment how many there are; with
``SATSR_PROCESSES`` a stage starts those of its own machine by torchrun's library. Batch normalisations over several
processes are in :mod:`satsr.train.devices`.
"""

import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import distributed

from satsr import quiet
from satsr.errors import Interrupted, SatsrError
from satsr.files import disk_errors
from satsr.train.devices import device

PROCESSES = "SATSR_PROCESSES"
HANDLED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""What torch's agent hears."""
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""How a training exits that was stopped."""
LOST = re.compile(r"gloo|NCCL|closed by peer|reset by peer|Broken pipe", re.IGNORECASE)
"""What the messages of a connection between processes have in common, when it breaks."""


def first() -> bool:
    """Whether this is the process that writes: the only one, or the first of all nodes."""
    return os.environ.get("RANK", "0") == "0"


def wanted() -> int:
    """How many processes this one starts for a training: what ``SATSR_PROCESSES`` says, unless torchrun did it.

    Raises:
        SatsrError: it is neither a number above 0 nor ``gpu``, or there is no GPU.
    """
    text = os.environ.get(PROCESSES, "").strip() or "1"
    count = torch.cuda.device_count() if text == "gpu" else _number(PROCESSES, 1)
    if count < 1 or not (text.isdecimal() or text == "gpu"):
        raise SatsrError(f"{PROCESSES} is {text!r}: take a number of processes, or gpu for one on each GPU there is.")
    return 1 if "RANK" in os.environ else count


def divided(count: int, work: Callable[..., None], *arguments: Any, start: str = "spawn") -> int:
    """Does it in so many processes of this machine, which end together.

    Args:
        count: of processes.
        work: a function of a module; each process imports it anew.
        arguments: of the function.
        start: how; ``fork`` is quick, where no thread and no GPU is at work yet.

    Returns:
        The signal that stopped them, or 0.

    Raises:
        SatsrError: one of them failed, and has said why.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    meeting: dict[str, Any] = {"rdzv_backend": "c10d", "rdzv_endpoint": "127.0.0.1:0", "local_addr": "127.0.0.1"}
    config = LaunchConfig(1, 1, count, run_id="satsr", max_restarts=0, start_method=start, **meeting)
    try:
        with _unheard():
            elastic_launch(config, _part)(work, *arguments)
    except SignalException as error:
        return int(error.sigval)
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        if stopped := [code - 128 for code in codes.values() if code in STOPPED]:
            return stopped[0]
        killed = [f"process {rank} by {signal.Signals(-code).name}" for rank, code in codes.items() if code < 0]
        why = f"{', '.join(killed)} (too little memory?)" if killed else "what went wrong stands above"
        raise SatsrError(f"the {count} processes of the training ended: {why}.") from None
    return 0


@contextmanager
def _unheard() -> Iterator[None]:
    """Keeps torch's agent from speaking, since who fails says why, and takes its handlers of signals back."""
    speaking = ("torch.distributed.elastic", "torch.multiprocessing")
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(speaking)]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    numbers = [number for name in HANDLED if (number := getattr(signal, name, None))]
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) is not None}
    try:
        yield
    finally:
        with suppress(ValueError):  # not the main thread: there were none
            for number, handler in before.items():
                signal.signal(number, handler)


def _part(work: Callable[..., None], *arguments: Any) -> None:
    """What each of the processes does: as a stage of its own."""
    quiet.calm()
    try:
        with disk_errors("training"):
            work(*arguments)
    except SatsrError as error:
        print(f"error (process {os.environ['RANK']}): {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    except Interrupted as error:
        sys.exit(error.code)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


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
