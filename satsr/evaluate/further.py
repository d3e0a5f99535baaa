"""The further metrics of the field, by groups that ``evaluate.metrics`` names, for every method of a scene alike.

They compare what would be written with the reference in native values (contract of :class:`satsr.paper.Paper`). What
cannot be measured on a scene is absent there, with a reason; and what one method lacks no method keeps, so that means
are over the same scenes and frames.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.metrics import (
    Motion,
    clear_part,
    ergas,
    harmonised,
    lpips,
    motions,
    opensr_correctness,
    opensr_reflectance,
    opensr_spatial,
    opensr_spectral,
    opensr_synthesis,
    q2n,
    resolved_period,
    sam,
    uiqi,
    warping_error,
)
from satsr.paper import Paper
from satsr.radiometry import Normalisation
from satsr.scores import Scores
from satsr.store.store import Scene

Asked = tuple[int, str, Callable[[], Scores]]
"""A frame, the name that a reason is kept under, and what measures one or several metrics of it."""


@dataclass
class Further:
    """The further metrics of one scene.

    Attributes:
        paper: the recipe.
        scene: that is measured.
        groups: of :data:`GROUPS`.
        pixel_m: side of a pixel of the reference on the ground in metres, None where it is not known.
        reasons: name of a metric -> why it is absent, filled while measuring.
    """

    paper: Paper[Any]
    scene: Scene
    groups: Sequence[str]
    pixel_m: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def score(self, output: np.ndarray) -> list[Scores]:
        """A row per frame; what belongs to a whole clip stands in the first, and is no other frame's.

        Args:
            output: of a method, as :meth:`Paper.written` takes it.
        """
        compared = Compared(self, self.paper.written(self.scene, output))
        rows: list[Scores] = [{} for _ in compared.images]
        for group in self.groups:
            for frame, name, measured in GROUPS[group](compared):
                rows[frame] |= self._tried(name, measured)
        return rows

    def _tried(self, name: str, measured: Callable[[], Scores]) -> Scores:
        try:
            scores = measured()
        except SatsrError as error:
            self.reasons.setdefault(name, str(error))
            return {}
        for metric in (metric for metric, value in scores.items() if not np.isfinite(value)):
            self.reasons.setdefault(metric, "its value is not finite.")
        return {metric: value for metric, value in scores.items() if np.isfinite(value)}

    @cached_property
    def reference(self) -> np.ndarray:
        """(T, H, W, C) native values."""
        return self.paper.reference(self.scene)

    @cached_property
    def given(self) -> np.ndarray:
        """(T, h, w, C) native values."""
        return self.paper.given(self.scene)

    @cached_property
    def motion(self) -> list[Motion]:
        """Of the reference, in 8 bits."""
        return motions(self.reference * np.float32(255 / self.highest))

    @property
    def scale(self) -> int:
        """High-resolution side over low-resolution side."""
        return int(self.paper.config.convert.scale)

    @property
    def highest(self) -> float:
        """The largest native value."""
        return self.paper.radiometry.native[1]


@dataclass
class Compared:
    """One method's images beside those of the scene.

    Attributes:
        scene: what they are compared with.
        images: (T, H, W, C) native values as they would be written.
    """

    scene: Further
    images: np.ndarray

    @cached_property
    def pairs(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Output, reference and mask of clear pixels of each frame, registered where the paper's protocol does so."""
        return self.scene.paper.side_by_side(self.scene.scene, self.images, self.scene.reference)


def spectral(compared: Compared) -> Iterator[Asked]:
    """ERGAS, UIQI, Q2n and, of several bands, the spectral angle of each frame."""
    for frame, (sr, hr, clear) in enumerate(compared.pairs):
        yield _one(frame, "ergas", ergas, sr, hr, compared.scene.scale, clear)
        yield _one(frame, "uiqi", uiqi, sr, hr, clear)
        yield _one(frame, "q2n", q2n, sr, hr, clear)
        if sr.shape[-1] > 1:
            yield _one(frame, "sam_deg", sam, sr[clear][None], hr[clear][None])


