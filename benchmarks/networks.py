"""Parameters and multiply-accumulates of every network at its paper's input: ``python benchmarks/networks.py``.

Nothing is computed: shapes alone go through the networks (PyTorch's meta device), convolutions and matrix products are
counted.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode

import models

SUCCESSORS = ("standard", "res", "rcab", "rrdb", "lka", "esrgan")
# name -> constructor arguments and the shapes of the inputs at the paper's training or test size
CASES = {
    "rasvsr": ({}, {"x": (1, 5, 3, 64, 64)}),
    "msdtgp": ({}, {"x": (1, 5, 3, 160, 160)}),
    "rrdb": ({}, {"x": (1, 3, 74, 74)}),
    "highresnet": ({}, {"x": (1, 8, 3, 74, 74), "alphas": (1, 8)}),
    "highresnet_ltae": ({}, {"x": (1, 8, 3, 74, 74), "days": (1, 8)}),
    "rrdb_ltae": ({}, {"x": (1, 8, 3, 74, 74), "days": (1, 8)}),
    "rrdb_highresnet": ({}, {"x": (1, 8, 3, 74, 74), "alphas": (1, 8)}),
    "srdiff": ({"backbone": "rrdb"}, {"x": (1, 3, 74, 74), "x_t": (1, 3, 296, 296)}),
    "srresnet": ({}, {"x": (1, 3, 75, 75)}),
    "srgan_discriminator": ({}, {"x": (1, 3, 300, 300)}),
    "recursive_fusion": ({}, {"views": (1, 4, 3, 75, 75)}),
    "qanet": ({}, {"x": (1, 9, 128, 128), "quality": (1, 9, 128, 128)}),
    **{f"srgan_{kind}": ({"in_channels": 4}, {"x": (1, 4, 75, 75)}) for kind in SUCCESSORS},
}


def main() -> None:
    """Prints the table as Markdown."""
    print("| network | input | parameters | GMAC |\n|---|---|---|---|")
    for name, (arguments, shapes) in CASES.items():
        with torch.device("meta"):
            network = models.build(name, **arguments).eval()
            inputs = [torch.empty(shape) for shape in shapes.values()]
        with FlopCounterMode(display=False) as counter:
            if name == "srdiff":  # the condition once and one step of the denoiser, of which a sample takes 500
                network.denoise(
                    inputs[1], torch.zeros(1, dtype=torch.long, device="meta"), network.condition(inputs[0])
                )
            else:
                network(*inputs)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        size = ", ".join("x".join(map(str, shape)) for shape in shapes.values())
        print(f"| {name} | {size} | {parameters:,} | {counter.get_total_flops() / 2e9:.2f} |")


if __name__ == "__main__":
    main()
