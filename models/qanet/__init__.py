"""QA-Net: quality-assisted attention over repeated Proba-V views, and the losses of its field."""

from models.qanet.losses import cpsnr_loss, registered_cpsnr_loss
from models.qanet.network import QANet

__all__ = ["QANet", "cpsnr_loss", "registered_cpsnr_loss"]
