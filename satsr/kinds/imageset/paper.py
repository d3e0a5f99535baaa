"""The protocol of image sets: unregistered views with quality maps become one image, scored as Proba-V scores it.

Digital numbers of 14 bits in files of 16 are divided by 65535 everywhere. The scores search shifts of up to 3 pixels
and remove the mean brightness (specification of QA-Net, section 2c), so a network need not guess either.
"""

import zlib
from abc import abstractmethod
from typing import ClassVar, Generic

import numpy as np
import numpy.typing as npt

from satsr.config.recipe import ConfigOf
from satsr.degrade import probav_baseline
from satsr.errors import SatsrError
from satsr.kinds.imageset.views import SELECTION_SEED, clearest, mean_of_clearest, select_by_coverage
from satsr.metrics import cpsnr, cssim, or_nan, probav_score, registered
from satsr.paper import Paper
from satsr.radiometry import Normalisation, normalisation
from satsr.scores import Scores
from satsr.store.store import Scene

STRETCH = (1.0, 99.0)
"""Percentiles of the reference's clear pixels that become black and white for the eye."""


class ImagesetPaper(Paper[ConfigOf], Generic[ConfigOf]):
    """Inputs, baseline, scores and pictures of an image set."""

    kind: ClassVar[str] = "imageset"
    further: ClassVar[tuple[str, ...]] = ("spectral", "frc")
    bands: ClassVar[tuple[str, ...]] = ()

    @property
    def radiometry(self) -> Normalisation:
        """Digital numbers over 65535."""
        return normalisation("probav")

    @property
    @abstractmethod
    def views(self) -> int:
        """How many views the network takes."""

    @property
    def decides(self) -> tuple[str, str]:
        """The challenge's PSNR and its structural counterpart."""
        return "cpsnr", "cssim"

    def inputs(self, scene: Scene) -> dict[str, np.ndarray]:
        """``x`` (1, n_views, h, w) float32 in 0..1 and ``quality`` of that shape, 1 where clear and 0 elsewhere.

        The views are QA-Net's choice (:mod:`satsr.kinds.imageset.views`), always the same for a scene.
        """
        lr, qm = read_views(scene)
        chosen = select_by_coverage(
            qm, scene.read("sm", 0), views=self.views, seed=SELECTION_SEED, index=zlib.crc32(scene.id.encode())
        )
        return {"x": self.radiometry.forward(lr[chosen])[None], "quality": clear(qm[chosen])[None]}

    def baseline(self, scene: Scene) -> np.ndarray:
        """The challenge's bicubic mean of the clearest of all views: (1, 3h, 3w) in 0..1."""
        return probav_baseline(*read_views(scene))[None]

    def score(self, scene: Scene, output: np.ndarray) -> list[Scores]:
        """One row, of the image as it is written, whole and not negative: ``cpsnr`` (dB), ``cssim`` (Gaussian window,
        range 1), ``probav_score``; and ``cpsnr_float`` of the network's own values, as the papers have it, which does
        not see that an image is too dark to be written.

        The third is the baseline's cPSNR over this one. norm.csv has the former; sets of one's own have no norm.csv, so
        there it is computed. Where the band is known, ``cpsnr_red`` or ``cpsnr_nir`` repeats the first, since the
        literature gives the mean of each band.
        """
        hr, mask = self.radiometry.forward(scene.read("hr", 0)), scene.read("sm", 0) != 0
        sr = self._as_written(scene, output)
        row = {"cpsnr": or_nan(cpsnr, sr, hr, mask), "cssim": or_nan(cssim, sr, hr, mask)}
        norm, band = scene.meta.get("norm"), scene.meta.get("band")
        if norm is None:
            norm = or_nan(cpsnr, self._as_written(scene, self.baseline(scene)), hr, mask)
        row["probav_score"] = or_nan(probav_score, sr, hr, mask, norm)
        row["cpsnr_float"] = or_nan(cpsnr, output[0], hr, mask)
        if band is not None:
            row[f"cpsnr_{band.lower()}"] = row["cpsnr"]
        return [row]

    def _as_written(self, scene: Scene, output: np.ndarray) -> np.ndarray:
        """(H, W) in 0..1: what is written, over 65535."""
        return self.radiometry.forward(self.written(scene, output)[0, ..., 0])

    def written(self, scene: Scene, output: np.ndarray) -> np.ndarray:
        """One image of whole digital numbers."""
        return np.asarray(np.rint(self.radiometry.inverse(output))[..., None])

    def reference(self, scene: Scene) -> np.ndarray:
        """The image ``hr``, unclear pixels as they are."""
        return np.asarray(scene.read("hr", 0)[None, ..., None], np.float32)

    def given(self, scene: Scene) -> np.ndarray:
        """The mean of the clearest views, whose enlargements are the baseline."""
        mean, _ = mean_of_clearest(*read_views(scene))
        return np.asarray(mean[None, ..., None], np.float32)

    def clear(self, scene: Scene) -> np.ndarray:
        """Where all of these views are clear."""
        return mean_of_clearest(*read_views(scene))[1][None]

    @property
    def kernel(self) -> str:
        """The mean of the fine pixels in each coarse one: a detector's area."""
        return "area"

    def clear_in_reference(self, scene: Scene, reference: np.ndarray) -> np.ndarray:
        """The status map."""
        return np.asarray(scene.read("sm", 0)[None] != 0)

    def side_by_side(
        self, scene: Scene, written: np.ndarray, reference: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Registered as for cPSNR; brightness stays as it is."""
        unit, mask = self.radiometry.high[0], self.clear_in_reference(scene, reference)[0]
        sr, hr, clear_in_both = registered(written[0, ..., 0] / unit, reference[0, ..., 0] / unit, mask)
        return [(sr[..., None] * unit, hr[..., None] * unit, clear_in_both)]

    def pictures(self, scene: Scene, output: np.ndarray | None, role: str) -> np.ndarray:
        """One 8-bit picture, gray as RGB: the output, the reference, or the clearest view, all in the same stretch."""
        hr, sm = scene.read("hr", 0), scene.read("sm", 0) != 0
        low, high = np.percentile(hr[sm] if sm.any() else hr, STRETCH)
        if output is not None:
            image = output[0] * self.radiometry.high[0]
        elif role == "lr":
            lr, qm = read_views(scene)
            image = lr[clearest(qm, 1)[0]]
        else:
            image = scene.read(role, 0)
        gray = np.rint(np.clip((image - low) / max(high - low, 1.0), 0, 1) * 255).astype(np.uint8)
        return np.repeat(gray[None, ..., None], 3, axis=3)


def read_views(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """All views and their quality maps, each (T, h, w) in native type.

    Raises:
        SatsrError: they differ in number or size.
    """
    lr, qm = ([scene.read(role, index) for index in range(scene.count(role))] for role in ("lr", "qm"))
    shapes = sorted({array.shape for array in (*lr, *qm)})
    if len(lr) != len(qm) or len(shapes) != 1:
        raise SatsrError(
            f"{scene.split}/{scene.id} has {len(lr)} views and {len(qm)} quality maps of the sizes "
            f"{', '.join(str(shape) for shape in shapes)}: expected as many maps as views, all of one size."
        )
    return np.stack(lr), np.stack(qm)


def clear(masks: np.ndarray) -> npt.NDArray[np.float32]:
    """Masks of 0 and 255 to float32: 1 where clear."""
    return np.asarray(masks != 0, dtype=np.float32)
