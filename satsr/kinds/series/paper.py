"""The protocol of dated Sentinel-2 series with a finer sensor's target (BreizhSR).

Scores are taken twice: in the 8-bit display space of the paper, which lies between the stretch and the target matched
to the image nearest in date (specification of BreizhSR, section 4), and in reflectance. Neither is comparable with
figures whose targets were not matched.
"""

from abc import abstractmethod
from typing import ClassVar, Generic

import numpy as np

from satsr.config.recipe import ConfigOf
from satsr.kinds.sampling import nearest_images, planes
from satsr.kinds.series.samples import Inputs, enlarged, target_values
from satsr.metrics import mae, mse, or_nan, psnr, psnr_float, sam, shift_mae, ssim_skimage
from satsr.paper import Paper
from satsr.radiometry import Normalisation, normalisation
from satsr.scores import Scores
from satsr.store.store import Scene

REFLECTANCE = 10000


class SeriesPaper(Paper[ConfigOf], Generic[ConfigOf]):
    """Inputs, baseline, scores and pictures of a series."""

    kind: ClassVar[str] = "series"
    bands: ClassVar[tuple[str, ...]] = ("B04", "B03", "B02")

    @property
    def radiometry(self) -> Normalisation:
        """BreizhSR's stretch: the 98 % quantiles of its training set as 1, 0 as -1."""
        return normalisation("breizh_s2")

    @property
    def decides(self) -> tuple[str, str]:
        """Both in the 8-bit display space."""
        return "psnr_u8", "ssim_skimage_u8"

    @property
    @abstractmethod
    def takes(self) -> Inputs:
        """What the network takes of a series."""

    @property
    @abstractmethod
    def match(self) -> str:
        """How the target gets the radiometry of the series, one of :data:`satsr.kinds.series.samples.MATCHES`."""

    def inputs(self, scene: Scene) -> dict[str, np.ndarray]:
        """The network's inputs of the whole scene, with a batch axis of 1."""
        made = self.takes.read(scene, lambda indices: np.stack([scene.read("lr", i) for i in indices]))
        return {name: value[None] for name, value in made.items()}

    def baseline(self, scene: Scene) -> np.ndarray:
        """Cubic enlargement of the image nearest in date, (3, sH, sW) in -1..1."""
        return enlarged(nearest_image(scene), self.config.convert.scale, self.radiometry)

    def score(self, scene: Scene, output: np.ndarray) -> list[Scores]:
        """One row: the paper's metrics in 8 bits, then PSNR, MAE (peak 1) and spectral angle in reflectance.

        Both are of the image as it is written, in whole digital numbers.
        """
        target, written = self.target(scene), self.written(scene, output)[0]
        ours, theirs = to_u8(planes(self.radiometry.forward(written))), to_u8(target)
        found, wanted = written / np.float32(REFLECTANCE), self.to_reflectance(target)
        return [
            {
                "psnr_u8": psnr(ours, theirs),
                "ssim_skimage_u8": ssim_skimage(ours, theirs),
                "mae_u8": mae(ours, theirs),
                "mse_u8": mse(ours, theirs),
                "shift_mae_u8": shift_mae(ours, theirs),
                "psnr_reflectance": psnr_float(found, wanted, peak=1.0),
                "mae_reflectance": mae(found, wanted),
                "sam_reflectance": or_nan(sam, found, wanted),
            }
        ]

    def written(self, scene: Scene, output: np.ndarray) -> np.ndarray:
        """One image of whole digital numbers, reflectance times 10000."""
        return np.rint(self.to_reflectance(output) * np.float32(REFLECTANCE))[None]

    def reference(self, scene: Scene) -> np.ndarray:
        """The matched target."""
        return self.to_reflectance(self.target(scene))[None] * np.float32(REFLECTANCE)

    def given(self, scene: Scene) -> np.ndarray:
        """The image nearest in date."""
        return nearest_image(scene)[None].astype(np.float32)

    def target(self, scene: Scene) -> np.ndarray:
        """What the network should give, (3, sH, sW) in -1..1."""
        return planes(target_values(scene, self.match, self.radiometry)(scene.read("hr", 0)))

    def pictures(self, scene: Scene, output: np.ndarray | None, role: str) -> np.ndarray:
        """One picture in display space: the output, the matched target, or the image nearest in date."""
        if output is None:
            output = self.target(scene) if role == "hr" else planes(self.radiometry.forward(nearest_image(scene)))
        return to_u8(output)[None]

    def to_reflectance(self, output: np.ndarray) -> np.ndarray:
        """(3, H, W) in -1..1 to reflectance (H, W, 3), 0 to what the stretch saturates at."""
        high = np.array(self.radiometry.high, np.float32)
        return np.clip(self.radiometry.inverse(output.transpose(1, 2, 0)), 0, high) / np.float32(REFLECTANCE)


def nearest_image(scene: Scene) -> np.ndarray:
    """The image nearest in date to the target, (h, w, 3) in native values."""
    return scene.read("lr", nearest_images(scene, 1)[0])


def to_u8(output: np.ndarray) -> np.ndarray:
    """(3, H, W) in -1..1 to (H, W, 3) uint8: (x + 1) times 127.5, rounded, clipped."""
    return np.clip(np.rint((output + 1) * 127.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
