"""MSDTGP: multi-scale deformable alignment and temporal grouping projection for satellite video (Xiao et al., 2022).

Data: Jilin-189, clips of 100 frames, 640x640 px, LR by bicubic x4 with a replicated border.
Target: 35.71 dB / 0.9580 on ten test clips; the table's channel is not stated, the evidence points to Y without a
border cut, so RGB and Y are both measured.
Recipe: L1, Adam 8e-5 divided by 10 in epoch 25 (and 50, of 50), batch 1, crops of 32 px, flips and half turns.

Deviations: the network starts in its stable mode, because the authors' start gives outputs in the hundreds; crops are
drawn from the seed; outputs are compared as 8-bit images; epochs are counted as 189 clips of 100 frames, whatever the
data hold, and training ends after epoch 46 of 50, whose weights the authors' evaluator takes; on one clip of theirs the
bicubic row of the table is met in no colour channel, so that row is not verified.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import models
from pipelines.configs.msdtgp import MsdtgpConfig
from satsr.kinds.sampling import window
from satsr.kinds.video.paper import VideoPaper
from satsr.kinds.video.samples import WindowCrops
from satsr.paper import Arrays
from satsr.store.store import Scene, Store
from satsr.train.objectives import Objective, Supervised, cosine, multistep, warmed

FRAMES = 5
SCALE = 4
"""Of the published table."""
PUBLISHED_STEPS = 46 * 189 * 100
"""The authors' evaluator takes the weights of epoch 46, an epoch being each frame of 189 clips once."""


class Msdtgp(VideoPaper[MsdtgpConfig]):
    """The recipe."""

    name = "msdtgp"
    title = "MSDTGP, satellite video"
    kind = "window"
    citation = "Xiao et al.: Satellite video super-resolution via MSDTGP, IEEE TGRS 60 (2022)"

    @property
    def registered_name(self) -> str:
        """With the scale where it is not the paper's."""
        scale = self.config.convert.scale
        return self.name if scale == SCALE else f"{self.name}-x{scale}"

    @property
    def published_as(self) -> str | None:
        """The table is of scale 4."""
        scale = self.config.convert.scale
        return None if scale == SCALE else f"MSDTGP at x{scale}"

    @property
    def departures(self) -> Sequence[str]:
        """A network that the paper does not have, and weights of another epoch than the published."""
        found, steps = [], self.config.train.iterations
        if self.config.network.bicubic_residual:
            found.append("the network adds to a bicubic enlargement, which the paper's does not")
        if steps != PUBLISHED_STEPS:
            found.append(
                f"the weights of step {steps} were measured, the authors' are of epoch 46 "
                f"(train.iterations = {PUBLISHED_STEPS})"
            )
        return found

    def network(self) -> nn.Module:
        """The network of the paper, for scale 2, 4 or 8."""
        return models.build("msdtgp", scale=self.config.convert.scale, **self.config.network.model_dump())

    def objective(self, network: nn.Module) -> Objective:
        """L1 with Adam; the rate is divided by ten at the milestones, or without any falls as a cosine."""
        settings = self.config.train
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        adam = torch.optim.Adam(network.parameters(), lr=settings.lr)

        def rate(step: int) -> float:
            rise = warmed(step, settings.warmup)
            if settings.milestones:
                return rise * multistep(step, settings.milestones, settings.lr, 0.1)
            return rise * cosine(step, settings.iterations, settings.lr, 0.01 * settings.lr)

        return Supervised(network, nn.L1Loss(), adam, rate, settings.shares)

    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Crops of a frame with its neighbours."""
        settings = self.config.train
        return WindowCrops(store, FRAMES, settings.crop_px, self.config.convert.scale, settings.seed, self.radiometry)

    def inputs(self, scene: Scene, limit: int | None = None) -> dict[str, np.ndarray]:
        """``x`` (T, 5, 3, H, W): a window around every frame; the missing neighbours at the ends are the frame."""
        clip = super().inputs(scene)["x"][0]
        count = len(clip) if limit is None else min(limit, len(clip))
        return {"x": np.stack([clip[window(frame, len(clip), FRAMES)] for frame in range(count)])}

    def run(self, network: nn.Module, inputs: Arrays) -> np.ndarray:
        """(T, 3, sH, sW), a window at a time so that memory does not grow with the clip."""
        return np.concatenate([super(Msdtgp, self).run(network, {"x": part[None]})[None] for part in inputs["x"]])

    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Any batch, height and width; five frames."""
        return {"x": torch.zeros(2, FRAMES, 3, 16, 20)}, {"x": {0: "batch", 3: "height", 4: "width"}}

    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Sizes other than the exported one."""
        random = np.random.default_rng(0)
        shapes = [(1, FRAMES, 3, 16, 16), (3, FRAMES, 3, 17, 23), (1, FRAMES, 3, 40, 32)]
        return [{"x": random.random(shape, dtype=np.float32)} for shape in shapes]


PAPER = Msdtgp
