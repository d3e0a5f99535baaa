"""The protocol that video papers share: clips of 8-bit RGB frames, scored frame by frame.

Output and target are compared as 8-bit RGB without a border cut: the output is clipped to 0..1, times 255, rounded
(RASVSR, section IV; BasicSR's video validation).
"""

from typing import ClassVar, Generic, TypeVar

import numpy as np
from torch import nn

from satsr.config.recipe import VideoConfig
from satsr.kinds.video.samples import planes_of
from satsr.metrics import niqe, niqe_available, or_nan, psnr, ssim
from satsr.paper import Paper
from satsr.radiometry import Normalisation, normalisation
from satsr.resize import imresize
from satsr.scores import Scores
from satsr.store.store import Scene

VideoConfigOf = TypeVar("VideoConfigOf", bound=VideoConfig)


class VideoPaper(Paper[VideoConfigOf], Generic[VideoConfigOf]):
    """Inputs, baseline, scores and pictures of a clip."""

    kind: ClassVar[str] = "video"
    bands: ClassVar[tuple[str, ...]] = ("red", "green", "blue")
    further: ClassVar[tuple[str, ...]] = ("frc", "flicker")

    @property
    def radiometry(self) -> Normalisation:
        """8 bits as 0..1."""
        return normalisation("unit_u8")

    def inputs(self, scene: Scene, limit: int | None = None) -> dict[str, np.ndarray]:
        """``x`` (1, T, 3, H, W) float32 in 0..1, at most ``limit`` frames."""
        frames = np.stack([scene.read("lr", index) for index in range(_count(scene, limit))])
        return {"x": planes_of(frames, self.radiometry)[None]}

    def baseline(self, scene: Scene, limit: int | None = None) -> np.ndarray:
        """Bicubic, a = -0.5: (T, 3, sH, sW) float32 in 0..1, not clipped."""
        scale = self.config.convert.scale
        frames = [
            imresize(self.radiometry.forward(scene.read("lr", index)), scale) for index in range(_count(scene, limit))
        ]
        return np.stack(frames).transpose(0, 3, 1, 2)

    def score(self, scene: Scene, output: np.ndarray, full: bool = True) -> list[Scores]:
        """PSNR and SSIM in RGB and on Y, and NIQE where its model file is at hand, per frame."""
        rows = []
        for index, frame in enumerate(self.to_u8(output)):
            target = scene.read("hr", index)
            row = {"psnr_rgb_u8": psnr(frame, target), "ssim_rgb_u8": ssim(frame, target)}
            if full:
                row |= {"psnr_y_u8": psnr(frame, target, channel="y"), "ssim_y_u8": ssim(frame, target, channel="y")}
                if self.config.evaluate.niqe and niqe_available():
                    row["niqe_y_u8"] = or_nan(niqe, frame)
            rows.append(row)
        return rows

    def written(self, scene: Scene, output: np.ndarray) -> np.ndarray:
        """8-bit RGB frames."""
        return self.to_u8(output).astype(np.float32)

    def reference(self, scene: Scene) -> np.ndarray:
        """The frames ``hr``."""
        return _frames(scene, "hr")

    def given(self, scene: Scene) -> np.ndarray:
        """The frames ``lr``."""
        return _frames(scene, "lr")

    def glimpse(self, network: nn.Module, scene: Scene) -> list[Scores]:
        """The first ``train.validate_frames`` frames of a clip."""
        output = self.run(network, self.inputs(scene, self.config.train.validate_frames))
        return self.score(scene, output, full=False)

    def pictures(self, scene: Scene, output: np.ndarray | None, role: str) -> np.ndarray:
        """The output, or the scene's own frames, as 8-bit RGB."""
        if output is not None:
            return self.to_u8(output)
        return np.stack([scene.read(role, index) for index in range(scene.count(role))])

    def to_u8(self, output: np.ndarray) -> np.ndarray:
        """(T, 3, H, W) float to (T, H, W, 3) uint8: clipped to 0..1, times 255, rounded to even at ties."""
        pixels: np.ndarray = np.rint(self.radiometry.inverse(output)).astype(np.uint8)
        return pixels.transpose(0, 2, 3, 1)


def _frames(scene: Scene, role: str) -> np.ndarray:
    return np.stack([scene.read(role, index) for index in range(scene.count(role))]).astype(np.float32)


def _count(scene: Scene, limit: int | None) -> int:
    count = scene.count("lr")
    return count if limit is None else min(count, limit)
