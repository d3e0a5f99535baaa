"""Pairs of which all is known, and the recipe that reads them: for tests of what lies outside the training data."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.paper import Paper
from satsr.resize import imresize
from satsr.store.store import Store, StoreWriter
from steps.configuration import config_of

ROOT = Path(__file__).resolve().parents[1]


def terrain(seed: int, side: int = 256, level: float = 1200.0) -> np.ndarray:
    """(3, side, side) reflectances with structure of all sizes."""
    random = np.random.default_rng([7, seed])
    layers = [imresize(random.standard_normal((side // size, side // size)), size) for size in (2, 4, 8, 16, 64)]
    shape = sum(weight * layer for weight, layer in zip((0.02, 0.06, 0.1, 0.1, 0.15), layers, strict=True))
    colours = np.array([1.0, 0.85, 0.7])[:, None, None] * (1 + 0.05 * np.stack([layers[4], 0 * layers[4], layers[3]]))
    return np.clip(level * colours * (1 + shape), 50, 2900)


def pairs(path: Path) -> Store:
    """Scenes of 64 px and their targets of 256 px."""
    with StoreWriter(path, {"name": "test"}) as writer:
        for split, first in (("train", 0), ("val", 20)):
            for number in range(12 if split == "train" else 2):
                fine = np.moveaxis(terrain(first + number), 0, -1)
                name = f"{split[0]}{number}"
                writer.put(split, name, "hr", 0, np.rint(fine).astype(np.uint16))
                writer.put(split, name, "lr", 0, np.rint(imresize(fine, 0.25)).astype(np.uint16))
                writer.describe(split, name, {"days": [0]})
    return Store(path)


def recipe() -> Paper[Any]:
    """Single images of reflectance with a target in the same units."""
    changes = {"profile": "sisr7", "data": "data/catalog", "network": {"start": "scratch"}, "train": {"content": "l1"}}
    config = resolved(config_of("srgan"), "srgan", merged("srgan", ROOT, changes))
    found: type[Paper[Any]] = import_module("pipelines.srgan").PAPER
    return found(config)
