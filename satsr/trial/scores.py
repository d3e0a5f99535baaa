"""What is measured of a pair: the metrics of the recipes of the model's kind, and the further ones.

8-bit RGB: those of the video recipes (:mod:`satsr.kinds.video.paper`). Series: those of
:mod:`satsr.kinds.series.paper`, in its 8-bit display space and in reflectance. Image sets: those of
:mod:`satsr.kinds.imageset.paper`. All others: those of the pair recipes, with 1 and with the network's range as maximum
(:mod:`satsr.kinds.image.paper`). References are taken as they are: neither matched to the input's radiometry nor
clipped to the network's range, which the recipes' own evaluation may do; 8-bit targets of series alone are matched.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from satsr.evaluate.further import Further
from satsr.exported.facts import Facts
from satsr.kinds.sampling import planes
from satsr.kinds.series.paper import REFLECTANCE as UNIT
from satsr.kinds.series.paper import to_u8
from satsr.metrics import (
    consistency,
    cpsnr,
    cssim,
    mae,
    mse,
    or_nan,
    probav_score,
    psnr,
    psnr_float,
    registered,
    sam,
    shift_mae,
    ssim,
    ssim_kornia,
    ssim_skimage,
)
from satsr.radiometry import SIGNED
from satsr.scores import Scores
from satsr.trial.images import Float32, Images, Mask, in_bytes

FURTHER = {
    "image": ("spectral", "opensr", "frc"),
    "series": ("spectral", "opensr", "frc"),
    "imageset": ("spectral", "frc"),
    "video": ("frc", "flicker"),
    "window": ("frc", "flicker"),
}
"""Groups of :data:`satsr.evaluate.further.GROUPS` by the model's kind, as the recipes have them."""


def displayed(facts: Facts) -> bool:
    """Whether a model's images are compared as the recipe of series shows them: in 8 bits, stretched."""
    return facts.kind == "series" and facts.reflectance and facts.channels in (1, 3)


def scores(facts: Facts, images: Images, output: Float32, bands: Sequence[str]) -> list[Scores]:
    """One dictionary of metrics per frame, those that decide first; consistency with the input last.

    Args:
        facts: of the model.
        images: the pair.
        output: the model's, or the baseline (T, H, W, C), in the model's numbers.
        bands: their names.
    """
    small = [facts.constraint.small(frame, images.scale) for frame in output]
    masks = [None] * len(small) if images.clear_lr is None else images.clear_lr
    return [
        row | consistency(again, given, bands, mask)
        for row, again, given, mask in zip(_rows(facts, images, output), small, images.lr, masks, strict=True)
    ]


def decides(facts: Facts) -> tuple[str, str]:
    """Names of the PSNR and the SSIM that stand first."""
    if facts.kind == "imageset":
        return "cpsnr", "cssim"
    if displayed(facts):
        return "psnr_u8", "ssim_skimage_u8"
    return ("psnr_rgb_u8", "ssim_rgb_u8") if in_bytes(facts) else ("psnr_maxrange", "ssim_kornia5_maxrange")


def further(facts: Facts, images: Images, reasons: dict[str, str]) -> Further:
    """The further metrics of a pair: what measures them, bound to it.

    Args:
        facts: of the model.
        images: the pair.
        reasons: filled with why a metric is absent.
    """
    bound = cast(Any, _Bound(facts, images))
    return Further(bound, bound, FURTHER[facts.kind], None, reasons)


