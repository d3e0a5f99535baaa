"""Where a short training of RASVSR starts: at the enlarged frame itself, with features of the order of one."""

import re
from typing import Any

from torch import nn

from models.shared.detail import start_flat, without_grid

KEPT = re.compile(
    r".*\.conv1|(feat_extract|backbone\.\w+|reconstruction)\.main\.0|upconv[12]|conv_hr|fusion\.\w+\.feat_fusion"
    r"|deform_align\.\w+\.conv_offset\.[024]"
)
"""Convolutions that keep the variance; what residual blocks add and attention start as the paper's."""


def start_at_enlarged(network: nn.Module) -> None:
    """Lets a RASVSR for frames of low resolution give the enlarged frame at first, and learn from there at once.

    PyTorch's own start shrinks what passes a convolution to a third or so; after seven of them nothing is left that the
    first hundreds of steps could learn from. So those of :data:`KEPT` keep the variance (He et al., ICCV 2015, equation
    15, for LeakyReLU(0.1)), what upsamples starts without a grid, and the last convolution starts at zero. So does the
    alignment: each frame is enlarged by itself until the neighbours are found to help.
    """
    whole: Any = network
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and KEPT.fullmatch(name):
            nn.init.kaiming_normal_(module.weight, a=0.1)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    without_grid(whole.upconv1)
    without_grid(whole.upconv2)
    start_flat(whole.conv_last)
    for alignment in whole.deform_align.values():
        nn.init.zeros_(alignment.weight)
