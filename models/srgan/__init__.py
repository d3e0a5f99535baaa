"""SRGAN for remote sensing: networks, losses and schedules.

Sources: Remote-Sensing-SRGAN (S. Donike; single image, and several Sentinel-2 revisits of one place) and its successor
ESAOpenSR/SRGAN (any number of bands, more generators and discriminators).
"""

from models.srgan.checkpoint import part
from models.srgan.content import CONTENT_LOSSES, FROM_FILE, ContentLoss, TruncatedVGG19, three_bands
from models.srgan.discriminators import Discriminator, ESRGANDiscriminator, PatchDiscriminator
from models.srgan.fusion import RecursiveFusion
from models.srgan.losses import (
    adversarial_loss,
    discriminator_loss,
    fusion_warmup_loss,
)
from models.srgan.network import SuperResolver
from models.srgan.schedules import adversarial_weight, warmup_factor
from models.srgan.srresnet import SRResNet
from models.srgan.successor import ESRGANGenerator, FlexibleGenerator, lka, rcab, res, rrdb, standard, stochastic

__all__ = [
    "CONTENT_LOSSES",
    "FROM_FILE",
    "ContentLoss",
    "Discriminator",
    "ESRGANDiscriminator",
    "ESRGANGenerator",
    "FlexibleGenerator",
    "PatchDiscriminator",
    "RecursiveFusion",
    "SRResNet",
    "SuperResolver",
    "TruncatedVGG19",
    "adversarial_loss",
    "adversarial_weight",
    "discriminator_loss",
    "fusion_warmup_loss",
    "lka",
    "part",
    "rcab",
    "res",
    "rrdb",
    "standard",
    "stochastic",
    "three_bands",
    "warmup_factor",
]
