"""Radiometry: from digital numbers to the value range a network sees and back, and matching one sensor to another.

A normalisation has a name, so an exported model's metadata can carry it and the inference rebuild it. Images are
(H, W) or (H, W, C), bands last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Normalisation:
    """A stretch of the native values 0..``high`` onto ``range``.

    Attributes:
        name: what metadata and configs call it.
        high: native value that becomes ``range[1]``; one for all bands, or one per band.
        range: values the network sees.
        saturates: whether ``forward`` clamps to ``range``. The inverse is then exact inside it only.
        native: smallest and largest native value, to which ``inverse`` clamps.
    """

    name: str
    high: tuple[float, ...]
    range: tuple[float, float]
    native: tuple[float, float]
    saturates: bool = False

    def forward(self, image: np.ndarray) -> Float32:
        """Native values (H, W) or (H, W, C), any number type, to float32 in ``range``.

        Raises:
            SatsrError: the image has other bands than the normalisation.
        """
        first, last = self.range
        values = image.astype(np.float32)
        values /= self._high(image)
        if last - first != 1:
            values *= np.float32(last - first)
        if first:
            values += np.float32(first)
        return np.clip(values, first, last, out=values) if self.saturates else values

    def inverse(self, image: np.ndarray, *, own: bool = False) -> Float32:
        """Values in ``range`` to native values as float32, clamped to ``native``; rounding is the writer's.

        Args:
            image: (H, W) or (H, W, C).
            own: whether a float32 image may be overwritten.

        Raises:
            SatsrError: the image has other bands than the normalisation.
        """
        first, last = self.range
        values = image.astype(np.float32, copy=not own)
        if first:
            values -= np.float32(first)
        values *= self._high(image) / np.float32(last - first)
        return np.clip(values, *self.native, out=values)

    def dimmed(self, values: np.ndarray, factor: float) -> np.ndarray:
        """Values in ``range``, any shape, as they would be had the native values been multiplied by ``factor``."""
        if factor == 1:
            return values
        first = np.float32(self.range[0])
        return np.asarray((values - first) * np.float32(factor) + first)

    def clipped(self, values: np.ndarray) -> np.ndarray:
        """Values that a network gives, any shape, clamped to ``range``, or to ``native`` where nothing saturates."""
        first, last = self.range
        ends = self.range
        if not self.saturates:
            lowest, highest = (first + value / min(self.high) * (last - first) for value in self.native)
            ends = lowest, highest
        return np.asarray(np.clip(values, np.float32(ends[0]), np.float32(ends[1])))

    def _high(self, image: np.ndarray) -> Float32:
        if len(self.high) > 1 and (image.ndim != 3 or image.shape[2] != len(self.high)):
            raise SatsrError(
                f'the normalisation "{self.name}" is for images (H, W, {len(self.high)}), found {image.shape}: give '
                "these bands, last, or choose another normalisation."
            )
        return np.array(self.high, dtype=np.float32)


UNIT = (0.0, 1.0)
SIGNED = (-1.0, 1.0)
BYTE = (0.0, 255.0)
REFLECTANCE = (0.0, 10000.0)
"""Sentinel-2's digital numbers: reflectance times 10000."""

