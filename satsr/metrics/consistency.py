"""Whether a result keeps the radiometry of its input: made small again it should be the input.

Convention: opensr-test's *consistency* (Aybar et al. 2024: A comprehensive benchmark for optical remote sensing image
super-resolution), which degrades the super-resolved image to the input's grid and compares reflectance and spectral
angle. Here the degradation is the model's own (:meth:`satsr.paper.Paper.shrink`), differences stay in native units, and
each band has its own, because a bias of one band is a wrong colour. A bias has a sign (above 0 the result is brighter
than its input), so biases of several scenes can cancel in a mean; the RMSE cannot.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.metrics.inputs import float_pair
from satsr.metrics.pixels import sam


def consistency(
    small: np.ndarray, given: np.ndarray, bands: Sequence[str] = (), clear: npt.NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """A result that was made small again, against its input.

    Args:
        small: (h, w, C) float, native values.
        given: the same shape, the input.
        bands: names of the C bands; without names they are counted from 1.
        clear: (h, w), the pixels that count; None: all.

    Returns:
        ``consistency_bias_<band>`` (mean difference, result minus input) and ``consistency_rmse_<band>`` of each band,
        ``consistency_rmse`` over all, in native units; with three or more bands ``consistency_sam_deg``, the mean
        spectral angle in degrees, without pixels that are 0 in all bands of one image. Empty where no pixel counts.

    Raises:
        SatsrError: not two finite float images (h, w, C) of one shape, or other numbers of names or of mask pixels.
    """
    first, second = float_pair(small, given)
    named = not bands or len(bands) == first.shape[-1]
    if first.ndim != 3 or not named or (clear is not None and clear.shape != first.shape[:2]):
        raise SatsrError(
            f"consistency compares images (h, w, C), found {first.shape} with {len(bands)} names of bands"
            f"{'' if clear is None else f' and a mask {clear.shape}'}: give the bands last, and one name for each."
        )
    ours, theirs = (image.reshape(-1, image.shape[2]) if clear is None else image[clear] for image in (first, second))
    if not len(ours):
        return {}
    names, difference = [*bands] or [*map(str, range(1, first.shape[2] + 1))], ours - theirs
    scores: dict[str, float] = {}
    for name, values in zip(names, difference.T, strict=True):
        scores[f"consistency_bias_{name}"] = float(values.mean())
        scores[f"consistency_rmse_{name}"] = float(np.sqrt(np.square(values).mean()))
    return scores | {"consistency_rmse": float(np.sqrt(np.square(difference).mean())), **_angle(ours, theirs)}


def _angle(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> dict[str, float]:
    """Of (n, C) spectra, where there are three bands and at least one pixel has an angle."""
    if ours.shape[1] < 3 or not (ours.any(axis=1) & theirs.any(axis=1)).any():
        return {}
    return {"consistency_sam_deg": sam(ours[:, None], theirs[:, None])}
