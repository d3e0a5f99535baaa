"""The successor's schedules as pure functions of the step, so that a resumed run continues exactly.

Source: ESAOpenSR/SRGAN. Steps count batches from 0. (The reference counts two per batch once both optimisers run, and
never steps its plateau schedulers; neither is copied.)
"""

import math

SHAPES = ("linear", "cosine")


def rise(progress: float, shape: str = "cosine") -> float:
    """From 0 at ``progress`` 0 to 1 at ``progress`` 1, on a line or half a cosine; constant outside.

    Raises:
        ValueError: the shape is neither ``linear`` nor ``cosine``.
    """
    if shape not in SHAPES:
        raise ValueError(f"a schedule rises as {' or '.join(SHAPES)}, not as {shape!r}")
    progress = min(max(progress, 0.0), 1.0)
    return progress if shape == "linear" else 0.5 * (1 - math.cos(math.pi * progress))


def adversarial_weight(
    step: int, *, pretrain: int = 20_000, ramp: int = 5_000, beta: float = 1e-3, shape: str = "linear"
) -> float:
    """The weight of the adversarial loss: 0 while the generator trains alone, then a rise to ``beta``.

    Args:
        step: batches done.
        pretrain: steps of the generator alone.
        ramp: steps of the rise; 0 starts with ``beta`` at once.
        beta: the final weight.
        shape: ``linear`` or ``cosine``.
    """
    if step < pretrain:
        return 0.0
    return beta * (rise((step - pretrain) / ramp, shape) if ramp else 1.0)


def warmup_factor(step: int, steps: int = 1_000, shape: str = "cosine") -> float:
    """What the generator's learning rate is multiplied by: (step + 1) / steps of the way up, 1 from there on."""
    return rise((step + 1) / steps, shape) if steps else 1.0
