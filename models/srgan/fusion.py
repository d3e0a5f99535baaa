"""Recursive fusion of several views of one place into one image.

Source: Remote-Sensing-SRGAN (Donike), its multi-image variant, after Deudon et al., "HighRes-net: Recursive Fusion for
Multi-Frame Super-Resolution of Satellite Imagery", 2020; here it works in image space.
"""

import torch
from torch import nn

from models.srgan.blocks import ResidualBlock


class RecursiveFusion(nn.Module):
    """Fuses views in pairs, with the same weights at every level, until one is left.

    At a level of L views, view i meets view L - 1 - i for i below L // 2. With an odd L the last view has no partner:
    it goes unchanged to the next level, which is HighRes-net's padding (a partner whose alpha is 0 adds nothing). The
    reference drops it, so that of 3 views it uses 2, of 7 views 4; ``reference_compat`` does so too. Powers of two are
    the same either way. The number of views is fixed in an exported graph; batch, height and width stay free.

    Args:
        channels: bands.
        alpha_residual: a fused pair is added to its first view, weighted by the alpha of the second.
        reference_compat: drop the view without a partner, as the reference does.
    """

    def __init__(self, channels: int = 3, alpha_residual: bool = False, reference_compat: bool = False) -> None:
        super().__init__()
        self.alpha_residual, self.reference_compat = alpha_residual, reference_compat
        self.fuse = nn.Sequential(
            ResidualBlock(2 * channels), nn.Conv2d(2 * channels, channels, 3, padding=1), nn.PReLU()
        )

    def forward(self, views: torch.Tensor, alphas: torch.Tensor | None = None) -> torch.Tensor:
        """Fuses.

        Args:
            views: (B, K, C, H, W), any K from 1 on; a single view comes back as it is.
            alphas: (B, K), 1 for a view that counts and 0 for padding; only with ``alpha_residual``, all ones if None.

        Returns:
            (B, C, H, W) in the range of the views.

        Raises:
            ValueError: ``alphas`` are given to a fusion without ``alpha_residual``.
        """
        if alphas is not None and not self.alpha_residual:
            raise ValueError("alphas need a fusion built with alpha_residual=True: without it every view counts alike")
        if self.alpha_residual and alphas is None:
            alphas = torch.ones_like(views[:, :, 0, 0, 0])
        count = views.shape[1]
        while count > 1:
            views, alphas = self._level(views, alphas)
            count = views.shape[1]
        return views[:, 0]

    def _level(self, views: torch.Tensor, alphas: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The views and alphas of the next level."""
        half = views.shape[1] // 2
        alice, bob = views[:, :half], views[:, half : 2 * half].flip(1)
        fused = self.fuse(torch.cat([alice, bob], 2).flatten(0, 1)).unflatten(0, (-1, half))
        if alphas is not None:
            fused = alice + alphas[:, half : 2 * half].flip(1)[:, :, None, None, None] * fused
        if self.reference_compat or views.shape[1] % 2 == 0:
            return fused, alphas if alphas is None else alphas[:, :half]
        alone = None if alphas is None else torch.cat([alphas[:, :half], alphas[:, -1:]], 1)
        return torch.cat([fused, views[:, -1:]], 1), alone
