"""What is measured of a pair: the metrics of the recipes of the model's kind, and the further ones.

8-bit RGB: those of the video recipes (:mod:`satsr.kinds.video.paper`). All others: those of the pair recipes, with 1
and with the network's range as maximum (:mod:`satsr.kinds.image.paper`). References are taken as they are: neither
matched to the input's radiometry nor clipped to the network's range, which the recipes' own evaluation may do.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from satsr.evaluate.further import GROUPS, Further
from satsr.exported.facts import Facts
from satsr.metrics import consistency, mae, mse, psnr, psnr_float, ssim, ssim_kornia
from satsr.scores import Scores
from satsr.trial.images import Float32, Images

FURTHER = {"image": ("spectral", "opensr", "frc"), "video": ("frc", "flicker"), "window": ("frc", "flicker")}
"""Groups of :data:`satsr.evaluate.further.GROUPS` by the model's kind, as the recipes have them."""


def in_bytes(facts: Facts) -> bool:
    """Whether a model's native values are those of 8-bit pictures."""
    return facts.normalisation.native[1] == 255


def scores(facts: Facts, images: Images, output: Float32, bands: Sequence[str]) -> list[Scores]:
    """One dictionary of metrics per frame, those that decide first; consistency with the input last.

    Args:
        facts: of the model.
        images: the pair.
        output: the model's, or the baseline (T, H, W, C), in the model's numbers.
        bands: their names.
    """
    measure = _bytes if in_bytes(facts) else _reflectances
    small = [facts.constraint.small(frame, images.scale) for frame in output]
    return [
        measure(facts, frame, target) | consistency(again, given, bands)
        for frame, target, again, given in zip(output, images.hr, small, images.lr, strict=True)
    ]


def decides(facts: Facts) -> tuple[str, str]:
    """Names of the PSNR and the SSIM that stand first."""
    return ("psnr_rgb_u8", "ssim_rgb_u8") if in_bytes(facts) else ("psnr_maxrange", "ssim_kornia5_maxrange")


def further(facts: Facts, images: Images, reasons: dict[str, str]) -> Further:
    """The further metrics of a pair: what measures them, bound to it.

    Args:
        facts: of the model.
        images: the pair.
        reasons: filled with why a metric is absent.
    """
    kind = facts.kind if facts.kind in FURTHER else "image"
    bound = cast(Any, _Bound(facts, images))
    return Further(bound, bound, [group for group in FURTHER[kind] if group in GROUPS], None, reasons)


class _Bound:
    """A pair as the further metrics ask a recipe for it."""

    def __init__(self, facts: Facts, images: Images) -> None:
        self._images, self.radiometry = images, facts.normalisation
        self.config = SimpleNamespace(convert=SimpleNamespace(scale=images.scale))

    def written(self, scene: object, output: Float32) -> Float32:
        return output

    def reference(self, scene: object) -> Float32:
        return self._images.hr

    def given(self, scene: object) -> Float32:
        return self._images.lr

    def clear_in_reference(self, scene: object, reference: Float32) -> np.ndarray:
        return np.ones(reference.shape[:3], bool)

    def side_by_side(self, scene: object, written: Float32, reference: Float32) -> list[tuple[np.ndarray, ...]]:
        return list(zip(written, reference, self.clear_in_reference(scene, reference), strict=True))


def _bytes(facts: Facts, output: Float32, target: Float32) -> Scores:
    ours, theirs = (np.clip(np.rint(image), 0, 255).astype(np.uint8).squeeze() for image in (output, target))
    found = {"psnr_rgb_u8": psnr(ours, theirs), "ssim_rgb_u8": ssim(ours, theirs)}
    if ours.ndim == 2:
        return found
    return found | {"psnr_y_u8": psnr(ours, theirs, channel="y"), "ssim_y_u8": ssim(ours, theirs, channel="y")}


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
