"""The weights of the golden networks, made from the names of their tensors alone.

Every tensor starts as normal noise, drawn from a generator whose seed is the CRC-32 of the tensor's name. Each
paper scales that noise in its own way, so that activations neither vanish nor blow up.
"""

import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

Shapes = Mapping[str, tuple[int, ...]]
Weights = dict[str, torch.Tensor]

SPYNET = {"spynet.mean": (0.485, 0.456, 0.406), "spynet.std": (0.229, 0.224, 0.225)}


def noise(key: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def rasvsr(shapes: Shapes) -> Weights:
    """Kernels have the deviation gain / sqrt(fan in), biases 0.05; SPyNet's mean and deviation are its own."""

    def value(key: str, shape: tuple[int, ...]) -> torch.Tensor:
        if key in SPYNET:
            return torch.tensor(SPYNET[key]).view(shape)
        scale = 0.05 if key.endswith(".bias") else _rasvsr_gain(key) / math.sqrt(math.prod(shape[1:]))
        return _tensor(noise(key, shape) * scale)

    return {key: value(key, shape) for key, shape in shapes.items()}


def _rasvsr_gain(key: str) -> float:
    if key.startswith("spynet."):
        return 1.1
    if key.startswith("fusion.") and "temporal_attn" not in key:
        return 0.7
    if key.startswith("deform_align.") and key.endswith("_1.weight"):
        return 0.7
    halved = (".conv_offset.6.", ".conv1.weight", ".conv2.weight", "temporal_attn", "conv_last.")
    return 0.5 if any(part in key for part in halved) else math.sqrt(2)


def msdtgp(shapes: Shapes) -> Weights:
    """Kernels have the deviation gain / sqrt(fan in); slopes lie near 0.25, biases near 0."""

    def value(key: str, shape: tuple[int, ...]) -> torch.Tensor:
        z = noise(key, shape)
        if len(shape) == 4:
            gain = 4.0 if key.startswith("TAtt.") else 2.0 if key.endswith("conv_offset_mask.weight") else 1.0
            return _tensor(z * gain / math.sqrt(math.prod(shape[1:])))
        return _tensor(0.25 * key.endswith(".act.weight") + 0.02 * z)

    return {key: value(key, shape) for key, shape in shapes.items()}


def qanet(shapes: Shapes) -> Weights:
    """Kernels have the deviation 0.03; the norms' statistics are near those of the signals that they meet."""
    return {key: _qanet_norm(key, shape) if "norm" in key else _qanet(key, shape) for key, shape in shapes.items()}


def _qanet(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    if key == "init.weight":
        scale = 0.5
    elif key.endswith(("in_proj_weight", "out_proj.weight")):
        scale = 0.15
    else:
        scale = 0.01 if key.endswith("bias") else 0.03
    return _tensor(noise(key, shape) * scale)


def _qanet_norm(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    *_, norm, leaf = key.split(".")
    if leaf == "num_batches_tracked":
        return torch.tensor(0)
    z, first = noise(key, shape), key.startswith("qems.0.")
    if leaf == "running_var":
        base = {"cnorm1": 6.0, "cnorm": 1.0 if first else 0.05}.get(norm, 2.0)
        return _tensor(base * (1 + 0.1 * np.abs(z)))
    if leaf == "running_mean":
        return _tensor((0.5 if norm == "cnorm" and not first else 0.0) + 0.02 * z)
    return _tensor(1 + 0.1 * z if leaf == "weight" else 0.02 * z)


def breizhsr(network: nn.Module, scale: float) -> nn.Module:
    """Gives every parameter its value, in place: buffers stay as the network made them."""
    for key, parameter in network.named_parameters():
        own = 0.5 if "attention_heads." in key else scale
        value = _tensor(noise(key, tuple(parameter.shape)) * own)
        if own == scale and parameter.dim() == 1 and key.endswith(".weight"):  # a PReLU's slope or a norm's scale
            value += 0.25 if parameter.numel() == 1 else 1.0
        elif own == scale and key.endswith("conv_last.bias"):  # so that the clamp to [0, 1] is not always reached
            value += 0.5
        parameter.data = value
    return network


def srgan(network: nn.Module, scale: float) -> nn.Module:
    """Gives every parameter its value, in place: slopes are 0.25, batch norms scale by about 1."""
    for name, module in network.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            key = f"{name}.{leaf}" if name else leaf
            if isinstance(module, nn.PReLU):
                parameter.data.fill_(0.25)
                continue
            z = noise(key, tuple(parameter.shape)) * scale
            parameter.data = _tensor(1 + z if isinstance(module, nn.BatchNorm2d) and leaf == "weight" else z)
    return network
