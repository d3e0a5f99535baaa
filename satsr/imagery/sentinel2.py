"""Sentinel-2 products as they are downloaded: .SAFE folders and zips, Level-1C and Level-2A.

The bands of a model are taken by name; the other images of a product (AOT, WVP, TCI, SCL) are never mistaken for bands.
Since processing baseline 04.00 (25 January 2022, and all that was processed again since) digital numbers are shifted by
1000: the metadata, or else the product's name, tell. For training the offset is taken off; ``satsr upscale`` takes it
off before the network and puts it back after it, so that a result is encoded as its product is.
"""

import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
from rasterio.enums import ColorInterp

from satsr.errors import SatsrError
from satsr.imagery import bands, geotiff
from satsr.imagery.npz import DAMAGED
from satsr.imagery.raster import Layer, Raster

PRODUCT = re.compile(r"S2[A-Z]_MSIL(?:1C|2A)_\d{8}T\d{6}_N(\d\d)(\d\d)_")
"""The name of a product up to its processing baseline."""
SHIFTED_SINCE, SHIFT = 4.0, -1000
BAND_FILE = re.compile(r"_(B\d{2}|B8A)(?:_(\d\d)m)?\.jp2$")
CLASSES_FILE = re.compile(r"_SCL_20m\.jp2$")
METADATA = re.compile(r"MTD_MSIL(1C|2A)\.xml$|_MTD_SAFL(1C|2A)_[^/]*\.xml$")
NATIVE = dict.fromkeys(("B02", "B03", "B04", "B08"), 10) | dict.fromkeys(("B01", "B09", "B10"), 60)
COLOURS = {"B04": ColorInterp.red, "B03": ColorInterp.green, "B02": ColorInterp.blue, "B08": ColorInterp.nir}
# Scene classes of Level-2A: saturated, cloud shadow, medium and high cloud probability, cirrus.
CLOUDS = frozenset({1, 3, 8, 9, 10})
MAX_XML = 64 << 20
MAX_IMAGE = 1 << 30
MOST_COUNTS = 1e6
"""For a reflectance of 1."""


@dataclass(frozen=True)
class Product:
    """The files of a product.

    Attributes:
        place: what GDAL prefixes to a file's name.
        names: of all its files, relative to the folder or zip.
        source: the folder or the zip.
    """

    place: str
    names: Sequence[str]
    source: Path

    def text(self, name: str) -> bytes:
        """The bytes of a small file."""
        if self.source.is_dir():
            path = self.source / name
            if path.stat().st_size > MAX_XML:
                raise SatsrError(f"{path} is larger than any metadata file: the product is damaged.")
            return path.read_bytes()
        try:
            with zipfile.ZipFile(self.source) as archive:
                if archive.getinfo(name).file_size > MAX_XML:
                    raise SatsrError(f"{name} in {self.source} is larger than any metadata file: it is damaged.")
                return archive.read(name)
        except DAMAGED as error:
            raise SatsrError(f"{name} in {self.source} cannot be read ({error}): download it again.") from None

    def image(self, name: str) -> str:
        """GDAL's name of an image, whose checksum is compared where it is in a zip: GDAL would not.

        Raises:
            SatsrError: it is damaged.
        """
        if not self.source.is_dir():
            found = self.source.stat()
            _require_sound(self.source, name, (found.st_mtime_ns, found.st_size))
        return f"{self.place}{name}"

    def files(self, names: Sequence[str]) -> list[Path]:
        """What the content of these names is hashed from."""
        return [self.source / name for name in names] if self.source.is_dir() else [self.source]


@dataclass(frozen=True)
class Radiometry:
    """What a product's metadata say about its numbers: reflectance = (number + offset) / quantification."""

    level: str
    baseline: str
    quantification: float
    offsets: dict[str, float]


@lru_cache(maxsize=64)
def _require_sound(source: Path, name: str, _stamp: tuple[int, int]) -> None:
    """Unpacks a member of a zip once, to nowhere.

    Raises:
        SatsrError: it is cut off, too large, or does not have its checksum.
    """
    try:
        with zipfile.ZipFile(source) as archive, archive.open(name) as member:
            if archive.getinfo(name).file_size > MAX_IMAGE:
                raise SatsrError(f"{name} in {source} is larger than any image of Sentinel-2: it is damaged.")
            while member.read(1 << 20):
                pass
    except DAMAGED as error:
        raise SatsrError(f"{name} in {source} is damaged ({error}): download it again.") from None


