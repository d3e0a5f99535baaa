"""Image losses of BreizhSR, on images in -1..1; the noise loss of the diffusion is :meth:`SRDiff.loss`."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5


def l1_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, the loss of every backbone; a scalar."""
    return F.l1_loss(prediction, target)


def shift_l1_loss(prediction: Tensor, target: Tensor, border: int = 3) -> Tensor:
    """The smallest mean absolute error over all integer shifts of the target by up to ``border`` pixels.

    ``border`` pixels are cut off the prediction; the shift is one for the whole batch.

    Args:
        prediction: (B, C, H, W), H and W above ``2 * border``.
        target: (B, C, H, W).
        border: largest shift along each axis, in pixels.

    Returns:
        A scalar.
    """
    height, width = (side - 2 * border for side in prediction.shape[-2:])
    inner = prediction[..., border : border + height, border : border + width]
    shifts = range(2 * border + 1)
    errors = [F.l1_loss(inner, target[..., i : i + height, j : j + width]) for i in shifts for j in shifts]
    return torch.stack(errors).min()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of two batches of images in 0..1: Gaussian window 11, sigma 1.5, zeros outside.

    Wang et al., "Image Quality Assessment", 2004, equation 13 with C1 = 0.01^2 and C2 = 0.03^2.

    Args:
        a: (B, C, H, W) in 0..1.
        b: (B, C, H, W) in 0..1.

    Returns:
        A scalar.
    """
    offsets = torch.arange(WINDOW, device=a.device, dtype=a.dtype) - WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    line = line / line.sum()
    channels = a.shape[1]
    down = line.view(1, 1, -1, 1).repeat(channels, 1, 1, 1)
    across = line.view(1, 1, 1, -1).repeat(channels, 1, 1, 1)

    def blur(image: Tensor) -> Tensor:
        rows = F.conv2d(image, down, padding=(WINDOW // 2, 0), groups=channels)
        return F.conv2d(rows, across, padding=(0, WINDOW // 2), groups=channels)

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (luminance * structure).mean()


def ssim_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """One minus the :func:`ssim` of two batches of images in -1..1; a scalar."""
    return 1 - ssim((prediction + 1) / 2, (target + 1) / 2)
