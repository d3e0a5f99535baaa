"""What the experiments train, measure and export: the generator, behind the fusion of views where there are several.

Source: Remote-Sensing-SRGAN (Donike). Parameter names equal the authors' whole module (``generator.net...``,
``fusion.model.fuse...``), so that the weights of an experiment on one image start one on several.
"""

import torch
from torch import nn

from models.shared.detail import start_flat, with_detail, without_grid
from models.srgan.fusion import RecursiveFusion
from models.srgan.srresnet import SRResNet
from models.srgan.successor import NOISE_DIM, ESRGANGenerator, FlexibleGenerator


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
            enlargement, the paper's generator without a grid. The paper does not do that.
        generator: ``srresnet``, the paper's, or one of its successor's: ``res``, ``rcab``, ``rrdb``, ``lka``,
            ``stochastic`` (noise is drawn in training and zero otherwise, so that an image has one enlargement) or
            ``esrgan``; these have no activation at the end, so that images may be in any range.

    Raises:
        ValueError: there is no such generator.
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
        generator: str = "srresnet",
    ) -> None:
        super().__init__()
        self.scale, self.bicubic_residual = scale, bicubic_residual
        self.generator = _generator(generator, scale, in_channels, n_blocks, n_channels)
        self.fusion = nn.ModuleDict({"model": RecursiveFusion(in_channels)} if n_views > 1 else {})
        if bicubic_residual:
            start_flat([module for module in self.generator.modules() if isinstance(module, nn.Conv2d)][-1])
            if isinstance(self.generator, SRResNet):
                for block in self.generator.net.subpixel_convolutional_blocks:
                    without_grid(block.get_submodule("conv"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W), or (B, K, C, H, W) for several views, in -1..1 -> (B, C, scale H, scale W)."""
        image = self.fusion["model"](x) if self.fusion else x
        if self.bicubic_residual:
            enlarged = x.mean(1) if self.fusion else x
            return with_detail(enlarged, image, self._enlarged, self.scale)
        return self._enlarged(image)

    def _enlarged(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, scale H, scale W)."""
        stochastic = isinstance(self.generator, FlexibleGenerator) and self.generator.stochastic
        noise = {"noise": image.new_zeros(1, NOISE_DIM)} if stochastic and not self.training else {}
        y: torch.Tensor = self.generator(image, **noise)
        return y


def _generator(name: str, scale: int, in_channels: int, n_blocks: int, n_channels: int) -> nn.Module:
    match name:
        case "srresnet":
            return SRResNet(scale, in_channels, n_blocks, n_channels)
        case "esrgan":
            return ESRGANGenerator(scale, in_channels, n_blocks, n_channels)
    return FlexibleGenerator(name, scale, in_channels, n_blocks, n_channels)
