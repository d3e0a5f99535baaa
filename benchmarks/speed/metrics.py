"""The metrics at the sizes at which they are compared, in passes over 1024x1024x3 float64."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

from benchmarks.speed.ratio import Row, measure, photograph
from satsr.metrics import cpsnr, cssim, niqe, psnr, ssim
from satsr.metrics.naturalness import PARAMS_VARIABLE


def rows() -> Iterator[Row]:
    """PSNR, SSIM, NIQE, and the metrics of the Proba-V challenge."""
    cv2.setNumThreads(1)
    a = photograph(1024, 1024)
    b = cv2.GaussianBlur(a, (0, 0), 1)
    yield measure("PSNR, RGB, 1024x1024x3 uint8", lambda: psnr(a, b), "pass", peer=2.79)
    yield measure("SSIM, RGB, 1024x1024x3 uint8", lambda: ssim(a, b), "pass", peer=63, target=12)
    image = photograph(512, 512)
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {PARAMS_VARIABLE: _pristine(Path(folder))}):
        yield measure("NIQE, RGB, 512x512x3 uint8", lambda: niqe(image), "pass", peer=21.6)
    yield from probav("a scene", *scene())
    yield from probav("noise", *noise())


def probav(kind: str, sr: np.ndarray, hr: np.ndarray, mask: np.ndarray) -> Iterator[Row]:
    """The metrics of one prediction that search the shift."""
    work = f"384x384, 49 shifts, mask, {kind}"
    yield measure(f"cPSNR, {work}", lambda: cpsnr(sr, hr, mask), "pass", peer=3.63, target=0.8)
    yield measure(f"cSSIM, {work}", lambda: cssim(sr, hr, mask), "pass", peer=55, target=10)


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photograph in the range of 14 bits, a blurred and moved prediction with noise, and drifting clouds."""
    generator = np.random.default_rng(1)
    hr = photograph(384, 384)[..., 0] / 255 * 0.25
    sr = np.roll(cv2.GaussianBlur(hr, (0, 0), 1), (2, -1), (0, 1)) + generator.normal(0.01, 0.002, hr.shape)
    cover = cv2.GaussianBlur(generator.random(hr.shape), (0, 0), 20)
    return sr, hr, cover < np.quantile(cover, 0.85)


def noise() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What no shift fits: the hardest case, since no shift can be left out early."""
    generator = np.random.default_rng(2)
    sr, hr = generator.random((2, 384, 384))
    return sr, hr, generator.random(hr.shape) < 0.85


def _pristine(folder: Path) -> str:
    """A file with a model of the right shapes: the time does not depend on its numbers."""
    path = folder / "model.npz"
    window = np.outer(*2 * [cv2.getGaussianKernel(7, 7 / 6)[:, 0]])
    np.savez(path, mu_pris_param=np.ones((1, 36)), cov_pris_param=np.eye(36), gaussian_window=window)
    return str(path)
