"""The inputs of the golden outputs, made again from their seeds: ``make.py`` and a test compare them to the bit."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

Arrays = dict[str, np.ndarray]
DAYS = [[-61, -36, -21, -6, 4, 19, 44, 89], [-80, -45, -30, -3, 2, 12, 30, 30]]


def uniform(seed: int, *shape: int) -> np.ndarray:
    """Values in [0, 1), drawn in double precision."""
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def signed(seed: int, *shape: int) -> np.ndarray:
    """Values in [-1, 1)."""
    return (np.random.default_rng(seed).random(shape) * 2 - 1).astype(np.float32)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _rrdb() -> Arrays:
    return {"x": signed(0, 2, 3, 16, 16), "target": signed(100, 2, 3, 64, 64)}


def _series() -> Arrays:
    return {"x": signed(0, 2, 8, 3, 16, 16), "target": signed(100, 2, 3, 64, 64)}


def _highresnet() -> Arrays:
    alphas = np.ones((2, 8), np.float32)
    alphas[1, 7] = 0
    return {**_series(), "alphas": alphas, "x_odd5": signed(3, 2, 5, 3, 16, 16)}


def _ltae() -> Arrays:
    return {**_series(), "dates": np.array(DAYS, np.float32)}


def _srdiff() -> Arrays:
    large = (1, 3, 64, 64)
    return {
        "lr": signed(0, 1, 3, 16, 16),
        "hr": signed(1, *large),
        "lr_up": signed(2, *large) * np.float32(0.5),
        "noise": normal(4, *large),
        "z": normal(5, *large),
    }


def _qanet(side: int) -> Arrays:
    rng = np.random.default_rng(0)
    shape = (1, 9, side, side)
    x, quality = (rng.random(shape, dtype=np.float32) for _ in range(2))
    return {"x": x, "q": (quality > np.float32(0.2)).astype(np.float32)}


def _between_zero_and_one(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / np.ptp(values)


def _probav() -> Arrays:
    """A scene of two scales of texture, and three enlargements of it: blurred, noisy, one of them moved and darker."""
    rng, shape = np.random.default_rng(0), (384, 384)
    fine, coarse = (_between_zero_and_one(gaussian_filter(rng.random(shape), s, mode="wrap")) for s in (2, 8))
    hr = np.rint(1500 + 7500 * fine + 1800 * coarse).astype(np.uint16)
    rng.random(shape)
    noises = [0.0005 * rng.normal(size=shape) for _ in range(7)]
    soft = gaussian_filter(hr / 65535, 1, mode="nearest")
    return {
        "hr_u16": hr,
        "sr__identical": hr / 65535,
        "sr__clear_noshift": soft + noises[0],
        "sr__masked_shiftm3p3": np.roll(soft, (-3, 3), (0, 1)) - 0.004 + noises[2],
        "sr__sm_all_zero": soft + noises[6],
    }


def _deformed(seed: int, shapes: dict[str, tuple[int, ...]], scales: dict[str, float], prefix: str = "") -> Arrays:
    """Operands drawn one after another from one generator; masks lie in [0, 1)."""
    rng = np.random.default_rng(seed)
    draw = {name: (rng.random(shape) if "mask" in name else rng.normal(size=shape)) for name, shape in shapes.items()}
    return {name: (value * scales.get(name.removeprefix(prefix), 1)).astype(np.float32) for name, value in draw.items()}


def _modules() -> Arrays:
    shapes = {
        "warp_x": (2, 5, 11, 13),
        "warp_flow": (2, 11, 13, 2),
        "dcn_x": (2, 8, 9, 10),
        "dcn_offset": (2, 72, 9, 10),
        "dcn_mask": (2, 36, 9, 10),
        "dcn_weight": (6, 8, 3, 3),
        "dcn_bias": (6,),
    }
    return _deformed(10, shapes, {"warp_flow": 4, "offset": 3}, "dcn_")


def _dcnv2() -> Arrays:
    shapes = {"x": (2, 16, 9, 11), "offset": (2, 144, 9, 11), "mask": (2, 72, 9, 11), "weight": (6, 16, 3, 3)}
    return _deformed(7, {**shapes, "bias": (6,)}, {"offset": 2, "weight": 0.1})


def _metrics() -> Arrays:
    images = [np.random.default_rng(seed).integers(0, 256, (64, 80, 3)).astype(np.uint8) for seed in (0, 1)]
    return dict(zip(("img/random/a", "img/random/b"), images, strict=True))


def _reflectances() -> Arrays:
    sr, change = (2 * uniform(seed, 2, 3, 32, 40) - 1 for seed in (0, 1))
    return {"sr": sr, "hr": np.clip(sr + np.float32(0.2) * change, -1, 1)}


RULES: dict[str, Callable[[], Arrays]] = {
    "breizhsr/rrdb8.npz": _rrdb,
    "breizhsr/highresnet.npz": _highresnet,
    "breizhsr/highresnet_ltae_median.npz": _ltae,
    "breizhsr/srdiff_rrdb.npz": _srdiff,
    "msdtgp/dcnv2_only.npz": _dcnv2,
    "qanet/full_eval_b1_9x32.npz": lambda: _qanet(32),
    "qanet/tiny_eval_b1_9x16_mid.npz": lambda: _qanet(16),
    "qanet/metric_inputs.npz": _probav,
    "rasvsr/imresize.npz": lambda: {"random/in": uniform(20, 48, 64, 3), "odd/in": uniform(21, 45, 50, 3)},
    "rasvsr/metrics.npz": _metrics,
    "rasvsr/modules.npz": _modules,
    "srgan/seed_generator.npz": lambda: {
        "x_a": uniform(0, 1, 3, 24, 24),
        "x_b": uniform(0, 2, 3, 20, 28),
        "x_s": uniform(0, 1, 3, 12, 12),
    },
    "srgan/seed_metrics_norms.npz": _reflectances,
    "srgan/tile_blending.npz": lambda: {
        "stitch_tiles": (np.random.default_rng(0).random((4, 2, 64, 64)) * 5000).astype(np.float32)
    },
}
