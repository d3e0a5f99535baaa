"""SRResNet, the generator: sixteen residual blocks, sub-pixel upsampling, a Tanh at the end.

Source: Remote-Sensing-SRGAN (Donike), after Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a
Generative Adversarial Network", CVPR 2017, figure 4. There is no interpolated skip: the Tanh's output is the image.
"""

from typing import Any

import torch
from torch import nn

from models.shared.kernels import PReLU, channels_last
from models.srgan.blocks import ConvBlock, ResidualBlock, doublings


class SubPixelBlock(nn.Module):
    """Doubles height and width: convolution to four times the channels, pixel shuffle, PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(2)
        self.prelu = PReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        y: torch.Tensor = self.prelu(self.pixel_shuffle(self.conv(x)))
        return y


class Net(nn.Module):
    """The layers of :class:`SRResNet`, under the name that the authors' checkpoints give them."""

    def __init__(self, scale: int, in_channels: int, n_blocks: int, n_channels: int) -> None:
        super().__init__()
        self.conv_block1 = ConvBlock(in_channels, n_channels, 9, activation=PReLU())
        self.residual_blocks = nn.Sequential(*(ResidualBlock(n_channels) for _ in range(n_blocks)))
        self.conv_block2 = ConvBlock(n_channels, n_channels, 3, norm=True)
        self.subpixel_convolutional_blocks = nn.Sequential(
            *(SubPixelBlock(n_channels) for _ in range(doublings(scale)))
        )
        self.conv_block3 = ConvBlock(n_channels, in_channels, 9, activation=nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, scale H, scale W)."""
        head = self.conv_block1(channels_last(x))
        trunk = self.conv_block2(self.residual_blocks(head)) + head
        y: torch.Tensor = self.conv_block3(self.subpixel_convolutional_blocks(trunk))
        return y


class SRResNet(nn.Module):
    """The generator of SRGAN for any number of bands.

    ``load_state_dict`` takes the names as the authors save them (``net.conv_block1...``) and without the wrapper's
    prefix (``conv_block1...``); for files see :func:`models.srgan.part`.

    Args:
        scale: 2, 4 or 8.
        in_channels: bands, of the input and of the output.
        n_blocks: residual blocks.
        n_channels: width.
    """

    def __init__(self, scale: int = 4, in_channels: int = 3, n_blocks: int = 16, n_channels: int = 64) -> None:
        super().__init__()
        self.net = Net(scale, in_channels, n_blocks, n_channels)
        self.register_load_state_dict_pre_hook(_with_prefix)  # type: ignore[no-untyped-call]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in -1..1 -> (B, C, scale H, scale W) in -1..1, any H and W."""
        y: torch.Tensor = self.net(x)
        return y


def _with_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Renames, in ``state``, this module's keys that come without ``net.``."""
    layers = {name for name, _ in module.get_submodule("net").named_children()}
    for key in list(state):
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and name.split(".")[0] in layers:
            state[f"{prefix}net.{name}"] = state.pop(key)
