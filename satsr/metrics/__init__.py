"""Image metrics, each with its convention in its name or signature.

The conventions of the papers differ by several decibels (RGB or luma, cropped or not, rounded or not), so there is one
function per convention and none that guesses: ``psnr``, ``ssim``, ``niqe``, ``shift_mae`` take uint8 images as they are
shown; the ``*_float`` and library twins take floats and an explicit peak; ``cpsnr``, ``cssim``, ``probav_score`` search
the shift, as Proba-V demands; ``sam`` compares spectra. All work per image in float64; averaging over frames, clips
or scenes is the evaluation's business.
"""

from satsr.metrics.naturalness import niqe, niqe_available
from satsr.metrics.pixels import mae, mse, psnr, psnr_float, sam, shift_mae
from satsr.metrics.registered import cpsnr, cssim, probav_score
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
from satsr.metrics.undefined import or_nan

__all__ = [
    "GAUSSIAN",
    "UNIFORM_7",
    "UNIFORM_11",
    "SsimWindow",
    "cpsnr",
    "cssim",
    "mae",
    "mse",
    "niqe",
    "niqe_available",
    "or_nan",
    "probav_score",
    "psnr",
    "psnr_float",
    "sam",
    "shift_mae",
    "similarity_map",
    "ssim",
    "ssim_kornia",
    "ssim_skimage",
]
