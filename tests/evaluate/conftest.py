"""A paper of every kind with a scene that is made for it, to be measured on with an untrained network."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.degrade import downscale_frame, to_native
from satsr.paper import Paper
from satsr.resize import imresize
from satsr.seeds import generator
from satsr.store.store import Store, StoreWriter
from steps.configuration import config_of

ROOT = Path(__file__).resolve().parents[2]
SIDE = 32
SMALL = {"n_blocks": 1, "n_channels": 8, "discriminator_blocks": 2, "discriminator_channels": 4, "discriminator_fc": 8}
PAPERS: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("srgan", {"profile": "sisr7", "network": {**SMALL, "start": "scratch"}, "train": {"content": "l1"}}),
    "series": (
        "breizhsr",
        {
            "network": {
                "variant": "highresnet_ltae",
                "channels": 8,
                "d_model": 16,
                "heads": 2,
                "bicubic_residual": False,
            }
        },
    ),
    "video": ("msdtgp", {"network": {"base_filter": 16, "n_resblock": 1, "n_extract": 1}}),
    "imageset": ("qanet", {"network": {"n_modules": 1, "n_resblocks": 1, "n_feats": 8}}),
}
Case = Callable[[str], tuple[Paper[Any], Store]]


@pytest.fixture
def cases(tmp_path: Path) -> Case:
    """``cases("video")`` is a paper of that kind and a store with one test scene."""

    def make(kind: str) -> tuple[Paper[Any], Store]:
        import torch

        torch.manual_seed(0)
        name, changes = PAPERS[kind]
        config = resolved(config_of(name), name, merged(name, ROOT, {"data": "data/catalog", **changes}))
        recipe: type[Paper[Any]] = import_module(f"pipelines.{name}").PAPER
        paper = recipe(config)
        _store(tmp_path / "store", kind, paper.config.convert.scale)
        return paper, Store(tmp_path / "store")

    return make


def _store(path: Path, kind: str, scale: int) -> None:
    count = {"image": 1, "series": 8, "video": 5, "imageset": 9}[kind]
    top, dtype = (255, np.uint8) if kind == "video" else (5000, np.uint16)
    tail = () if kind == "imageset" else (3,)
    random = generator(0, "evaluate", count)
    fine = [random.uniform(0.3 * top, 0.7 * top, (SIDE * scale // 4, SIDE * scale // 4, *tail)) for _ in range(count)]
    fine = [to_native(imresize(image, 4).clip(0, top), dtype) for image in fine]
    with StoreWriter(path, {"name": "test"}) as writer:
        for index, image in enumerate(fine):
            writer.put("test", "a", "lr", index, downscale_frame(image, scale, "replicate"))
            if kind == "video" or index == 0:
                writer.put("test", "a", "hr", index, image)
            if kind == "imageset":
                quality = np.full((SIDE, SIDE), 255, np.uint8)
                quality[:8] = 0
                writer.put("test", "a", "qm", index, quality)
        if kind == "imageset":
            writer.put("test", "a", "sm", 0, np.full((SIDE * scale, SIDE * scale), 255, np.uint8))
        writer.describe("test", "a", {"days": [5 * (index - count // 2) for index in range(count)]})
