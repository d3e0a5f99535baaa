"""What the experiments train, measure and export: the generator, behind the fusion of views where there are several.

Source: Remote-Sensing-SRGAN (Donike). Parameter names equal the authors' whole module (``generator.net...``,
``fusion.model.fuse...``), so that the weights of an experiment on one image start one on several.
"""

import torch
from torch import nn

from models.shared.detail import start_flat, with_detail, without_grid
from models.srgan.fusion import RecursiveFusion
from models.srgan.srresnet import SRResNet


class SuperResolver(nn.Module):
    """SRResNet for one image, or for several views that are fused at low resolution first.

    Args:
        scale: 2, 4 or 8.
        in_channels: bands.
        n_blocks: residual blocks of the generator.
        n_channels: width of the generator.
        n_views: images of a sample; 1 for single-image super-resolution.
        bicubic_residual: the output is the bicubic enlargement (a = -0.75) of the image, or of the mean of the views,
            and the generator adds detail in units of the local contrast (:mod:`models.shared.detail`). It starts at the
            enlargement, without a grid. The paper does not do that.
    """

    def __init__(
        self,
        scale: int = 4,
        in_channels: int = 3,
        n_blocks: int = 16,
        n_channels: int = 64,
        *,
        n_views: int = 1,
        bicubic_residual: bool = False,
    ) -> None:
        super().__init__()
        self.scale, self.bicubic_residual = scale, bicubic_residual
        self.generator = SRResNet(scale, in_channels, n_blocks, n_channels)
        self.fusion = nn.ModuleDict({"model": RecursiveFusion(in_channels)} if n_views > 1 else {})
        if bicubic_residual:
            net = self.generator.net
            start_flat(net.conv_block3.conv_block[0])
            for block in net.subpixel_convolutional_blocks:
                without_grid(block.get_submodule("conv"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W), or (B, K, C, H, W) for several views, in -1..1 -> (B, C, scale H, scale W)."""
        image = self.fusion["model"](x) if self.fusion else x
        if self.bicubic_residual:
            enlarged = x.mean(1) if self.fusion else x
            return with_detail(enlarged, image, self.generator, self.scale)
        y: torch.Tensor = self.generator(image)
        return y