class _Bound:
    """A pair as the further metrics ask a recipe for it."""

    def __init__(self, facts: Facts, images: Images) -> None:
        self._images, self._kind, self.radiometry = images, facts.kind, facts.normalisation
        self.config = SimpleNamespace(convert=SimpleNamespace(scale=images.scale))

    def written(self, scene: object, output: Float32) -> Float32:
        return output

    def reference(self, scene: object) -> Float32:
        return self._images.hr

    def given(self, scene: object) -> Float32:
        return self._images.lr

    def clear_in_reference(self, scene: object, reference: Float32) -> Mask:
        clear = self._images.clear
        return np.ones(reference.shape[:3], np.bool_) if clear is None else clear

    def side_by_side(self, scene: object, written: Float32, reference: Float32) -> list[tuple[np.ndarray, ...]]:
        masks = self.clear_in_reference(scene, reference)
        if self._kind != "imageset":
            return list(zip(written, reference, masks, strict=True))
        unit = self.radiometry.high[0]
        sr, hr, both = registered(written[0, ..., 0] / unit, reference[0, ..., 0] / unit, masks[0])
        return [(sr[..., None] * unit, hr[..., None] * unit, both)]


def _rows(facts: Facts, images: Images, output: Float32) -> list[Scores]:
    """The metrics of the recipe, of each frame."""
    if facts.kind == "imageset":
        return [_registered(facts, images, output)]
    measure = _bytes if in_bytes(facts) else _displayed if displayed(facts) else _reflectances
    return [measure(facts, frame, target) for frame, target in zip(output, images.hr, strict=True)]


def _bytes(facts: Facts, output: Float32, target: Float32) -> Scores:
    ours, theirs = (np.clip(np.rint(image), 0, 255).astype(np.uint8).squeeze() for image in (output, target))
    found = {"psnr_rgb_u8": psnr(ours, theirs), "ssim_rgb_u8": ssim(ours, theirs)}
    if ours.ndim == 2:
        return found
    return found | {"psnr_y_u8": psnr(ours, theirs, channel="y"), "ssim_y_u8": ssim(ours, theirs, channel="y")}


def _displayed(facts: Facts, output: Float32, target: Float32) -> Scores:
    stretch, found, wanted = facts.normalisation, output / np.float32(UNIT), target / np.float32(UNIT)
    shown = (stretch.forward(image) for image in (output, target))
    signed = (image if stretch.range == SIGNED else 2 * image - 1 for image in shown)
    ours, theirs = (to_u8(planes(image)).squeeze() for image in signed)
    return {
        "psnr_u8": psnr(ours, theirs),
        "ssim_skimage_u8": ssim_skimage(ours, theirs),
        "psnr_reflectance": psnr_float(found, wanted, peak=1.0),
        "mae_reflectance": mae(found, wanted),
        **({"sam_reflectance": or_nan(sam, found, wanted)} if ours.ndim == 3 else {}),
        "mae_u8": mae(ours, theirs),
        "mse_u8": mse(ours, theirs),
        "shift_mae_u8": shift_mae(ours, theirs),
    }


def _registered(facts: Facts, images: Images, output: Float32) -> Scores:
    """The challenge's; its norm is the baseline's cPSNR, as for all sets without a norm.csv."""
    sr, hr, baseline = (facts.normalisation.forward(i[0, ..., 0]) for i in (output, images.hr, images.bicubic))
    assert images.clear is not None
    clear = images.clear[0]
    found = {"cpsnr": or_nan(cpsnr, sr, hr, clear), "cssim": or_nan(cssim, sr, hr, clear)}
    found["probav_score"] = or_nan(probav_score, sr, hr, clear, or_nan(cpsnr, baseline, hr, clear))
    return found | ({f"cpsnr_{images.band.lower()}": found["cpsnr"]} if images.band else {})


def _reflectances(facts: Facts, output: Float32, target: Float32) -> Scores:
    top = np.float32(facts.normalisation.native[1])
    ours, theirs, reach = output / top, target / top, facts.normalisation.high[0] / float(top)
    return {
        "psnr_maxrange": psnr_float(ours, theirs, peak=reach),
        "ssim_kornia5_maxrange": ssim_kornia(ours, theirs, peak=reach),
        "psnr_max1": psnr_float(ours, theirs, peak=1.0),
        "ssim_kornia5_max1": ssim_kornia(ours, theirs, peak=1.0),
        "l1_max1": mae(ours, theirs),
        "l2_max1": mse(ours, theirs),
    }
