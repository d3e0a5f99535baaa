"""What a training optimises: networks, optimisers, learning rates as a function of the step, and losses.

An objective keeps no hidden state: rates and freezes are pure functions of the step, so that a resumed run continues
bit for bit. Several optimisers in one step (adversarial training) are several losses yielded in order.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from satsr.train.shares import Batch as Batch
from satsr.train.shares import in_shares


class Objective(ABC):
    """Networks with their optimisers and the loss of one step.

    Attributes:
        networks: what is trained, by role; ``"network"`` is the one that is evaluated and exported.
        optimizers: by name; :meth:`losses` names the optimiser that each loss drives.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    @abstractmethod
    def prepare(self, step: int) -> None:
        """Sets learning rates and freezes for ``step`` (counted from 1)."""

    @abstractmethod
    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """Yields (optimiser's name, loss); the engine updates after each one, before asking for the next."""

    def logs(self) -> dict[str, float]:
        """More numbers of the last step for the curves."""
        return {}

    def validated(self, metrics: Mapping[str, float], step: int) -> None:  # noqa: B027  # most schedules need no ear
        """Hears the validation's metrics (plateau schedules)."""

    def state(self) -> dict[str, Any]:
        """What else must survive a restart: plain numbers, strings and tensors."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # most objectives have no state
        """Takes back what :meth:`state` gave."""


def cosine(step: int, period: int, base: float, floor: float) -> float:
    """Cosine decay from ``base`` at step 1 to ``floor`` after ``period`` steps, and ``floor`` from there on."""
    progress = min(step - 1, period) / period
    return floor + 0.5 * (base - floor) * (1 + math.cos(math.pi * progress))


def warmed(step: int, steps: int) -> float:
    """The share of the rate at ``step`` (counted from 1) of a linear rise over the first ``steps``."""
    return min(1.0, step / (steps + 1))


def multistep(step: int, milestones: list[int], base: float, gamma: float) -> float:
    """``base`` times ``gamma`` for every milestone that lies behind ``step`` (counted from 1)."""
    return base * gamma ** sum(step > milestone for milestone in milestones)


def every(step: int, period: int, base: float, gamma: float) -> float:
    """``base`` times ``gamma`` once per ``period`` steps."""
    return float(base * gamma ** ((step - 1) // period))


def set_rate(optimizer: torch.optim.Optimizer, rate: float, group: int | None = None) -> None:
    """Sets the learning rate of one parameter group, or of all."""
    for index, parameters in enumerate(optimizer.param_groups):
        if group is None or index == group:
            parameters["lr"] = rate


class Decibels(nn.Module):
    """The mean over a batch's images of the logarithm (base 10) of the mean squared error: minus a tenth of PSNR.

    Every image counts alike, however bright or rich in contrast, as in a mean of PSNR over scenes. Errors are measured
    above a floor, so that flat images, of which noise alone is left, do not decide.

    Args:
        floor: a mean squared error, of values in about -1..1.
    """

    def __init__(self, floor: float = 1e-4) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Both (B, C, H, W), to a scalar."""
        return torch.log10((output - target).square().mean((1, 2, 3)) + self.floor).mean()


class Supervised(Objective):
    """One network, one Adam, one loss between its output and the target: ``batch = {inputs..., "target"}``.

    ``shares`` is in how many parts a batch is computed at once (:func:`satsr.train.shares.in_shares`).
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        rate: Callable[[int], float],
        shares: int = 1,
    ) -> None:
        self.network, self.loss, self.rate, self.shares = network, loss, rate, shares
        self.networks = {"network": network}
        self.optimizers = {"network": optimizer}

    def prepare(self, step: int) -> None:
        """Sets the rate."""
        set_rate(self.optimizers["network"], self.rate(step))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """The loss of the network's output against the target."""
        yield "network", in_shares(self._loss, batch, list(self.network.parameters()), self.shares)

    def _loss(self, batch: Batch) -> torch.Tensor:
        inputs = {name: value for name, value in batch.items() if name != "target"}
        loss: torch.Tensor = self.loss(self.network(**inputs), batch["target"])
        return loss
