"""What an evaluation says of radiometry: the consistency of every output, and what the hard constraint does to ours."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from satsr.constraint import NO_INPUT, Constraint, constrained
from satsr.metrics import consistency
from satsr.paper import Paper
from satsr.scores import CONSTRAINED, EXPORTED, UNCONSTRAINED, Scores
from satsr.store.store import Scene

MEASURED = "backprojection"
"""The constraint that is measured where none is the default."""


def variants(
    paper: Paper[Any], scene: Scene, method: str, output: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What is measured of one output: its method, the output, and what would be written.

    Of the exported weights there are two, from the same run of the network: what a user gets by default, which is
    :data:`satsr.scores.EXPORTED`, and the other, with or without the constraint.

    Args:
        paper: the recipe.
        scene: that was enlarged.
        method: the baseline, or a role of weights.
        output: of it, in the network's form.

    Yields:
        The method's name, the output in the network's form, and (T, sH, sW, C) native values.
    """
    plain = output, paper.written(scene, output)
    if method != EXPORTED or paper.kind in NO_INPUT:
        yield method, *plain
        return
    default = paper.constraint
    held = held_to_input(paper, scene, output, paper.hold(MEASURED if default == "none" else default))
    yield EXPORTED, *(plain if default == "none" else held)
    yield (CONSTRAINED, *held) if default == "none" else (UNCONSTRAINED, *plain)


def held_to_input(
    paper: Paper[Any], scene: Scene, output: np.ndarray, constraint: Constraint
) -> tuple[np.ndarray, np.ndarray]:
    """An output with the constraint, and what ``satsr upscale`` would write: not clipped to the network's range."""
    given, radiometry, scale = paper.given(scene), paper.radiometry, paper.config.convert.scale
    shape = (len(given), given.shape[3], *output.shape[-2:])
    images = [radiometry.inverse(np.moveaxis(image, 0, -1)) for image in output.reshape(shape)]
    held = [constrained(fine, coarse, scale, constraint) for fine, coarse in zip(images, given, strict=True)]
    back = np.stack([np.moveaxis(radiometry.forward(image), -1, 0) for image in held]).reshape(output.shape)
    top = 255 if radiometry.native[1] == 255 else np.iinfo(np.uint16).max
    return back, np.rint(np.clip(np.stack(held), 0, top))


def consistencies(paper: Paper[Any], scene: Scene, written: np.ndarray) -> list[Scores]:
    """One dictionary of ``consistency_*`` per image of what would be written, against what it enlarges."""
    given, clear = paper.given(scene), paper.clear(scene)
    masks = [None] * len(given) if clear is None else [*clear]
    small = paper.shrink(written)
    bands = paper.describe()["bands"]
    return [consistency(ours, theirs, bands, mask) for ours, theirs, mask in zip(small, given, masks, strict=True)]