def opensr(compared: Compared) -> Iterator[Asked]:
    """Consistency, synthesis and correctness of each frame, as shares of the native range."""
    scene = compared.scene
    scaled = ((images / scene.highest).astype(np.float64) for images in (compared.images, scene.reference, scene.given))
    masks = scene.paper.clear_in_reference(scene.scene, scene.reference)
    for frame, (sr, hr, lr, clear) in enumerate(zip(*scaled, masks, strict=True)):
        yield _one(frame, "opensr_reflectance", opensr_reflectance, sr, lr, clear)
        if sr.shape[-1] > 1:
            yield _one(frame, "opensr_spectral_deg", opensr_spectral, sr, lr, clear)
        yield _one(frame, "opensr_spatial_lr_px", opensr_spatial, sr, lr)
        yield frame, "opensr_correctness", partial(_detail, sr, hr, lr, clear)


def _detail(sr: np.ndarray, hr: np.ndarray, lr: np.ndarray, clear: np.ndarray) -> Scores:
    """What needs the harmonised output."""
    even = harmonised(sr, hr, clear)
    found = {f"opensr_{name}": share for name, share in asdict(opensr_correctness(even, hr, lr, clear)).items()}
    return {"opensr_synthesis": opensr_synthesis(even, lr, clear), **found}


def frc(compared: Compared) -> Iterator[Asked]:
    """The resolved period, of all frames together: in metres, or in input pixels where their size is not known."""
    scene = compared.scene
    name = "frc_period_lr_px" if scene.pixel_m is None else "frc_period_m"
    yield 0, name, lambda: {name: _period(compared.pairs) * (scene.pixel_m or 1 / scene.scale)}


def _period(pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """In output pixels, over the part of the images that is clear in all frames."""
    part = clear_part(np.all([clear for *_, clear in pairs], axis=0))
    sr, hr = (np.stack([pair[side][part] for pair in pairs]) for side in (0, 1))
    return resolved_period(sr, hr)


def flicker(compared: Compared) -> Iterator[Asked]:
    """The warping error of a clip, and how far it is from the reference's own, as a share of that."""
    yield 0, "warping_error", lambda: _flicker(compared)


def _flicker(compared: Compared) -> Scores:
    scene = compared.scene
    in_u8 = np.float32(255 / scene.highest)
    error = warping_error(compared.images * in_u8, scene.motion)
    own = warping_error(scene.reference * in_u8, scene.motion)
    return {"warping_error": error, "warping_error_gap": abs(error / own - 1) if own else float("nan")}


def perceptual(compared: Compared) -> Iterator[Asked]:
    """LPIPS of each frame as the network's range shows it in 8 bits, over the part that is clear."""
    for frame, (sr, hr, clear) in enumerate(compared.pairs):
        yield frame, "lpips", partial(_perceived, compared.scene.paper.radiometry, sr, hr, clear)


def _perceived(stretch: Normalisation, sr: np.ndarray, hr: np.ndarray, clear: np.ndarray) -> Scores:
    first, last = stretch.range
    part = clear_part(clear)
    shown = ((stretch.forward(image[part]) - first) / (last - first) for image in (sr, hr))
    ours, theirs = (np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8) for image in shown)
    return {"lpips": lpips(ours, theirs)}


def _one(frame: int, name: str, function: Callable[..., float], *arguments: Any) -> Asked:
    return frame, name, lambda: {name: function(*arguments)}


GROUPS: Mapping[str, Callable[[Compared], Iterator[Asked]]] = MappingProxyType(
    {"spectral": spectral, "opensr": opensr, "frc": frc, "flicker": flicker, "lpips": perceptual}
)
"""What ``evaluate.metrics`` may name."""


def chosen(names: Sequence[str], paper: Paper[Any]) -> list[str]:
    """The groups that ``names`` mean for a paper, each once: ``default`` is what its kind of input brings."""
    return list(dict.fromkeys(g for name in names for g in (paper.further if name == "default" else (name,))))


def shared(rows: Mapping[str, Sequence[Scores]]) -> dict[str, list[Scores]]:
    """Of each method's rows what all methods have in the same frame."""
    both = [set.intersection(*map(set, frame)) for frame in zip(*rows.values(), strict=True)]
    return {
        method: [
            {name: value for name, value in row.items() if name in kept} for row, kept in zip(of, both, strict=True)
        ]
        for method, of in rows.items()
    }
