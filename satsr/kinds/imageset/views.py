"""Which views of an image set a network gets when it takes a fixed number of them (specification of QA-Net, section 2).

All functions return indices of views; nothing is removed from the data.
"""

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.seeds import generator

Indices = npt.NDArray[np.int64]
SELECTION_SEED = 216
"""Of the choice of views when measuring: QA-Net's seed, and not the training's, so that all trainings see the same."""
TRIALS = 500
WORST_PIXELS = 10


def mean_of_clearest(lr: np.ndarray, qm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What results are compared with at low resolution: the mean of the clearest views, and where they all are clear.

    Args:
        lr: (T, h, w), the views.
        qm: (T, h, w), non-zero where clear.

    Returns:
        (h, w) float64, and (h, w) bool.
    """
    clear_pixels = np.count_nonzero(qm, axis=(1, 2))
    best = clear_pixels == clear_pixels.max()
    return np.asarray(lr[best].mean(axis=0)), np.asarray((qm[best] != 0).all(axis=0))


def select_by_coverage(
    masks: np.ndarray, sm: np.ndarray, *, views: int = 9, seed: int = 0, index: int = 0, trials: int = TRIALS
) -> Indices:
    """The subset that leaves no pixel without clear views: QA-Net's choice for validation and test.

    Of ``trials`` random subsets, the first with the largest :func:`coverage`. It looks at the worst pixels, so it is
    not the ``views`` clearest.

    Args:
        masks: (T, H, W), non-zero where a view is clear.
        sm: (scale H, scale W), non-zero where the reference is clear.
        views: how many to choose; with fewer views than that, the clearest are repeated.
        seed: of the draws.
        index: of the image set, so that each has its own draws.
        trials: number of subsets that are tried.

    Returns:
        (views,), ascending.

    Raises:
        SatsrError: masks that are not (T, H, W), or a reference that is no whole multiple of them.
    """
    _require_masks(masks)
    if len(masks) <= views:
        return np.sort(clearest(masks, views))
    rng = generator(seed, "coverage", index)
    subsets = np.sort(rng.permuted(np.tile(np.arange(len(masks)), (trials, 1)), axis=1)[:, :views], axis=1)
    best: Indices = subsets[int(np.argmax(coverage(masks, sm, subsets)))]
    return best


def coverage(masks: np.ndarray, sm: np.ndarray, subsets: np.ndarray) -> Indices:
    """The sum of the ten smallest numbers of clear views of a pixel, for each subset of views.

    Pixels that are unclear in the whole of the reference's block are left out.

    Args:
        masks: (T, H, W), non-zero where a view is clear.
        sm: (scale H, scale W), non-zero where the reference is clear.
        subsets: (N, K), indices of views.

    Returns:
        (N,).

    Raises:
        SatsrError: as for :func:`select_by_coverage`.
    """
    _require_masks(masks)
    height, width = masks.shape[1:]
    scale = sm.shape[0] // height
    if sm.shape != (scale * height, scale * width):
        raise SatsrError(f"a reference of {sm.shape} is no whole multiple of views of {masks.shape[1:]}.")
    seen = (sm != 0).reshape(height, scale, width, scale).any(axis=(1, 3))
    chosen = np.zeros((len(subsets), len(masks)), dtype=np.float32)
    np.put_along_axis(chosen, np.asarray(subsets), 1, axis=1)
    counts = chosen @ (masks != 0)[:, seen].astype(np.float32)
    worst = min(WORST_PIXELS, counts.shape[1])
    smallest = np.partition(counts, worst - 1, axis=1)[:, :worst] if worst else counts
    return np.asarray(smallest.sum(axis=1), dtype=np.int64)


def clearest(masks: np.ndarray, views: int) -> Indices:
    """The views with the most clear pixels, the clearest first; equal ones in their order.

    Args:
        masks: (T, H, W), non-zero where a view is clear.
        views: how many; with fewer views than that, they are repeated from the clearest on.

    Returns:
        (views,).

    Raises:
        SatsrError: masks that are not (T, H, W).
    """
    _require_masks(masks)
    order = np.argsort(-np.count_nonzero(masks, axis=(1, 2)), kind="stable")
    return np.resize(order, views)


def random_views(rng: np.random.Generator, total: int, views: int) -> Indices:
    """Distinct views in random order, as QA-Net draws them for training.

    Args:
        rng: where they are drawn from.
        total: number of views there are.
        views: how many; with fewer views than that, further rounds are drawn.

    Returns:
        (views,).
    """
    if total < 1:
        raise SatsrError("an image set without views cannot be drawn from.")
    rounds = [rng.permutation(total) for _ in range(-(-views // total))]
    return np.concatenate(rounds)[:views].astype(np.int64)


def _require_masks(masks: np.ndarray) -> None:
    if masks.ndim != 3 or not masks.size:
        raise SatsrError(f"quality maps are (T, H, W) with T at least 1, found {masks.shape}.")
