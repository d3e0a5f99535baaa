"""Scenes pushed out of the training data on purpose, step by step, so that the truth is known.

A push of brightness, colour or texture is done to image and truth alike: it commutes with making the image small, which
is linear. Noise and blur are what a worse sensor does: they are added to the image and the truth stays.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from satsr.degrade import blur
from satsr.depth.blocks import BLOCK
from satsr.seeds import generator

Float32 = npt.NDArray[np.float32]
AMOUNTS = {
    "brighter": (1.3, 2.0, 3.2),
    "darker": (0.6, 0.3, 0.1),
    "busier": (1.7, 2.8, 4.5),
    "smoother": (0.5, 0.25, 0.1),
    "noisier": (0.03, 0.08, 0.2),
    "softer": (0.6, 0.9, 1.4),
    "colours": (1.2, 1.7, 1 / 1.2, 1 / 1.7),
}
"""For each way: what brightness, contrast, or the first band is multiplied by; the noise's standard deviation over the
mean; the blur's standard deviation in LR px."""


@dataclass(frozen=True)
class Push:
    """One step in one way.

    Attributes:
        way: a key of :data:`AMOUNTS`.
        amount: of its values.
    """

    way: str
    amount: float

    def both(self, images: np.ndarray, factor: int) -> np.ndarray:
        """What happens to the image and to the truth.

        Args:
            images: (N, C, h, w) native values.
            factor: pixels per LR px.
        """
        if self.way in ("brighter", "darker"):
            return images * self.amount
        if self.way == "colours":
            slope = np.linspace(1, -1, images.shape[1])[:, None, None]
            return np.asarray(images * self.amount**slope)
        if self.way in ("busier", "smoother"):
            local = _blurred(images, factor * BLOCK / 2)
            return np.asarray(local + self.amount * (images - local))
        return images

    def only(self, images: np.ndarray, index: int) -> np.ndarray:
        """What happens to the image alone, (N, C, h, w); ``index`` of the scene decides the noise."""
        if self.way == "softer":
            return _blurred(images, self.amount)
        if self.way == "noisier":
            sigma = self.amount * images.mean(axis=(-1, -2), keepdims=True)
            noise = generator(0, "depth", index, int(1000 * self.amount)).standard_normal(images.shape)
            return np.asarray(images + sigma * noise)
        return images


PUSHES = tuple(Push(way, amount) for way, amounts in AMOUNTS.items() for amount in amounts)


def _blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    planes = images.reshape(-1, *images.shape[-2:])
    return np.stack([blur(plane, sigma) for plane in planes]).reshape(images.shape)
