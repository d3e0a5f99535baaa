"""Forward and backward passes of the networks at the sizes of the papers, against convolutions of the same library."""

from collections.abc import Iterator

import torch

import models
from benchmarks.speed.ratio import Row, measure

# name -> what is built, its inputs, the peers' and the aimed-at ratios of forward and of forward and backward
CASES = {
    "RASVSR 1x5x3x64x64": ("rasvsr", {"x": (1, 5, 3, 64, 64)}, (21.6, 16.6), (15.5, 14.5)),
    "MSDTGP 1x5x3x64x64": ("msdtgp", {"x": (1, 5, 3, 64, 64)}, (40.8, 40.3), (36.0, 36.0)),
    "QA-Net 1x9x64x64": ("qanet", {"x": (1, 9, 64, 64), "quality": (1, 9, 64, 64)}, (36.4, 32.6), (22.0, 20.0)),
    "RRDB (15 blocks) 1x3x32x32": ("rrdb", {"x": (1, 3, 32, 32)}, (0.683, 0.647), (0.55, 0.55)),
    "HighRes-net + L-TAE 1x8x3x32x32": (
        "highresnet_ltae", {"x": (1, 8, 3, 32, 32), "days": (1, 8)}, (0.427, 0.471), (0.35, 0.38),
    ),
    "SRGAN generator 1x3x64x64": ("srresnet", {"x": (1, 3, 64, 64)}, (2.19, 2.00), (1.6, 1.7)),
}  # fmt: skip


def rows(only: str = "") -> Iterator[Row]:
    """Each network, or those whose row is called so: forward as it is applied, with backward as it is trained."""
    for work, (name, shapes, peers, targets) in CASES.items():
        if only not in work:
            continue
        torch.manual_seed(0)
        network = models.build(name)
        inputs = [torch.rand(shape) for shape in shapes.values()]
        forward, backward = _passes(network, inputs)
        yield measure(f"{work}, forward", forward, "conv-50", peer=peers[0], target=targets[0])
        yield measure(f"{work}, and backward", backward, "conv-50-backward", peer=peers[1], target=targets[1])


def _passes(network: torch.nn.Module, inputs: list[torch.Tensor]):  # noqa: ANN202
    def forward() -> None:
        network.eval()
        with torch.inference_mode():
            network(*inputs)

    def backward() -> None:
        network.train()
        network(*inputs).sum().backward()

    return forward, backward
