"""The losses of adversarial training, of the fusion's warm-up, and the terms that the successor adds.

Sources: Remote-Sensing-SRGAN (Donike); Ledig et al., CVPR 2017, equations 3 and 6; ESAOpenSR/SRGAN for the terms of
:func:`content_terms`.
"""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from models.srgan.content import ContentLoss

SMOOTH = 0.9  # what "real" is called with label smoothing
SAM_LIMIT = 1 - 1e-7  # the arc cosine has no finite slope at 1
TERM_WEIGHTS = {"l1": 1.0, "sam": 0.05, "perceptual": 0.2, "tv": 0.0}  # the successor's config for 10 m bands


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


def spectral_angle(sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
    """The mean angle in radians between the spectra of corresponding pixels of two images (B, C, H, W)."""
    cosine = functional.cosine_similarity(sr, hr, dim=1)
    return cosine.clamp(-SAM_LIMIT, SAM_LIMIT).acos().mean()


def total_variation(x: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of vertical neighbours plus that of horizontal ones, for images (B, C, H, W)."""
    return x.diff(dim=-2).abs().mean() + x.diff(dim=-1).abs().mean()


def content_terms(
    sr: torch.Tensor,
    hr: torch.Tensor,
    perceptual: ContentLoss,
    weights: Mapping[str, float] = TERM_WEIGHTS,
    generator: torch.Generator | None = None,
) -> dict[str, torch.Tensor]:
    """The successor's content loss and its terms.

    The reference also replaces terms that are not finite by numbers; here they stay, so that a diverging training is
    seen.

    Args:
        sr: (B, C, H, W), generated.
        hr: (B, C, H, W), true.
        perceptual: for the term of that name.
        weights: of the terms ``l1``, ``sam``, ``perceptual`` and ``tv``; a term without weight is left out.
        generator: draws the bands that the perceptual term sees, where C > 3.

    Returns:
        The terms, without their weights, and their weighted sum as ``total``.

    Raises:
        ValueError: a weight is given for a term that does not exist.
    """
    unknown = set(weights) - set(TERM_WEIGHTS)
    if unknown:
        raise ValueError(f"there are no terms {sorted(unknown)} in this loss: the terms are {', '.join(TERM_WEIGHTS)}")
    compute: dict[str, Callable[[], torch.Tensor]] = {
        "l1": lambda: functional.l1_loss(sr, hr),
        "sam": lambda: spectral_angle(sr, hr),
        "perceptual": lambda: perceptual(sr, hr, generator),
        "tv": lambda: total_variation(sr),
    }
    terms = {name: compute[name]() for name, weight in weights.items() if weight}
    total = sum((weights[name] * term for name, term in terms.items()), sr.new_zeros(()))
    return {**terms, "total": total}