_ALL = (
    # The video papers: 8-bit frames in 0..1.
    Normalisation("unit_u8", (255.0,), UNIT, BYTE),
    # BreizhSR's SPOT-6 targets and SRGAN's photographs: 8 bits in -1..1.
    Normalisation("signed_u8", (255.0,), SIGNED, BYTE),
    # Remote-Sensing-SRGAN (normalise_s2): reflectance above 0.3 saturates.
    Normalisation("s2_norm", (3000.0,), SIGNED, REFLECTANCE, saturates=True),
    # The same scale without an end: sand, snow and clouds are beyond 1 and come back as they were.
    Normalisation("s2_norm_open", (3000.0,), SIGNED, REFLECTANCE),
    # BreizhSR: 98 % quantiles of the training set for red, green and blue.
    Normalisation("breizh_s2", (2058.0, 1583.0, 1118.0), SIGNED, REFLECTANCE, saturates=True),
    Normalisation("breizh_s2_open", (2058.0, 1583.0, 1118.0), SIGNED, REFLECTANCE),
    # Proba-V: 14 bits in files of 16, scaled by the file's range.
    Normalisation("probav", (65535.0,), UNIT, (0.0, 65535.0)),
    # SRGAN's successor: the whole reflectance range.
    Normalisation("normalise_10k", (10000.0,), UNIT, REFLECTANCE, saturates=True),
    Normalisation("normalise_10k_signed", (10000.0,), SIGNED, REFLECTANCE, saturates=True),
)
NORMALISATIONS: Mapping[str, Normalisation] = MappingProxyType({item.name: item for item in _ALL})


def normalisation(name: str) -> Normalisation:
    """The normalisation of that name.

    Raises:
        SatsrError: there is none; the message lists those there are.
    """
    if name not in NORMALISATIONS:
        raise SatsrError(f'unknown normalisation "{name}": choose one of {", ".join(NORMALISATIONS)}.')
    return NORMALISATIONS[name]


def histogram_match(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Gives each band of ``image`` the distribution of the same band of ``reference``.

    Each distinct value's cumulative share of its band is looked up among the reference's cumulative shares, with linear
    interpolation between the reference's distinct values: scikit-image's ``match_histograms``. Source: specification of
    Remote-Sensing-SRGAN, section 1.7.

    Args:
        image: (H, W) or (H, W, C), the one to change.
        reference: any height and width, the same bands.

    Returns:
        The shape of ``image``; float32 for float32 input, else float64.

    Raises:
        SatsrError: other bands, NaN, or an empty image.
    """
    return _per_band(image, reference, _histogram_matched)


def moment_match(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Gives each band of ``image`` the mean and the (population) standard deviation of ``reference``'s.

    Args:
        image: (H, W) or (H, W, C), the one to change. A constant band becomes the reference's mean.
        reference: any height and width, the same bands.

    Returns:
        The shape of ``image``; float32 for float32 input, else float64.

    Raises:
        SatsrError: other bands, NaN, or an empty image.
    """
    return _per_band(image, reference, _moment_matched)


def _histogram_matched(band: np.ndarray, reference: np.ndarray) -> np.ndarray:
    _, ranks, counts = np.unique(band, return_inverse=True, return_counts=True)
    wanted, wanted_counts = np.unique(reference, return_counts=True)
    shares, wanted_shares = np.cumsum(counts) / band.size, np.cumsum(wanted_counts) / reference.size
    return np.asarray(np.interp(shares, wanted_shares, wanted)[ranks.reshape(band.shape)])


def _moment_matched(band: np.ndarray, reference: np.ndarray) -> np.ndarray:
    values, wanted = band.astype(np.float64), reference.astype(np.float64)
    deviation = values.std()
    gain = wanted.std() / deviation if deviation > 0 else 0.0
    return np.asarray((values - values.mean()) * gain + wanted.mean())


def _per_band(
    image: np.ndarray, reference: np.ndarray, match: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    bands = [array.shape[2:] for array in (image, reference)]
    if image.ndim not in (2, 3) or reference.ndim != image.ndim or bands[0] != bands[1]:
        raise SatsrError(
            f"matching needs two images with the same bands, (H, W) or (H, W, C), found {image.shape} and "
            f"{reference.shape}: put the bands last."
        )
    for array in (image, reference):
        if not array.size or (array.dtype.kind == "f" and not np.isfinite(array).all()):
            raise SatsrError("matching needs finite values in both images: replace nodata, or give a part without it.")
    result = np.empty(image.shape, dtype=np.float32 if image.dtype == np.float32 else np.float64)
    for band in np.ndindex(*bands[0]):
        result[(..., *band)] = match(image[(..., *band)], reference[(..., *band)])
    return result
