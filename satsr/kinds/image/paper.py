"""The protocol of pairs (SRGAN): PSNR and SSIM on denormalised values, with two meanings of their maximum.

The authors take 1.0 as the maximum although stretched reflectance ends at 0.3: ``*_max1`` are their figures (10.46 dB
above), ``*_maxrange`` take what the values can reach. Both are per scene; the authors' are per batch. The structural
similarity is kornia's with a window of 5. Source: specification of Remote-Sensing-SRGAN, sections 2 and 4.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Generic

import numpy as np

from satsr.config.recipe import ConfigOf
from satsr.kinds.image.samples import Pairing
from satsr.metrics import mae, mse, psnr_float, ssim_kornia
from satsr.paper import Paper
from satsr.radiometry import Normalisation
from satsr.resize import imresize
from satsr.scores import Scores
from satsr.store.store import Scene

SHOWN = 3000
"""Digital number of reflectance that is white on a screen."""


class PairPaper(Paper[ConfigOf], Generic[ConfigOf]):
    """Inputs, baseline, scores and pictures of pairs."""

    kind: ClassVar[str] = "image"
    bands: ClassVar[tuple[str, ...]] = ("B04", "B03", "B02")

    @property
    def radiometry(self) -> Normalisation:
        """That of the pairs."""
        return self.pairing.normalisation

    @property
    def seen(self) -> str:
        """``hr`` where it makes both sides of a pair, in its own values."""
        return "hr" if self.pairing.pairs == "interpolated" else "lr"

    @property
    def decides(self) -> tuple[str, str]:
        """Both with the range of the values as maximum."""
        return "psnr_maxrange", "ssim_kornia5_maxrange"

    @property
    def watched(self) -> tuple[str, ...]:
        """The plateau schedule listens to L1."""
        return (*self.decides, "l1_max1")

    @property
    @abstractmethod
    def pairing(self) -> Pairing:
        """How the two sides of a pair come about."""

    def inputs(self, scene: Scene) -> dict[str, np.ndarray]:
        """The image, or the views, of the whole scene, with a batch axis of 1."""
        pairing = self.pairing
        views = pairing.scene_views(scene, self.config.train.seed)
        return {"x": views[None] if pairing.views > 1 else views}

    def baseline(self, scene: Scene) -> np.ndarray:
        """Cubic enlargement (a = -0.5) of the image nearest in date, (3, sH, sW) in the network's range.

        Of several copies of one image, which differ by their noise alone, it is that of their mean.
        """
        pairing = self.pairing
        copies = pairing.views > 1 and pairing.pairs != "stored"
        views = pairing.scene_views(scene, self.config.train.seed)
        return _enlarged(views.mean(0) if copies else self.nearest_view(scene), pairing)

    def nearest_view(self, scene: Scene) -> np.ndarray:
        """The image nearest in date, (3, h, w) in the network's range."""
        view: np.ndarray = replace(self.pairing, views=1).scene_views(scene, self.config.train.seed)[0]
        return view

    def score(self, scene: Scene, output: np.ndarray) -> list[Scores]:
        """One row: PSNR and SSIM with both maxima, mean absolute and squared error, of values in 0..1, as written."""
        pairing = self.pairing
        theirs = denormalised(pairing.whole(scene)[1], pairing)
        ours = self.written(scene, output)[0] / np.float32(pairing.normalisation.native[1])
        reach = pairing.normalisation.high[0] / pairing.normalisation.native[1]
        return [
            {
                "psnr_max1": psnr_float(ours, theirs, peak=1.0),
                "ssim_kornia5_max1": ssim_kornia(ours, theirs, peak=1.0),
                "psnr_maxrange": psnr_float(ours, theirs, peak=reach),
                "ssim_kornia5_maxrange": ssim_kornia(ours, theirs, peak=reach),
                "l1_max1": mae(ours, theirs),
                "l2_max1": mse(ours, theirs),
            }
        ]

    def written(self, scene: Scene, output: np.ndarray) -> np.ndarray:
        """One image of whole digital numbers."""
        return np.asarray(np.rint(_native(output, self.pairing))[None])

    def reference(self, scene: Scene) -> np.ndarray:
        """The target, with the radiometry of the image that is enlarged."""
        return _native(self.pairing.whole(scene)[1], self.pairing)[None]

    def given(self, scene: Scene) -> np.ndarray:
        """The image nearest in date, or the shrunk target, without noise, brighter than the stretch where it is."""
        return self.pairing.low(scene)[0][None].astype(np.float32)

    @property
    def kernel(self) -> str:
        """The bilinear with antialiasing that makes the inputs of shrunk targets."""
        return "bilinear"

    def pictures(self, scene: Scene, output: np.ndarray | None, role: str) -> np.ndarray:
        """One picture: the output, the target, or the image nearest in date; reflectance of 0.3 is white."""
        pairing = self.pairing
        if output is None:
            output = pairing.whole(scene)[1] if role == "hr" else self.nearest_view(scene)
        native = denormalised(output, pairing) * pairing.normalisation.native[1]
        white = min(SHOWN, pairing.normalisation.native[1])
        return np.clip(np.rint(native * (255 / white)), 0, 255).astype(np.uint8)[None]

    def describe(self) -> dict[str, Any]:
        """With the kind of the experiment; photographs have colours instead of bands."""
        described = super().describe()
        if self.radiometry.native[1] == 255:
            described["bands"] = ["red", "green", "blue"]
        return described | ({"kind": "series", "dates": self.pairing.views} if self.pairing.views > 1 else {})


def denormalised(output: np.ndarray, pairing: Pairing) -> np.ndarray:
    """(3, H, W) in the network's range to values (H, W, 3) in 0..1: reflectance, or 8-bit values over 255."""
    return _native(output, pairing) / np.float32(pairing.normalisation.native[1])


def _native(output: np.ndarray, pairing: Pairing) -> np.ndarray:
    """(3, H, W) in the network's range, clipped to it where it saturates, to native values (H, W, 3)."""
    normalisation = pairing.normalisation
    return normalisation.inverse(normalisation.clipped(output.transpose(1, 2, 0)))


def _enlarged(image: np.ndarray, pairing: Pairing) -> np.ndarray:
    """(3, h, w) to (3, sH, sW), clamped to the network's range where it saturates."""
    large = imresize(image.transpose(1, 2, 0), pairing.scale).transpose(2, 0, 1)
    return np.ascontiguousarray(pairing.normalisation.clipped(large), dtype=np.float32)
