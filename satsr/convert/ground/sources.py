"""What layouts of satellite imagery take as an image: a raster, a picture, a Sentinel-2 product, an archive of arrays.

Archives are NumPy's, with ``im10`` (of DSen2), ``reference_scenes`` (of eo-learn), or any single array.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from satsr.errors import SatsrError
from satsr.files import files_below
from satsr.imagery import bands, geotiff, sentinel2
from satsr.imagery.images import read_image
from satsr.imagery.npz import read_arrays
from satsr.imagery.raster import Layer, Raster

IMAGES = (*geotiff.SUFFIXES, ".png")
ARRAYS = (".npz",)
KNOWN_ARRAYS = ("im10", "reference_scenes")
Window = tuple[int, int, int, int]
"""Top, left, height, width in pixels."""


class Source(NamedTuple):
    """An image that is not read yet.

    Attributes:
        file: or the folder of a product.
        layers: the bands of a product.
        offset: what is added to its numbers, None if it is not known.
    """

    file: Path
    layers: tuple[Layer, ...] = ()
    offset: int | None = None

    def numbers(self, wanted: Sequence[str], window: Window | None = None, moment: int = 0) -> np.ndarray:
        """Some bands, (H, W, C), as digital numbers (reflectance times 10000).

        Args:
            wanted: their names.
            window: the part that is read; all by default.
            moment: which date, of an array with dates.

        Raises:
            SatsrError: the file is damaged, or has no such bands or values.
        """
        if self.layers:
            native = sentinel2.read([layer for name in wanted for layer in self.layers if layer.name == name], window)
        elif self.is_array:
            native = _part(scene_array(self.file)[moment], wanted, window, str(self.file))
        else:
            native = read_raster(self.file, wanted, window)
        return as_dn(sentinel2.shifted(native, self.offset), str(self.file))

    @property
    def is_array(self) -> bool:
        """Whether it is a NumPy archive."""
        return self.file.suffix.lower() in ARRAYS

    def extent(self) -> tuple[int, tuple[int, int]]:
        """Number of dates, and the size in pixels.

        Raises:
            SatsrError: the file is missing or damaged.
        """
        if self.is_array:
            array = scene_array(self.file)
            return array.shape[0], (array.shape[1], array.shape[2])
        if not self.layers:
            return 1, geotiff.size(self.file)
        with Raster(self.layers) as scene:
            return 1, (scene.height, scene.width)

    def thumbnail(self, shape: tuple[int, int]) -> tuple[np.ndarray, float | None]:
        """A band, one pixel out of many, as (h, w), and the value that means no data."""
        return geotiff.thumbnail(self.layers[0].path if self.layers else self.file, shape)

    def bounds(self) -> tuple[float, float, float, float] | None:
        """(west, south, east, north) in degrees, None where it is not known."""
        return None if self.is_array else geotiff.bounds(self.layers[0].path if self.layers else self.file)

    def red_and_nir(self) -> list[str]:
        """Which of ``RED`` and ``NIR`` it has.

        Raises:
            SatsrError: it cannot be told, or neither is there.
        """
        if self.layers:
            names: tuple[str | None, ...] = tuple(layer.name for layer in self.layers)
        else:
            names = (None,) * scene_array(self.file).shape[3] if self.is_array else geotiff.band_names(self.file)
        return bands.red_and_nir(len(names), names, str(self.file))


def below(root: Path) -> list[Path]:
    """All files in ``root``, sorted, where a Sentinel-2 product counts as one; ``root`` may be a file or a product."""
    return [root] if root.is_file() else sentinel2.grouped(root, files_below(root))


def is_scene(file: Path) -> bool:
    """Whether it may be a scene: a raster, an archive or a product."""
    return file.suffix.lower() in (*geotiff.SUFFIXES, *ARRAYS) or sentinel2.holds_product(file)


def is_image(file: Path) -> bool:
    """Whether it may be an image of a series: a raster, a picture or a product."""
    return file.suffix.lower() in IMAGES or sentinel2.holds_product(file)


def place(root: Path, file: Path) -> PurePath:
    """Where a file lies, from what the user named on: what lies above it says nothing about the data."""
    return PurePath(file.name) if root.is_file() else PurePath(root.resolve().name, file.relative_to(root))


def source(root: Path, file: Path, wanted: Sequence[str] = bands.RGB, offset: int | None = None) -> Source:
    """An image below ``root``.

    Args:
        root: what the user named.
        file: of the image.
        wanted: bands that a product must have.
        offset: what is to be added to its numbers; by default what a product's metadata say, or else its name.

    Raises:
        SatsrError: a product without these bands, or a damaged one.
    """
    if not sentinel2.is_product(file):
        return Source(file, (), sentinel2.named_offset(place(root, file)) if offset is None else offset)
    layers = tuple(sentinel2.raster(file, wanted).layers)
    return Source(file, layers, sentinel2.common_offset(file, layers) if offset is None else offset)


def read_raster(path: Path, wanted: Sequence[str] | None = None, window: Window | None = None) -> np.ndarray:
    """A raster or a picture, or a part of it, as :func:`satsr.imagery.geotiff.read` gives it."""
    if path.suffix.lower() in geotiff.SUFFIXES:
        return geotiff.read(path, wanted, window)
    image = read_image(path)
    return _part(image if image.ndim == 3 else image[..., None], wanted, window, str(path))


def load_mask(path: Path) -> np.ndarray:
    """A mask of one band as (H, W) uint8, 255 where the file is not zero.

    Raises:
        SatsrError: the file is damaged, or has several bands.
    """
    mask = read_raster(path)
    if mask.shape[2] != 1:
        raise SatsrError(f"{path} has {mask.shape[2]} bands: a mask has one.")
    return np.where(mask[..., 0] != 0, 255, 0).astype(np.uint8)


@lru_cache(maxsize=2)
def scene_array(file: Path) -> np.ndarray:
    """The imagery of a NumPy archive as (T, H, W, C).

    Raises:
        SatsrError: the archive is damaged, or it cannot be told which of its arrays is meant.
    """
    arrays = read_arrays(file, KNOWN_ARRAYS)
    images = {name: array for name, array in arrays.items() if array.ndim in (3, 4) and array.dtype.kind in "uif"}
    if len(images) != 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise SatsrError(
            f"{file} holds {found}: expected one array of imagery, (H, W, C), (C, H, W) or (T, H, W, C), "
            f"or one called {' or '.join(KNOWN_ARRAYS)}."
        )
    (array,) = images.values()
    if array.ndim == 3:
        array = (array if array.shape[2] < array.shape[0] else np.moveaxis(array, 0, 2))[None]
    return array


def as_dn(image: np.ndarray, where: str) -> np.ndarray:
    """Reflectance as integers: floats are taken as 0..1 and become uint16 times 10000; integers stay as they are.

    Raises:
        SatsrError: values that are no reflectance, or a type that no sensor's files have.
    """
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind == "i" and image.min() >= 0 and image.max() <= 65535:
        return image.astype(np.uint16)
    if image.dtype.kind == "f":
        low, high = float(image.min()), float(image.max())
        if low >= -0.1 and high <= 6.5:  # also refuses NaN
            return np.asarray(np.rint(image.clip(0) * 10000).astype(np.uint16))
        raise SatsrError(
            f"{where} holds floats from {low:g} to {high:g}: reflectance lies in 0..1; replace nodata, or store "
            "digital numbers as uint16."
        )
    raise SatsrError(f"{where} holds {image.dtype} from {image.min()} to {image.max()}: expected uint8 or uint16.")


def _part(image: np.ndarray, wanted: Sequence[str] | None, window: Window | None, where: str) -> np.ndarray:
    top, left, height, width = window or (0, 0, *image.shape[:2])
    count = image.shape[2]
    chosen = list(range(count)) if wanted is None else bands.find(count, [], wanted, where)
    return np.ascontiguousarray(image[top : top + height, left : left + width, chosen])
