"""Adversarial training of a super-resolver: fusion warm-up, the generator alone, then both networks in every step.

Sources: Remote-Sensing-SRGAN (Donike) for the losses, the plateau and the warm-up of the fusion; its successor
ESAOpenSR/SRGAN for the generator's pre-training, the ramp, label smoothing and the warm-up of the rate.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import torch
from torch import nn

from models.srgan import (
    SuperResolver,
    adversarial_loss,
    adversarial_weight,
    discriminator_loss,
    fusion_warmup_loss,
    warmup_factor,
)
from satsr.config.recipe import AdversarialTrain
from satsr.train.objectives import Batch, Objective, cosine, set_rate


class AdversarialObjective(Objective):
    """Warm-up of the fusion, generator alone, then discriminator and generator by turns in every step."""

    def __init__(
        self, network: SuperResolver, discriminator: nn.Module, content: nn.Module, train: AdversarialTrain
    ) -> None:
        self.network, self.discriminator, self.content, self.train = network, discriminator, content, train
        self.networks = {"network": network, "discriminator": discriminator}
        learnt = network if train.fusion_trainable else network.generator
        self.optimizers = {
            "network": self._adam(learnt, train.lr),
            "discriminator": self._adam(discriminator, train.discriminator_lr),
        }
        if train.fusion_steps:
            self.optimizers["fusion"] = torch.optim.Adam(network.fusion.parameters(), lr=train.fusion_lr)
        self.plateau = {"best": float("inf"), "waited": 0, "reductions": 0}
        self.parts: dict[str, float] = {}

    def _adam(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=rate, betas=self.train.betas, eps=self.train.adam_eps)

    def prepare(self, step: int) -> None:
        """Sets what learns, and the rates."""
        train, step = self.train, step - self.train.fusion_steps
        self.network.generator.requires_grad_(step > 0)
        self.network.fusion.requires_grad_(step <= 0 or train.fusion_trainable)
        self.network.fusion.train(step <= 0 or not train.fusion_fixed_norm)
        if step > 0:
            factor = self._factor(step)
            set_rate(self.optimizers["network"], train.lr * factor * warmup_factor(step - 1, train.warmup_steps))
            set_rate(self.optimizers["discriminator"], train.discriminator_lr * factor)

    def _factor(self, step: int) -> float:
        train = self.train
        if train.schedule == "cosine":
            return cosine(step, train.iterations - train.fusion_steps, 1.0, 0.0)
        return float(train.plateau_factor ** self.plateau["reductions"])

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, torch.Tensor]]:
        """The fusion's; or the discriminator's, unless the generator is alone, and the generator's."""
        train, x, target = self.train, batch["x"], batch["target"]
        if step <= train.fusion_steps:
            views = x
            if train.fusion_noise_sigma:  # copies of one image: there are no offsets to learn away
                views = (x[:, :1] + train.fusion_noise_sigma * torch.randn_like(x)).clamp(-1, 1)
            yield "fusion", fusion_warmup_loss(self.network.fusion["model"](views), views)
            return
        weight = adversarial_weight(
            step - train.fusion_steps - 1,
            pretrain=train.g_pretrain_steps,
            ramp=train.ramp_steps,
            beta=train.beta,
            shape=train.ramp_shape,
        )
        sr = self.network(x)
        if step - train.fusion_steps > train.g_pretrain_steps:
            self.discriminator.requires_grad_(True)
            real, fake = self.discriminator(target), self.discriminator(sr.detach())
            yield "discriminator", discriminator_loss(real, fake, train.label_smoothing)
            self.parts = {"says_real": float(real.detach().sigmoid().mean())}
            self.parts["says_fake"] = float(fake.detach().sigmoid().mean())
        content = self.content.to(sr.device)(sr, target)
        self.parts["content"] = float(content.detach())
        if not weight:
            yield "network", content
            return
        self.discriminator.requires_grad_(False)
        yield "network", content + weight * adversarial_loss(self.discriminator(sr))

    def logs(self) -> dict[str, float]:
        """The content loss, and what the discriminator makes of true and generated images (0..1)."""
        return self.parts

    def validated(self, metrics: Mapping[str, float], step: int) -> None:
        """Lowers the rate when L1 has not become smaller by a ten-thousandth more than ``plateau_patience`` times.

        A validation without a number counts as none.
        """
        if step <= self.train.fusion_steps or not isfinite(metrics["val_l1"]):
            return
        if metrics["val_l1"] < self.plateau["best"] * (1 - 1e-4):
            self.plateau |= {"best": metrics["val_l1"], "waited": 0}
            return
        self.plateau["waited"] += 1
        if self.plateau["waited"] > self.train.plateau_patience:
            self.plateau |= {"waited": 0, "reductions": self.plateau["reductions"] + 1}

    def state(self) -> dict[str, Any]:
        """Where the plateau schedule stands."""
        return dict(self.plateau)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self.plateau = dict(state)
