"""Losses that more than one paper uses."""

import torch
from torch import Tensor


def charbonnier(prediction: Tensor, target: Tensor, eps: float = 1e-12) -> Tensor:
    """The mean of sqrt(difference squared + ``eps``), a smooth L1 (Lai et al., CVPR 2017, section 3.3).

    Args:
        prediction: any shape; the range of the target.
        target: the same shape.
        eps: the square of the difference below which the loss turns quadratic.

    Returns:
        A scalar, at least sqrt(eps).
    """
    return torch.sqrt((prediction - target).square() + eps).mean()
