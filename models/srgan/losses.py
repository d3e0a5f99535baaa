"""The losses of adversarial training and of the fusion's warm-up.

Sources: Remote-Sensing-SRGAN (Donike); Ledig et al., CVPR 2017, equations 3 and 6.
"""

import torch
from torch.nn import functional

SMOOTH = 0.9  # what "real" is called with label smoothing


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor, smooth: bool = False) -> torch.Tensor:
    """Cross-entropy of "real is 1" plus that of "generated is 0", each its own mean.

    Args:
        real: logits of true images, (B, 1) or (B, 1, h, w).
        fake: logits of generated images.
        smooth: call real images 0.9 instead of 1 (one-sided label smoothing).
    """
    truth = torch.full_like(real, SMOOTH if smooth else 1.0)
    bce = functional.binary_cross_entropy_with_logits
    return bce(fake, torch.zeros_like(fake)) + bce(real, truth)


def adversarial_loss(fake: torch.Tensor) -> torch.Tensor:
    """What the generator pays for logits of its images that say "generated": the cross-entropy against 1."""
    return functional.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def fusion_warmup_loss(fused: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """Mean squared difference between the fused image (B, C, H, W) and the mean of the views (B, K, C, H, W)."""
    return functional.mse_loss(fused, views.mean(1))
