"""Sentinel-2 products as they are downloaded: .SAFE folders and zips, Level-1C and Level-2A.

The bands of a model are taken by name; the other images of a product (AOT, WVP, TCI, SCL) are never mistaken for bands.
Since processing baseline 04.00 digital numbers are shifted by 1000: the offset is read from the metadata, taken off
before the network and put back after it, so that a result is encoded as its product is.
"""

import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rasterio.enums import ColorInterp

from satsr.errors import SatsrError
from satsr.imagery import bands
from satsr.imagery.geotiff import Layer, Scene

BAND_FILE = re.compile(r"_(B\d{2}|B8A)(?:_(\d\d)m)?\.jp2$")
CLASSES_FILE = re.compile(r"_SCL_20m\.jp2$")
METADATA = re.compile(r"MTD_MSIL(1C|2A)\.xml$|_MTD_SAFL(1C|2A)_[^/]*\.xml$")
NATIVE = dict.fromkeys(("B02", "B03", "B04", "B08"), 10) | dict.fromkeys(("B01", "B09", "B10"), 60)
# Order of the physical bands in the offsets' band_id.
ORDER = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
COLOURS = {"B04": ColorInterp.red, "B03": ColorInterp.green, "B02": ColorInterp.blue, "B08": ColorInterp.nir}
# Scene classes of Level-2A: saturated, cloud shadow, medium and high cloud probability, cirrus.
CLOUDS = frozenset({1, 3, 8, 9, 10})
MAX_XML = 64 << 20


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
        with zipfile.ZipFile(self.source) as archive:
            if archive.getinfo(name).file_size > MAX_XML:
                raise SatsrError(f"{name} in {self.source} is larger than any metadata file: the product is damaged.")
            return archive.read(name)

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


def is_product(path: Path) -> bool:
    """Whether ``path`` looks like a Sentinel-2 product."""
    if path.is_dir():
        return path.suffix.upper() == ".SAFE" or any(METADATA.search(child.name) for child in path.iterdir())
    return path.suffix.lower() == ".zip"


def scene(path: Path, wanted: Sequence[str], *, given: Sequence[str] = (), clouds: bool = False) -> Scene:
    """The bands of a product that a model takes.

    Args:
        path: the .SAFE folder or the zip.
        wanted: names of the model's bands.
        given: the user's choice instead, as names.
        clouds: whether pixels that Level-2A calls cloud or cloud shadow count as missing.

    Raises:
        SatsrError: it is no product, it is damaged, or a band is missing or not at one resolution with the others.
    """
    product = _product(path)
    names = [bands.canonical(name) for name in (given or wanted)]
    if not names or not all(names):
        raise SatsrError(
            f"this model does not say which Sentinel-2 bands it takes, so {path} needs for instance --bands "
            "B04,B03,B02 (names, in the model's order)."
        )
    radiometry = _radiometry(product)
    chosen, metres = _band_files(product, names)
    layers = [
        Layer(
            f"{product.place}{chosen[name]}",
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
        cloud = (f"{product.place}{classes}", CLOUDS, 20 // metres) if classes and metres <= 20 else None
    return Scene(layers, 0.0, tags, product.files([chosen[name] for name in names]), cloud)


def _product(path: Path) -> Product:
    if path.is_dir():
        names = sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
        return Product(f"{path.resolve().as_posix()}/", names, path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
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
        SatsrError: there are none, or they are not plain XML.
    """
    name = min((name for name in product.names if METADATA.search(name)), key=len, default=None)
    if name is None:
        raise SatsrError(
            f"{product.source} has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, which says how its numbers are to be read: "
            "it is no Sentinel-2 product, or incomplete."
        )
    content = product.text(name)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise SatsrError(f"{name} in {product.source} declares entities, which Sentinel-2 metadata never do: refused.")
    try:
        root = ET.fromstring(content)  # noqa: S314  # without entities there is nothing to expand
    except ET.ParseError as error:
        raise SatsrError(f"{name} in {product.source} is not valid XML ({error}): download it again.") from None
    found = METADATA.search(name)
    level = "L" + str(found and (found[1] or found[2]))
    prefix = "BOA" if level == "L2A" else "RADIO"
    baseline = next((item.text or "" for item in root.iter() if _tag(item) == "PROCESSING_BASELINE"), "")
    quantities = {_tag(item): item.text for item in root.iter() if _tag(item).endswith("QUANTIFICATION_VALUE")}
    quantity = quantities.get("BOA_QUANTIFICATION_VALUE", quantities.get("QUANTIFICATION_VALUE"))
    offsets = {
        ORDER[int(item.get("band_id", "-1"))]: float(item.text or 0)
        for item in root.iter()
        if _tag(item) == f"{prefix}_ADD_OFFSET"
        and item.get("band_id", "").isdigit()
        and int(item.get("band_id", "99")) < 13
    }
    if not offsets and _number(baseline) >= 4:
        offsets = dict.fromkeys(ORDER, -1000.0)
    return Radiometry(level, baseline, _number(quantity) or 10000.0, offsets)


def _tag(item: "ET.Element[str]") -> str:
    return item.tag.rpartition("}")[2]


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
