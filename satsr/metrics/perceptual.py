"""LPIPS, unlikeness as people see it: distances between features of AlexNet, weighted by layer and channel.

Zhang, Isola, Efros, Shechtman, Wang, The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018;
version 0.1 of its package. Neither file of weights is shipped: :func:`lpips_weights` says where they are looked for.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.files import sha256
from satsr.metrics.inputs import require_u8_pair

VARIABLE = "SATSR_LPIPS"
TRUNK, HEADS = "alexnet-owt-7be5be79.pth", "alex.pth"
"""Torchvision's weights of AlexNet, and those of the package lpips 0.1.4 (``lpips/weights/v0.1``)."""
DIGESTS = {TRUNK: "7be5be79", HEADS: "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"}
"""Beginnings of their SHA-256; torchvision names its file by the first eight digits."""
LAYERS = ((0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3), (10, 256, 256, 3))
"""Of each convolution: its place in ``features``, channels out and in, side of the kernel."""
POOLED = (3, 6)
"""Places before which the features are halved."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
SMALLEST = 31
"""Side in pixels from which something is left after the last pooling."""
EPSILON = 1e-10


@dataclass(frozen=True)
class LpipsWeights:
    """AlexNet's convolutions and the five linear heads, as torch tensors.

    Attributes:
        convolutions: weight (out, in, k, k) and bias (out,) of each.
        heads: (1, channels, 1, 1) of each.
    """

    convolutions: Sequence[tuple[Any, Any]]
    heads: Sequence[Any]


def lpips(image: np.ndarray, reference: np.ndarray, weights: LpipsWeights | None = None) -> float:
    """The distance of two images, 0 for equal ones; lower is better.

    Args:
        image: (H, W, 3) uint8, at least 31 pixels a side, seen as x / 127.5 - 1.
        reference: of that shape and type.
        weights: by default those of :func:`lpips_weights`.

    Raises:
        SatsrError: the images have another type, number of bands or size, or there are no weights.
    """
    require_u8_pair(image, reference)
    if image.ndim != 3 or min(image.shape[:2]) < SMALLEST:
        raise SatsrError(
            f"LPIPS compares images of three bands and at least {SMALLEST} pixels a side, found {image.shape}."
        )
    import torch

    known, threads = weights or lpips_weights(), torch.get_num_threads()
    torch.set_num_threads(1)  # so that the same bits come on any number of cores
    try:
        with torch.inference_mode():
            ours, theirs = (_features(one, known) for one in (image, reference))
            apart = [(a - b).square() for a, b in zip(ours, theirs, strict=True)]
            return float(sum((one * head).sum(1).mean() for one, head in zip(apart, known.heads, strict=True)))
    finally:
        torch.set_num_threads(threads)


def lpips_weights() -> LpipsWeights:
    """The weights in the folder that SATSR_LPIPS names, else in the user's cache, where their hashes must be right.

    Raises:
        SatsrError: a file is missing, is not the one expected, or does not hold the weights.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    named = os.environ.get(VARIABLE)
    return _read(Path(named).expanduser() if named else cache / "satsr" / "lpips", own=bool(named))


@lru_cache(maxsize=2)
def _read(folder: Path, own: bool) -> LpipsWeights:
    trunk, heads = (_state(folder / name, own) for name in (TRUNK, HEADS))
    try:
        convolutions = [_convolution(trunk, *layer) for layer in LAYERS]
        weighted = [_shaped(heads, f"lin{n}.model.1.weight", (1, layer[1], 1, 1)) for n, layer in enumerate(LAYERS)]
    except (KeyError, ValueError) as error:
        raise SatsrError(
            f"{folder} holds no weights of LPIPS ({error}): lay torchvision's {TRUNK} and the {HEADS} of lpips 0.1.4 "
            "there."
        ) from None
    return LpipsWeights(convolutions, weighted)


def _state(path: Path, own: bool) -> Mapping[str, Any]:
    import torch

    if not path.is_file():
        raise SatsrError(
            f"LPIPS needs {path.name}, which {path.parent} does not hold: lay torchvision's {TRUNK} and the {HEADS} of "
            f"lpips 0.1.4 (lpips/weights/v0.1) into a folder and name it in {VARIABLE}."
        )
    if not own and not sha256(path).startswith(DIGESTS[path.name]):
        raise SatsrError(
            f"{path} is not the file that LPIPS is defined with (its SHA-256 should begin with "
            f"{DIGESTS[path.name][:8]}): delete it and fetch it again, or name a folder of your own in {VARIABLE}."
        )
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip, torch: each has its own
        raise SatsrError(f"{path} cannot be read as weights ({' '.join(str(error).split())[:120]}).") from None
    if not isinstance(found, Mapping):
        raise SatsrError(f"{path} holds {type(found).__name__}, not weights by their names.")
    return found


def _convolution(state: Mapping[str, Any], place: int, out: int, of: int, side: int) -> tuple[Any, Any]:
    name = f"features.{place}"
    return _shaped(state, f"{name}.weight", (out, of, side, side)), _shaped(state, f"{name}.bias", (out,))


def _shaped(state: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Any:
    value = state[name].float()
    if tuple(value.shape) != shape:
        raise ValueError(f"{name} has the shape {tuple(value.shape)}, not {shape}")
    return value


def _features(image: np.ndarray, weights: LpipsWeights) -> list[Any]:
    """After each convolution, (1, C, h, w), of unit length at each place."""
    import torch
    from torch.nn import functional

    shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
    signed = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    values, found = (signed - shift) / scale, []
    for (place, _, _, side), (weight, bias) in zip(LAYERS, weights.convolutions, strict=True):
        values = functional.max_pool2d(values, 3, 2) if place in POOLED else values
        first = {"stride": 4, "padding": 2} if not place else {"padding": side // 2}
        values = functional.relu(functional.conv2d(values, weight, bias, **first))
        found.append(values / (values.square().sum(1, keepdim=True).sqrt() + EPSILON))
    return found
