"""Weights of LPIPS, drawn: the package lpips 0.1.4 was run with the same ones."""

from pathlib import Path

import numpy as np
import torch

from satsr.metrics.perceptual import HEADS, LAYERS, TRUNK


def drawn() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Weight, bias and head of each layer, float32."""
    rng, made = np.random.default_rng(7), []
    for _, out, of, side in LAYERS:
        weight = rng.standard_normal((out, of, side, side)) * np.sqrt(2 / (of * side * side))
        bias = 0.1 * rng.standard_normal(out)
        made.append((weight, bias, rng.random((1, out, 1, 1)) / 10))
    return [(one.astype(np.float32), two.astype(np.float32), head.astype(np.float32)) for one, two, head in made]


def weights_folder(folder: Path) -> Path:
    """A new folder with the two files, as torchvision and the package write them."""
    folder.mkdir()
    trunk, heads = {}, {}
    for number, (layer, (weight, bias, head)) in enumerate(zip(LAYERS, drawn(), strict=True)):
        trunk[f"features.{layer[0]}.weight"] = torch.from_numpy(weight)
        trunk[f"features.{layer[0]}.bias"] = torch.from_numpy(bias)
        heads[f"lin{number}.model.1.weight"] = torch.from_numpy(head)
    torch.save(trunk, folder / TRUNK)
    torch.save(heads, folder / HEADS)
    return folder
