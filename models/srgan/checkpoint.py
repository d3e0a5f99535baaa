"""The parts of the authors' checkpoints, which hold generator, discriminator, fusion and VGG19 in one file."""

from torch import Tensor

from models.shared.weights import Source, read_weights

PREFIXES = {"generator": "generator.", "discriminator": "discriminator.", "fusion": "fusion.model."}


def part(source: Source, name: str) -> dict[str, Tensor]:
    """One network's weights, under the names that it has on its own, for ``load_weights``.

    A checkpoint of that network alone passes through. Generators without :class:`~models.srgan.SRResNet`'s wrapper get
    its prefix ``net.``.

    Args:
        source: a mapping or a file, as ``load_weights`` takes it.
        name: ``generator``, ``discriminator`` or ``fusion``.

    Raises:
        ValueError: there is no part of that name, or the source cannot be read.
    """
    if name not in PREFIXES:
        raise ValueError(f"an SRGAN checkpoint has no part {name!r}: the parts are {', '.join(PREFIXES)}")
    weights, prefix = read_weights(source), PREFIXES[name]
    inside = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    chosen = inside or weights
    if name == "generator" and "conv_block1.conv_block.0.weight" in chosen:
        chosen = {f"net.{key}": value for key, value in chosen.items()}
    return chosen
