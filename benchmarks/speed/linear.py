"""Growth: what a pixel, a frame and a date cost as they become more, of the models that are installed with satsr.

Each row is the processor time of one with four or two times as many, over that with fewer, so 1 is linear; both are
measured by turns. What commands take with the number of frames, and memory: ``memory`` and ``growth``.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.speed.ratio import Row, Work, measure, photograph
from satsr import load
from satsr.exported.model import Model

TARGET = 1.1
SIDE = 48
CASES: dict[str, tuple[str, tuple[int, ...]]] = {
    "rasvsr": ("frames", (5, 3)),
    "msdtgp": ("frames", (5, 3)),
    "breizhsr": ("dates", (6, 3)),
    "srgan": ("images", (2, 3)),
    "qanet": ("", (9,)),
}
"""A model of the zoo -> what more of it may be, with how many of these and of bands it begins."""


def rows() -> Iterator[Row]:
    """Pixels of every model; frames, dates or images of those that take any number of them."""
    for name, (what, (count, *bands)) in CASES.items():
        model, top = load(f"zoo:{name}", device="cpu"), 255 if what == "frames" else 4000
        few = values(count, SIDE, bands, top)
        said = f"zoo:{name}, {count} x {SIDE} x {SIDE} px"
        larger = values(count, 2 * SIDE, bands, top)
        yield measure(f"{said}: a pixel of four times as many", apply(model, larger), "with fewer", apply(model, few),
                      per=4, target=TARGET)  # fmt: skip
        if what:
            more = values(2 * count, SIDE, bands, top)
            yield measure(f"{said}: one of twice as many {what}", apply(model, more), "with fewer", apply(model, few),
                          per=2, target=TARGET)  # fmt: skip


def values(count: int, side: int, bands: list[int], top: int) -> np.ndarray:
    """(count, side, side, *bands): native values of frames (8 bits) or of reflectance."""
    images = np.stack([photograph(side, side, seed) for seed in range(count)])
    shaped = images if bands else images[..., 0]
    return shaped if top == 255 else (400 + shaped.astype(np.float32) / 255 * top).astype(np.uint16)


def apply(model: Model, given: np.ndarray) -> Work:
    """The model on these, whatever their range."""
    return lambda: model(given, gain=1)