def is_product(path: Path) -> bool:
    """Whether ``path`` looks like a Sentinel-2 product."""
    if path.is_dir():
        return path.suffix.upper() == ".SAFE" or any(METADATA.search(child.name) for child in path.iterdir())
    return path.suffix.lower() == ".zip"


def raster(path: Path, wanted: Sequence[str], *, given: Sequence[str] = (), clouds: bool = False) -> Raster:
    """The bands of a product that a model takes.

    Args:
        path: the .SAFE folder or the zip.
        wanted: names of the model's bands.
        given: the user's choice instead, as names.
        clouds: whether pixels that Level-2A calls cloud or cloud shadow count as missing.

    Raises:
        SatsrError: it is no product, it is damaged, or a band is missing or not at one resolution with the others.
    """
    product, names = _product(path), _names(path, wanted, given)
    radiometry = _radiometry(product)
    chosen, metres = _band_files(product, names)
    silent = [name for name in names if radiometry.offsets and name not in radiometry.offsets]
    if silent:
        raise SatsrError(f"{path} says the offsets of other bands, but not of {', '.join(silent)}: download it again.")
    layers = [
        Layer(
            product.image(chosen[name]),
            1,
            name,
            COLOURS.get(name, ColorInterp.undefined),
            10000 / radiometry.quantification,
            10000 / radiometry.quantification * radiometry.offsets.get(name, 0.0),
        )
        for name in names
    ]
    tags = {
        "SENTINEL2_PRODUCT": path.name.removesuffix(".zip"),
        "SENTINEL2_LEVEL": radiometry.level,
        "SENTINEL2_PROCESSING_BASELINE": radiometry.baseline,
        "SENTINEL2_ADD_OFFSET": ",".join(f"{radiometry.offsets.get(name, 0.0):g}" for name in names),
    }
    cloud = None
    if clouds:
        classes = next((name for name in product.names if CLASSES_FILE.search(name)), None)
        cloud = (product.image(classes), CLOUDS, 20 // metres) if classes and metres <= 20 else None
    return Raster(layers, 0.0, tags, product.files([chosen[name] for name in names]), cloud)


def names(path: Path) -> list[str]:
    """The bands of a product, at whatever resolution, in Sentinel-2's order.

    Raises:
        SatsrError: it cannot be read.
    """
    found = {match[1] for file in _product(path).names if (match := BAND_FILE.search(file))}
    return [name for name in bands.ORDER if name in found]


def grouped(root: Path, files: Iterable[Path]) -> list[Path]:
    """Files below ``root``, sorted, where the folder of a product stands for all of its files."""
    known = list(files)
    products = {file.parent for file in known if METADATA.search(file.name)}
    images = {file.parent for file in known if BAND_FILE.search(file.name)}
    products |= {place for folder in images for place in folder.parents if place.suffix.upper() == ".SAFE"}
    owners: dict[Path, Path | None] = {}
    for folder in {file.parent for file in known}:
        above = [place for place in (folder, *folder.parents) if place.is_relative_to(root) and place in products]
        owners[folder] = above[-1] if above else None
    return sorted({owners[file.parent] or file for file in known})


def holds_product(path: Path) -> bool:
    """Whether one of many files, or of what :func:`grouped` found, is a product: other folders and zips may be there.

    A zip is one by its name, or by what is in it.
    """
    if path.suffix.lower() != ".zip" or PRODUCT.search(path.name):
        return path.is_dir() or path.suffix.lower() == ".zip"
    try:
        with zipfile.ZipFile(path) as archive:
            return any(METADATA.search(name) for name in archive.namelist())
    except DAMAGED:
        return False


def named_baseline(place: PurePath) -> str | None:
    """The processing baseline, such as ``04.00``, in the names of products among the parts of a path, if any."""
    return max((f"{found[1]}.{found[2]}" for part in place.parts if (found := PRODUCT.search(part))), default=None)


def named_offset(place: PurePath) -> int | None:
    """What is to be added to a file's numbers, by :func:`named_baseline`; None where no name says it."""
    baseline = named_baseline(place)
    return None if baseline is None else SHIFT if float(baseline) >= SHIFTED_SINCE else 0


def shifted(image: np.ndarray, offset: int | None) -> np.ndarray:
    """Digital numbers with an offset added, not below 0, which stays no data.

    Pictures of 8 bits stay as they are, and so do floats: they are reflectance, where it has been added already.
    """
    if not offset or image.dtype == np.uint8 or image.dtype.kind not in "ui":
        return image
    moved: np.ndarray = image.astype(np.int32) + offset
    moved[image == 0] = 0
    return moved.clip(0, np.iinfo(image.dtype).max, out=moved).astype(image.dtype)


def common_offset(source: Path, layers: Sequence[Layer]) -> int:
    """What is to be added to the numbers of a product's bands, as its metadata say.

    Raises:
        SatsrError: not the same for all of them, or the numbers are not reflectance times 10000.
    """
    said = {(layer.gain, layer.offset) for layer in layers}
    gain, offset = said.pop()
    if said or gain != 1 or offset != round(offset):
        each = ", ".join(f"{layer.name}: {layer.offset:g} after a factor of {layer.gain:g}" for layer in layers)
        raise SatsrError(
            f"{source} encodes its bands in a way that is not known for training ({each}): expected one whole offset "
            "for all and no factor. Make GeoTIFFs of reflectance times 10000 of it."
        )
    return int(offset)


def read(layers: Sequence[Layer], window: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Bands of a product, or a part of them, (H, W, C) native.

    Raises:
        SatsrError: as for :func:`satsr.imagery.geotiff.read`.
    """
    return np.concatenate([geotiff.read(layer.path, window=window) for layer in layers], axis=2)


def require_one_baseline(products: Sequence[Path], mixed: bool | None) -> None:
    """Refuses products of several processing baselines in one data set, unless the user wants them.

    Raises:
        SatsrError: they differ, or one of them has no metadata.
    """
    found = {_radiometry(_product(path)).baseline: path for path in products}
    if len(found) > 1 and not mixed:
        listed = ", ".join(f"{baseline or 'unknown'} ({found[baseline].name})" for baseline in sorted(found))
        raise SatsrError(
            f"the products are of {len(found)} processing baselines: {listed}. One is expected, since their numbers "
            "and geometry differ: remove some, or say options: {mixed_baselines: true} in a dataset card; each "
            "product's own offset is taken off then."
        )


def _names(path: Path, wanted: Sequence[str], given: Sequence[str]) -> list[str]:
    names = [bands.canonical(name) for name in (given or wanted)]
    unknown = [text for text, name in zip(given, names, strict=False) if name not in bands.ORDER]
    if unknown:
        raise SatsrError(f"--bands names {', '.join(unknown)}, but Sentinel-2 has {', '.join(bands.ORDER)}.")
    if not names or not all(names):
        raise SatsrError(
            f"this model does not say which Sentinel-2 bands it takes, so {path} needs for instance --bands "
            "B04,B03,B02 (names, in the model's order)."
        )
    return names


def _product(path: Path) -> Product:
    if path.is_dir():
        names = sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
        return Product(f"{path.resolve().as_posix()}/", names, path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except DAMAGED as error:
        raise SatsrError(f"{path} cannot be read as a zip ({error}): download it again.") from None
    return Product(f"/vsizip/{{{path.resolve().as_posix()}}}/", names, path)


def _band_files(product: Product, names: Sequence[str]) -> tuple[dict[str, str], int]:
    """The file of each band, all at one resolution, the finest one at which all of them exist."""
    found: dict[int, dict[str, str]] = {}
    for file in product.names:
        match = BAND_FILE.search(file)
        if match is None or "IMG_DATA" not in PurePosixPath(file).parts:
            continue
        metres = int(match[2]) if match[2] else NATIVE.get(match[1], 20)
        if match[1] in found.setdefault(metres, {}):
            raise SatsrError(
                f"{product.source} holds several granules ({file} and {found[metres][match[1]]}): give the folder of "
                "one granule as a product of its own."
            )
        found[metres][match[1]] = file
    for metres in sorted(found):
        if set(names) <= set(found[metres]):
            return {name: found[metres][name] for name in names}, metres
    has = "; ".join(f"{metres} m: {', '.join(sorted(found[metres]))}" for metres in sorted(found)) or "no bands at all"
    raise SatsrError(f"{product.source} does not have {', '.join(names)} at one resolution (it has {has}).")


def _radiometry(product: Product) -> Radiometry:
    """Reads the product's metadata.

    Raises:
        SatsrError: there are none, they are not plain XML, or a number in them is none.
    """
    name = min((name for name in product.names if METADATA.search(name)), key=len, default=None)
    if name is None:
        raise SatsrError(
            f"{product.source} has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, which says how its numbers are to be read: "
            "it is no Sentinel-2 product, or incomplete."
        )
    where = f"{name} in {product.source}"
    root = _parsed(product.text(name), where)
    found = METADATA.search(name)
    level = "L" + str(found and (found[1] or found[2]))
    prefix = "BOA" if level == "L2A" else "RADIO"
    baseline = next((item.text or "" for item in root.iter() if _tag(item) == "PROCESSING_BASELINE"), "").strip()
    quantities = {_tag(item): item.text for item in root.iter() if _tag(item).endswith("QUANTIFICATION_VALUE")}
    quantity = quantities.get("BOA_QUANTIFICATION_VALUE", quantities.get("QUANTIFICATION_VALUE"))
    offsets = dict(_offset(item, where) for item in root.iter() if _tag(item) == f"{prefix}_ADD_OFFSET")
    baseline = baseline or named_baseline(PurePath(product.source.name)) or ""
    if not offsets and baseline and _number(baseline, f"PROCESSING_BASELINE of {where}") >= SHIFTED_SINCE:
        offsets = dict.fromkeys(bands.ORDER, float(SHIFT))
    counts = 10000.0 if quantity is None else _number(quantity, f"QUANTIFICATION_VALUE of {where}")
    if not 1 <= counts <= MOST_COUNTS:
        raise SatsrError(f"the QUANTIFICATION_VALUE of {where} is {counts:g}, where 10000 is usual: download it again.")
    return Radiometry(level, baseline, counts, offsets)


def _offset(item: "ET.Element[str]", where: str) -> tuple[str, float]:
    """A band and what is to be added to its numbers.

    Raises:
        SatsrError: one of the two makes no sense.
    """
    number = item.get("band_id", "")
    if not number.isdecimal() or int(number) >= len(bands.ORDER):
        raise SatsrError(f"{_tag(item)} of {where} has the band_id {number!r}, not 0..12: download it again.")
    return bands.ORDER[int(number)], _number(item.text or "", f"{_tag(item)} of {where}")


class _Plain(ET.TreeBuilder):
    """Elements of XML that declares nothing; the parser tells of a declaration whatever the encoding."""

    def doctype(self, name: str, public: str, system: str) -> None:
        raise SatsrError("declares entities")


def _parsed(content: bytes, where: str) -> "ET.Element[str]":
    """The root of plain XML.

    Raises:
        SatsrError: it is damaged, or declares a document type, in which entities could stand.
    """
    try:
        return ET.fromstring(content, ET.XMLParser(target=_Plain()))  # noqa: S314  # nothing to expand
    except SatsrError:
        raise SatsrError(f"{where} declares entities, which Sentinel-2 metadata never do: refused.") from None
    except (ET.ParseError, ValueError, LookupError) as error:  # the latter of encodings that do not exist
        raise SatsrError(f"{where} is not valid XML ({error}): download it again.") from None


def _tag(item: "ET.Element[str]") -> str:
    return item.tag.rpartition("}")[2]


def _number(text: str, field: str) -> float:
    """A finite number.

    Raises:
        SatsrError: the text is none; a number taken in its place would make every value of the product wrong.
    """
    with suppress(ValueError):
        if isfinite(found := float(text)):
            return found
    raise SatsrError(f"the {field} is {text!r}, where a number is expected: download it again.")
