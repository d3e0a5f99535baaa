"""QA-Net: quality-assisted attention over repeated Proba-V views, and the losses of its field."""

from models.qanet.losses import (
    cpsnr_loss,
    registered_cpsnr_loss,
    registered_l1_loss,
    registered_uncertainty_loss,
)
from models.qanet.network import QANet

__all__ = [
    "QANet",
    "cpsnr_loss",
    "registered_cpsnr_loss",
    "registered_l1_loss",
    "registered_uncertainty_loss",
]
