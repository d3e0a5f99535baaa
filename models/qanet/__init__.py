"""QA-Net: quality-assisted attention over repeated Proba-V views, and the losses of its field."""

from models.qanet.losses import brightness_loss, cpsnr_loss, registered_cpsnr_loss
from models.qanet.network import QANet

__all__ = ["QANet", "brightness_loss", "cpsnr_loss", "registered_cpsnr_loss"]
