"""Content losses: how far a generated image is from the true one, in VGG features or in pixels.

Source: Remote-Sensing-SRGAN (Donike), after Ledig et al., CVPR 2017, equation 5 with phi_5,4. Values of different
content losses are not comparable; record the one that was used.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import skip_init

from models.shared.weights import load_weights, read_weights

LAYERS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels and convolutions before each pooling of VGG19
VGG_KEY = re.compile(r"(?:.*\.)?(?:features|truncated_vgg19)\.(\d+)\.(weight|bias)")
CONTENT_LOSSES = ("vgg19", "vgg19-random", "l1", "mse", "none", "l1_sam", "l1_sam_vgg19")
FROM_FILE = ("vgg19", "l1_sam_vgg19")
"""Content losses that look through VGG19's published weights."""
SAM_WEIGHT, FEATURE_WEIGHT = 0.05, 0.2
"""Of the successor's content loss, beside 1 for L1."""


class TruncatedVGG19(nn.Module):
    """VGG19 up to the ReLU after convolution ``j`` between its poolings ``i - 1`` and ``i``; frozen.

    Images go in as they are, in -1..1: the reference does not apply ImageNet's normalisation. Parameters are named
    ``truncated_vgg19.N.*``; torchvision's ``features.N.*`` load strictly too, its deeper layers and its classifier are
    left out. Fresh weights are torchvision's initialisation, from the seed alone.

    Args:
        i: 1 to 5.
        j: 1 to 2 for ``i`` up to 2, else 1 to 4.
        seed: of the random weights.

    Raises:
        ValueError: VGG19 has no such layer.
    """

    def __init__(self, i: int = 5, j: int = 4, seed: int = 0) -> None:
        super().__init__()
        if not (1 <= i <= len(LAYERS) and 1 <= j <= LAYERS[i - 1][1]):
            raise ValueError(f"VGG19 has no layer {i},{j}: i is 1 to 5, j is 1 to 2 for i up to 2 and 1 to 4 above")
        layers: list[nn.Module] = []
        channels = 3
        for block, (width, convolutions) in enumerate(LAYERS[:i], 1):
            for _ in range(j if block == i else convolutions):
                convolution = skip_init(nn.Conv2d, channels, width, 3, padding=1)  # type: ignore[no-untyped-call]
                layers += [convolution, nn.ReLU(inplace=True)]
                channels = width
            if block < i:
                layers.append(nn.MaxPool2d(2, 2))
        self.truncated_vgg19 = nn.Sequential(*layers)
        generator = torch.Generator().manual_seed(seed)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> features, (B, 512, H / 16, W / 16) for the default layer."""
        y: torch.Tensor = self.truncated_vgg19(x)
        return y


class ContentLoss(nn.Module):
    """One of :data:`CONTENT_LOSSES`, the mean over everything.

    ``vgg19`` and ``vgg19-random`` are the mean squared difference of features, ``l1`` and ``mse`` compare pixels,
    ``none`` is 0. The successor's, ``l1_sam_vgg19``, is L1 plus 0.05 times the spectral angle plus 0.2 times the
    squared difference of features, and ``l1_sam`` the same without the features. VGG sees three bands: one band three
    times, two bands and the first of them again, and of more than three a new random choice at every call.

    Args:
        name: one of :data:`CONTENT_LOSSES`.
        weights: for ``vgg19`` and ``l1_sam_vgg19``: a file or a mapping with the names of torchvision, of the authors'
            truncated network, or of their whole checkpoint (which contains VGG19).
        i: see :class:`TruncatedVGG19`.
        j: see :class:`TruncatedVGG19`.
        seed: of ``vgg19-random``.

    Raises:
        ValueError: the name is unknown, or ``weights`` are missing, given without need, or of another network.
    """

    def __init__(
        self,
        name: str = "vgg19",
        weights: Mapping[str, Any] | Path | str | None = None,
        *,
        i: int = 5,
        j: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if name not in CONTENT_LOSSES:
            raise ValueError(f"no content loss is called {name!r}: the names are {', '.join(CONTENT_LOSSES)}")
        if (name in FROM_FILE) != (weights is not None):
            raise ValueError(
                f"a content loss through VGG19 ({', '.join(FROM_FILE)}) needs a file of its weights (torchvision's, "
                f".pth or .safetensors), and no other content loss takes one; asked for: {name}, weights: "
                f"{weights is not None}"
            )
        self.name = name
        self.features = TruncatedVGG19(i, j, seed) if "vgg19" in name else None
        if self.features is not None and weights is not None:
            load_weights(self.features, vgg_weights(weights, self.features))

    def forward(self, sr: torch.Tensor, hr: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            sr: (B, C, H, W), generated, in -1..1.
            hr: (B, C, H, W), true; no gradient flows into it.
            generator: draws the bands where C > 3; must be given there.

        Raises:
            ValueError: VGG is asked about more than three bands without a generator.
        """
        hr = hr.detach()
        pixels = self._pixels(sr, hr)
        if self.features is None:
            return pixels
        bands = three_bands(sr.shape[1], generator)
        seen = functional.mse_loss(self.features(sr[:, bands]), self.features(hr[:, bands]))
        return seen if self.name.startswith("vgg19") else pixels + FEATURE_WEIGHT * seen

    def _pixels(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """What of the loss compares pixels."""
        match self.name:
            case "l1":
                return functional.l1_loss(sr, hr)
            case "mse":
                return functional.mse_loss(sr, hr)
            case "l1_sam" | "l1_sam_vgg19":
                return functional.l1_loss(sr, hr) + SAM_WEIGHT * spectral_angle(sr, hr)
        return sr.new_zeros(())


def spectral_angle(sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
    """The mean angle between the spectra of two images (B, C, H, W), in radians (the successor's SAM)."""
    product = functional.cosine_similarity(sr, hr, dim=1, eps=1e-8)
    return product.clamp(-1 + 1e-7, 1 - 1e-7).acos().mean()


def three_bands(count: int, generator: torch.Generator | None = None) -> list[int]:
    """The three bands, of ``count``, that VGG looks at.

    Raises:
        ValueError: there are more than three bands and no generator to choose with.
    """
    if count <= 3:
        return [[0, 0, 0], [0, 1, 0], [0, 1, 2]][count - 1]
    if generator is None:
        raise ValueError(f"VGG looks at three of {count} bands: give the torch.Generator that chooses them")
    chosen: list[int] = torch.randperm(count, generator=generator)[:3].tolist()
    return chosen


def vgg_weights(source: Mapping[str, Any] | Path | str, network: TruncatedVGG19) -> dict[str, torch.Tensor]:
    """The weights of ``network`` in a file of VGG19 or in the authors' whole checkpoint, under our names.

    Layers deeper than the network's last, and the classifier, are left out; what is missing stays missing.

    Raises:
        ValueError: the source cannot be read, or has no layer of VGG19.
    """
    depth = len(network.truncated_vgg19)
    found = {}
    for key, value in read_weights(source).items():
        match = VGG_KEY.fullmatch(key)
        if match and int(match[1]) < depth:
            found[f"truncated_vgg19.{match[1]}.{match[2]}"] = value
    if not found:
        raise ValueError(
            f"there are no weights of VGG19 in {'the given mapping' if isinstance(source, Mapping) else source}: names "
            "like features.0.weight (torchvision) or truncated_vgg19.0.weight were expected"
        )
    return found
