"""How MSDTGP's weights start: as the reference's do, or so that the first losses are of the order of the images."""

import math
import re
from collections.abc import Callable

from torch import nn

# The share of the variance-keeping size at which a convolution starts, by its name; 1 for all others.
SHARES = {
    r".*\.conv2": 0.1,  # what a residual block adds
    r".*\.up_conv3\.deconv|.*\.down_conv3\.conv": 0.1,  # what a back-projection corrects
    r"res_feat2\.\d+\.conv": 0.1,  # what the difference to the neighbours adds
    r"alignment1\.dcnpack\.conv_offset_mask": 0.0,  # no offset, every mask one half
    r"TAtt\.tAtt_[12]": 0.25,  # a sum over channels that does not saturate the sigmoid
    r"DBPN\.output\.conv": 0.7,  # no activation follows
    r"output\.conv": 0.1,  # an image near zero, or near the bicubic one
}


def reference(network: nn.Module) -> None:
    """The reference: Kaiming-normal weights and zero biases for every convolution, those of the offsets included.

    The activations grow block by block: on images in 0..1 the first outputs have a standard deviation of several
    hundred, and the alignment begins with random offsets.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def stable(network: nn.Module) -> None:
    """Features of the order of one throughout, an alignment without offsets, and corrections that start small.

    Every convolution keeps the variance (a transposed one counts the inputs that reach one output, not all its taps),
    times its share in :data:`SHARES`. The deformable convolution keeps its own uniform weights.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            share = next((value for pattern, value in SHARES.items() if re.fullmatch(pattern, name)), 1.0)
            fan = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
            if isinstance(module, nn.ConvTranspose2d):
                fan //= module.stride[0] * module.stride[1]
            nn.init.normal_(module.weight, std=share * math.sqrt(2 / fan))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


INITIALISERS: dict[str, Callable[[nn.Module], None]] = {"reference": reference, "stable": stable}
