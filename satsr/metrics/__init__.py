"""Image metrics, each with its convention in its name or signature.

The conventions of the papers differ by several decibels (RGB or luma, cropped or not, rounded or not), so there is one
function per convention and none that guesses: ``psnr``, ``ssim``, ``niqe``, ``lpips``, ``shift_mae`` take uint8 images
as they are shown; the ``*_float`` and library twins take floats and an explicit peak; ``cpsnr``, ``cssim``,
``probav_score`` search the shift, as Proba-V demands; ``sam``, ``ergas``, ``uiqi`` and ``q2n`` compare spectra, the
``opensr_*`` ask whether detail is right or invented, ``resolved_period`` how fine it is, ``warping_error`` how steady;
``consistency`` compares a result that was made small again with its input. All work per image (or clip) in float64, but
LPIPS, whose network has float32; averaging over frames, clips or scenes is the evaluation's business.
"""

from satsr.metrics.consistency import consistency
from satsr.metrics.frequency import clear_part, resolved_period, ring_correlation
from satsr.metrics.naturalness import niqe, niqe_available
from satsr.metrics.opensr import (
    Correctness,
    harmonised,
    opensr_correctness,
    opensr_reflectance,
    opensr_spatial,
    opensr_spectral,
    opensr_synthesis,
)
from satsr.metrics.perceptual import LpipsWeights, lpips, lpips_weights
from satsr.metrics.pixels import mae, mse, psnr, psnr_float, sam, shift_mae
from satsr.metrics.registered import cpsnr, cssim, probav_score, registered
from satsr.metrics.similarity import (
    GAUSSIAN,
    UNIFORM_7,
    UNIFORM_11,
    SsimWindow,
    similarity_map,
    ssim,
    ssim_kornia,
    ssim_skimage,
)
from satsr.metrics.spectral import ergas, q2n, uiqi
from satsr.metrics.temporal import Motion, motions, warping_error
from satsr.metrics.undefined import or_nan

__all__ = [
    "GAUSSIAN",
    "UNIFORM_7",
    "UNIFORM_11",
    "Correctness",
    "LpipsWeights",
    "Motion",
    "SsimWindow",
    "clear_part",
    "consistency",
    "cpsnr",
    "cssim",
    "ergas",
    "harmonised",
    "lpips",
    "lpips_weights",
    "mae",
    "motions",
    "mse",
    "niqe",
    "niqe_available",
    "opensr_correctness",
    "opensr_reflectance",
    "opensr_spatial",
    "opensr_spectral",
    "opensr_synthesis",
    "or_nan",
    "probav_score",
    "psnr",
    "psnr_float",
    "q2n",
    "registered",
    "resolved_period",
    "ring_correlation",
    "sam",
    "shift_mae",
    "similarity_map",
    "ssim",
    "ssim_kornia",
    "ssim_skimage",
    "uiqi",
    "warping_error",
]
