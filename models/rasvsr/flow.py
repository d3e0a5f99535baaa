"""Optical flow by SPyNet (Ranjan and Black, CVPR 2017): small networks in a pyramid correct each other's flow."""

import copy
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.rasvsr.warp import flow_warp
from models.shared.kernels import channels_last
from models.shared.weights import Source, load_weights, read_weights

LEVELS = 6


class BasicModule(nn.Module):
    """Five 7x7 convolutions: (reference, warped support, coarse flow), 8 channels, to a correction of the flow, 2."""

    def __init__(self) -> None:
        super().__init__()
        widths = (8, 32, 64, 32, 16, 2)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 7, padding=3), nn.ReLU(inplace=True)]
        self.basic_module = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 8, H, W) to (B, 2, H, W)."""
        flow: Tensor = self.basic_module(x)
        return flow


class SPyNet(nn.Module):
    """Flow from one frame to another, coarse to fine over six levels."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(BasicModule() for _ in range(LEVELS))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, reference: Tensor, support: Tensor) -> Tensor:
        """Where each pixel of ``reference`` is found in ``support``.

        The frames are resized to multiples of 32 for the pyramid and the flow is resized back.

        Args:
            reference: (B, 3, H, W) RGB in 0..1.
            support: the same shape.

        Returns:
            (B, 2, H, W) in pixels, channel 0 to the right, channel 1 down.
        """
        if self._skipped():
            return torch.zeros_like(reference[:, :2])
        height, width = reference.shape[2:]
        resized = (height + 31) // 32 * 32, (width + 31) // 32 * 32
        flow: Tensor | None = None
        for module, near, far in zip(
            self.basic_module, self._pyramid(reference, resized), self._pyramid(support, resized), strict=True
        ):
            if flow is None:
                flow = torch.zeros_like(near[:, :2])
            else:
                flow = 2 * F.interpolate(flow, size=near.shape[2:], mode="bilinear", align_corners=True)
            flow = flow + module(channels_last(torch.cat([near, flow_warp(far, flow, padding="border"), flow], dim=1)))
        assert flow is not None
        flow = F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
        return torch.cat([flow[:, :1] * (width / resized[1]), flow[:, 1:] * (height / resized[0])], dim=1)

    def last_layers(self) -> list[nn.Parameter]:
        """Weight and bias of the last convolution of each level; with all of them zero the flow is zero."""
        return [parameter for name, parameter in self.named_parameters() if ".basic_module.8." in name]

    def still(self) -> bool:
        """Whether the weights give zero flow everywhere."""
        return not any(bool(parameter.any()) for parameter in self.last_layers())

    def _skipped(self) -> bool:
        """Whether the flow is zero and not being trained: then nothing is computed.

        A training that starts with zero flow spends most of its time here otherwise. Where a graph is exported, the
        weights cannot be looked at: see :func:`without_still_flow`.
        """
        if torch.compiler.is_exporting():
            return False
        trained = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.parameters())
        return not trained and self.still()

    def _pyramid(self, frame: Tensor, size: tuple[int, int]) -> list[Tensor]:
        """The normalised frame at six sizes, coarsest first."""
        frame = F.interpolate(frame, size=size, mode="bilinear", align_corners=False)
        levels = [(frame - self.mean) / self.std]
        for _ in range(LEVELS - 1):
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels[::-1]


class NoFlow(nn.Module):
    """In the place of a SPyNet that gives zero flow."""

    def forward(self, reference: Tensor, support: Tensor) -> Tensor:
        """As :meth:`SPyNet.forward`: (B, 2, H, W) of zeros."""
        return torch.zeros_like(reference[:, :2])


def without_still_flow(network: nn.Module) -> nn.Module:
    """The network to export: without its ``spynet`` if that gives zero flow, which takes most of a small graph's time.

    The weights are shared and the network itself is left as it is.
    """
    if not cast(SPyNet, network.get_submodule("spynet")).still():
        return network
    lighter = copy.copy(network)
    lighter._modules = {**network._modules, "spynet": NoFlow()}
    return lighter


def load_flow(network: nn.Module, source: Source) -> None:
    """Loads published SPyNet weights (60 tensors, without mean and std) into ``network.spynet``.

    Raises:
        ValueError: as :func:`models.shared.weights.load_weights`; the network is unchanged.
    """
    spynet = network.get_submodule("spynet")
    load_weights(spynet, {**dict(spynet.named_buffers()), **read_weights(source)})


def start_flow_at_zero(network: nn.Module) -> None:
    """Lets ``network.spynet`` give zero flow everywhere, for a training without pretrained flow.

    The last convolution of each level becomes zero. From random weights the flows of a new SPyNet would be a few pixels
    of noise, and the features warped by them useless; from zero the network starts as if nothing moved and learns the
    flow from there, as the gradient still reaches every level.
    """
    for parameter in cast(SPyNet, network.get_submodule("spynet")).last_layers():
        nn.init.zeros_(parameter)
