"""The one training loop: any objective, any network, on Lightning Fabric.

A run that is interrupted, or killed, and started again gives the same bytes as one that was not (on the same machine):
samples, learning rates and random draws are functions of the step alone, and everything else is in the checkpoint.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader, Dataset

from satsr.config.recipe import Train
from satsr.errors import Interrupted, SatsrError
from satsr.progress import Bar
from satsr.seeds import integer
from satsr.train.checkpoint import Checkpoints, Progress, read, restored, snapshot
from satsr.train.devices import share_statistics
from satsr.train.native import Halves, NativeSamples
from satsr.train.objectives import Objective
from satsr.train.processes import handed, launched, means, require_same, together
from satsr.train.remote import Remote
from satsr.train.sender import Sender
from satsr.train.surroundings import deterministic, stopping
from satsr.train.weights import Fitted

LOG_EVERY = 10
Validate = Callable[[Mapping[str, nn.Module]], dict[str, float]]
Log = Callable[[dict[str, float], int], None]


def fit(
    objective: Objective,
    samples: Dataset[dict[str, torch.Tensor]],
    settings: Train,
    folder: Path,
    validate: Validate,
    log: Log = lambda values, step: None,
    remote: Remote | None = None,
) -> Fitted:
    """Trains for ``settings.iterations`` steps, from the newest checkpoint in ``folder`` or at ``remote``, if any.

    Args:
        objective: networks, optimisers and losses.
        samples: item i is sample i of an endless stream; a step takes the next ``batch`` of them.
        settings: the ``train`` section.
        folder: where checkpoints of this very training lie; its name is that of the identity of data and configuration.
        validate: given the networks by role (``network`` and ``ema``), the metrics to put on the curves.
        log: hears every row of the curves as it is made.
        remote: where checkpoints are sent while the training goes on; of several processes the first has one.

    Raises:
        SatsrError: the loss was not finite ``max_bad_steps`` times in a row; several processes do not fit together, or
            one of them was lost; ``remote`` does not answer when the training begins.
        Interrupted: SIGINT or SIGTERM arrived, here or at another process; a checkpoint was written.
    """
    fabric = launched(settings.batch, settings.precision)
    sender = Sender(remote) if remote else None
    with deterministic(settings.threads), together(fabric.world_size):
        if fabric.world_size > 1:
            require_same(fabric, folder.name)
        loop = _Loop(objective, settings, Checkpoints(folder), fabric, log, sender)
        return loop.run(samples, validate)


class _Loop:
    """One training in progress."""

    def __init__(
        self,
        objective: Objective,
        settings: Train,
        checkpoints: Checkpoints,
        fabric: Fabric,
        log: Log,
        sender: Sender | None,
    ) -> None:
        self.objective, self.settings, self.checkpoints, self.fabric = objective, settings, checkpoints, fabric
        self.log, self.sender = log, sender
        self.state = Progress()
        for network in objective.networks.values():
            network.to(fabric.device).train()
            if fabric.world_size > 1:
                share_statistics(network)
        network = objective.networks["network"]
        self.ema = {name: value.detach().clone() for name, value in network.named_parameters()}
        self.wait = 0.0
        self.stopped: list[int] = []
        self.others_stopped = False

    def run(self, samples: Dataset[dict[str, torch.Tensor]], validate: Validate) -> Fitted:
        """All steps that are left."""
        self.resume()
        first, total = self.state.step, self.settings.iterations
        begin = time.monotonic()
        with stopping(self.fabric.world_size > 1) as self.stopped, Bar("train", total, first) as bar:
            for batch in self.batches(samples, first, total):
                self.step(batch)
                step = self.state.step
                if step % LOG_EVERY == 0 or step == total:
                    self.record()
                if step % self.settings.validate_every == 0 or step == total:
                    self.validated(validate)
                if (ending := self.ending()) and step < total:
                    self.leave()
                if ending or step % self.settings.checkpoint_every == 0 or (self.sender and self.sender.due()):
                    self.keep()
                bar.advance(note=self.note(begin))
        seconds = time.monotonic() - begin
        if self.sender:
            self.sender.finish()
        network = self.objective.networks["network"]
        weights = {role: _cpu(module.state_dict()) for role, module in self.objective.networks.items()}
        weights["ema"] = _cpu({**network.state_dict(), **self.ema})
        share = self.wait / seconds if seconds else 0.0
        return Fitted(weights, self.state.curves, total, self.state.skipped, first, seconds, share)

    def batches(
        self, samples: Dataset[dict[str, torch.Tensor]], first: int, total: int
    ) -> Iterator[dict[str, torch.Tensor]]:
        """This process's share of the batches of steps ``first`` + 1 to ``total``, on the device."""
        size, world, rank = self.settings.batch, self.fabric.world_size, self.fabric.global_rank
        share = size // world
        indices = [[step * size + rank * share + item for item in range(share)] for step in range(first, total)]
        loader = DataLoader(
            Halves(samples) if isinstance(samples, NativeSamples) else samples,
            batch_sampler=indices,
            num_workers=self.settings.workers,
            pin_memory=self.fabric.device.type == "cuda",
        )
        source = iter(loader)
        for _ in indices:
            begin = time.monotonic()
            batch = next(source)
            self.wait += time.monotonic() - begin
            moved = {name: value.to(self.fabric.device, non_blocking=True) for name, value in batch.items()}
            yield samples.values(moved) if isinstance(samples, NativeSamples) else moved

    def step(self, batch: dict[str, torch.Tensor]) -> None:
        """One step: every loss the objective yields drives its optimiser."""
        self.state.step += 1
        step = self.state.step
        torch.manual_seed(integer(self.settings.seed, "step", step, self.fabric.global_rank))
        self.objective.prepare(step)
        finite = True
        with self.fabric.autocast():
            for name, loss in self.objective.losses(batch, step):
                finite &= self.update(name, loss)
        if finite:
            self.state.bad_in_a_row = 0
            self.follow()
            for name, value in means(self.fabric, self.objective.logs()).items():
                self.state.recent.setdefault(name, []).append(value)
            return
        self.state.skipped += 1
        self.state.bad_in_a_row += 1
        if self.state.bad_in_a_row >= self.settings.max_bad_steps:
            raise SatsrError(
                f"the loss was not finite {self.state.bad_in_a_row} steps in a row, up to step {step}; the last "
                f"checkpoint is kept. Lower train.lr, set train.clip_norm, or use train.precision=32-true."
            )

    def update(self, name: str, loss: torch.Tensor) -> bool:
        """One optimiser step, unless the loss or its gradient is not finite; whether it was made."""
        optimizer = self.objective.optimizers[name]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:
            torch.autograd.backward(loss)
        if self.fabric.world_size > 1:
            loss = self.share(parameters, loss)
        limit = self.settings.clip_norm or float("inf")
        norm = float(nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], limit))
        value = float(loss.detach())
        if not (norm == norm and norm != float("inf") and value == value and abs(value) != float("inf")):
            optimizer.zero_grad(set_to_none=True)
            return False
        optimizer.step()
        self.state.recent.setdefault("loss" if name == "network" else f"loss_{name}", []).append(value)
        return True

    def share(self, parameters: list[nn.Parameter], loss: torch.Tensor) -> torch.Tensor:
        """Averages gradients and the loss over the processes in one message, which says too who was told to stop.

        Returns:
            The loss.
        """
        used = [p for p in parameters if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in used]
        more = [loss.detach().reshape(1), loss.new_full((1,), float(bool(self.stopped)))]
        flat: Any = self.fabric.all_reduce(torch.cat([*(g.flatten() for g in gradients), *more]))
        for parameter, part in zip(used, flat[:-2].split([p.numel() for p in used]), strict=True):
            parameter.grad = part.view_as(parameter)
        self.others_stopped |= bool(flat[-1] > 0)
        return flat[-2]  # type: ignore[no-any-return]

    def follow(self) -> None:
        """Moves the exponential moving average of the parameters."""
        with torch.no_grad():
            for name, value in self.objective.networks["network"].named_parameters():
                self.ema[name].lerp_(value.detach(), 1 - self.settings.ema)

    def record(self) -> None:
        """Puts the means since the last record on the curves."""
        row = {name: sum(values) / len(values) for name, values in self.state.recent.items() if values}
        self.state.recent.clear()
        self.append({**row, "lr": float(next(iter(self.objective.optimizers.values())).param_groups[0]["lr"])})

    def append(self, row: dict[str, float]) -> None:
        """One row of the curves."""
        self.state.curves.append({"step": float(self.state.step), **row})
        if self.fabric.is_global_zero:
            self.log(row, self.state.step)

    def validated(self, validate: Validate) -> None:
        """Runs the validation on the raw and the averaged weights, once where these are equal; tells the objective."""
        network = self.objective.networks["network"]
        network.eval()
        raw = {name: value.detach().clone() for name, value in network.named_parameters()}
        with torch.no_grad():
            measured = averaged = validate({"network": network})
            if not all(torch.equal(value, self.ema[name]) for name, value in raw.items()):
                _assign(network, self.ema)
                averaged = validate({"network": network})
                _assign(network, raw)
        metrics = {f"val_{name}": value for name, value in measured.items()}
        metrics |= {f"val_ema_{name}": value for name, value in averaged.items()}
        network.train()
        if self.fabric.world_size > 1:
            metrics = self.fabric.broadcast(metrics)  # machines may round otherwise, and rates follow the numbers
        self.append(metrics)
        self.objective.validated(metrics, self.state.step)

    def note(self, begin: float) -> str:
        """Loss, latest validation and data wait, for the bar; until the first record the loss of the step."""
        latest = {name: values[-1] for name, values in self.state.recent.items() if values}
        for row in self.state.curves[-50:]:
            latest |= row
        seconds = max(time.monotonic() - begin, 1e-9)
        words = [f"{name}={latest[name]:.4g}" for name in latest if name == "loss" or "psnr" in name]
        return " ".join([*words, f"wait={self.wait / seconds:.0%}"])

    def ending(self) -> bool:
        """Whether this step is the last because of a signal; several processes stop after the same step."""
        return bool(self.stopped) if self.fabric.world_size == 1 else self.others_stopped

    def leave(self) -> None:
        """Ends the training with a checkpoint that is complete, here and, as long as there is time, at the address.

        Raises:
            Interrupted: always.
        """
        path = self.save()
        if self.sender and path:
            self.sender.last(path)
        self.fabric.barrier()  # torchrun ends the others as soon as one has gone
        raise Interrupted(self.stopped[0] if self.stopped else signal.SIGTERM, self.state.step)

    def keep(self) -> None:
        """Writes a checkpoint, and sends it on its way if it is time."""
        path = self.save()
        if self.sender and path and self.sender.due():
            self.sender.send(path)

    def save(self) -> Path | None:
        """Writes a checkpoint on the first process, whose path is returned."""
        if not self.fabric.is_global_zero:
            return None
        spared = self.sender.sending if self.sender else None
        return self.checkpoints.save(self.state.step, self.snapshot(), spared)

    def snapshot(self) -> dict[str, Any]:
        """All that the training goes on from."""
        return snapshot(self.objective, self.ema, self.state)

    def resume(self) -> None:
        """Goes back to the newest readable checkpoint; several processes all begin with the state of the first."""
        if self.fabric.is_global_zero and (saved := self.newest()) is not None:
            self.state = restored(self.objective, self.ema, saved)
            print(f"train: going on from step {self.state.step}", file=sys.stderr, flush=True)
        if self.fabric.world_size > 1:
            self.state = restored(self.objective, self.ema, handed(self.fabric, self.snapshot()))

    def newest(self) -> dict[str, Any] | None:
        """What the newest checkpoint holds: of this machine, or of the address if the training was further there."""
        device = self.fabric.device
        own = self.checkpoints.newest(device)
        reached = own["progress"]["step"] if own else 0
        fetched = self.sender.remote.fetch(self.checkpoints.folder, reached) if self.sender else None
        return (read(fetched, device) if fetched else None) or own


def _assign(network: nn.Module, values: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(values[name])


def _cpu(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}
