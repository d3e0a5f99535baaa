"""Samples that stay as they are stored until a whole batch is on the device, where they become the network's values.

8-bit frames are a quarter of their float32 values to copy, to hand over between processes and to send to a GPU.
"""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch.utils.data import Dataset

from satsr.radiometry import Normalisation

Tensors = dict[str, torch.Tensor]


class NativeSamples(Dataset[Tensors]):
    """Training samples in two halves; ``samples[i]`` is both: item i in the network's range."""

    @abstractmethod
    def native(self, index: int) -> Tensors:
        """Item ``index`` in native values, as compact as they are stored; a pure function of (seed, index)."""

    @abstractmethod
    def values(self, batch: Mapping[str, torch.Tensor]) -> Tensors:
        """What :meth:`native` gave, one item or a batch on any device, as float32 in the network's range."""

    def __getitem__(self, index: int) -> Tensors:
        return self.values(self.native(index))


class Halves(Dataset[Tensors]):
    """The native half of samples, as a data set of its own for a loader."""

    def __init__(self, samples: NativeSamples) -> None:
        self.samples = samples

    def __getitem__(self, index: int) -> Tensors:
        return self.samples.native(index)


def planes(frames: torch.Tensor, radiometry: Normalisation) -> torch.Tensor:
    """(..., H, W, C) native values to (..., C, H, W) float32 in the network's range, contiguous, on the same device.

    The same operations in the same order as :meth:`satsr.radiometry.Normalisation.forward`, so the same bits.
    """
    first, last = radiometry.range
    values = frames.movedim(-1, -3).contiguous().float()
    high = torch.tensor(
        radiometry.high, device=values.device
    )  # a number would be inverted and multiplied with on a GPU
    values /= high.reshape(-1, 1, 1)
    if last - first != 1:
        values *= last - first
    if first:
        values += first
    return values.clamp_(first, last) if radiometry.saturates else values
