"""What values a store's training images have: what a model says of the data it was trained on."""

from typing import Any

import numpy as np

from satsr.store.store import Store

PERCENTILES = (2, 50, 98)
FRAMES = 200
PIXELS = 4096


def statistics(store: Store, role: str = "lr") -> dict[str, Any]:
    """Percentiles of each band over the training scenes, in native values.

    At most :data:`FRAMES` frames at equal distances are looked at, and of each a regular grid of about
    :data:`PIXELS` pixels; where there are quality maps, only clear pixels count.

    Args:
        store: the frame store.
        role: of the images.

    Returns:
        ``role``; ``p2``, ``p50`` and ``p98``, a number for each band; empty where there is no pixel to look at.
    """
    frames = [(scene, index) for scene in store.scenes("train") for index in range(scene.count(role))]
    chosen = sorted({int(place) for place in np.linspace(0, len(frames) - 1, min(FRAMES, len(frames)))})
    seen = []
    for scene, index in (frames[place] for place in chosen):
        image = scene.read(role, index)
        step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / PIXELS)))
        pixels = image[::step, ::step].reshape(-1, *image.shape[2:])
        if role == "lr" and "qm" in scene.roles:
            pixels = pixels[scene.read("qm", index)[::step, ::step].ravel() != 0]
        seen.append(pixels.reshape(len(pixels), -1))
    values = np.concatenate(seen) if seen else np.empty((0, 1))
    if not len(values):
        return {}
    found = np.percentile(values, PERCENTILES, axis=0)
    return {"role": role} | {
        f"p{share}": [round(float(value), 3) for value in row] for share, row in zip(PERCENTILES, found, strict=True)
    }
