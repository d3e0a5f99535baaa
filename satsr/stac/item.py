"""What a STAC Item says: which asset has which band, on what grid, and how its numbers are to be read.

An Item is plain GeoJSON (https://github.com/radiantearth/stac-spec, versions 1.0 and 1.1), of which little is needed
here, so it is read and checked directly, without pystac: a wrong value is a sentence that names its key.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from satsr.errors import SatsrError
from satsr.imagery import bands
from satsr.imagery.sentinel2 import PRODUCT, SHIFT, SHIFTED_SINCE
from satsr.stac import fields
from satsr.stac.fields import MAX_ASSETS

SUFFIXES = (".json", ".geojson")
WEB = ("http", "https")
MAX_BYTES = 16 << 20
PICTURES = {"overview", "thumbnail", "visual", "metadata"}
"""Roles of assets that hold no measured values."""
COMMON = {
    **{"coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "nir08": "B8A", "nir09": "B09"},
    **{
        "cirrus": "B10",
        "swir16": "B11",
        "swir22": "B12",
        "rededge071": "B05",
        "rededge075": "B06",
        "rededge078": "B07",
    },
}
"""Common names of the extension ``eo``, and Sentinel-2's bands that they stand for."""
NUMBERED = {"rededge1": "B05", "rededge2": "B06", "rededge3": "B07"}
"""Keys of assets where the common name of three bands is one, ``rededge``."""
CLASSES = "SCL"
"""The name here of Sentinel-2's scene classes, which are no band: cloud, shadow, water and so on."""
CLASSES_KEY = re.compile(r"scl([_-].*)?", re.IGNORECASE)
"""Keys of their assets: ``scl``, ``SCL_20m``, ``scl-jp2``."""
METRES = re.compile(r"_(\d+)m$")


@dataclass(frozen=True)
class Band:
    """One band of an asset.

    Attributes:
        name: as Sentinel-2 writes it, ``B04``, or :data:`CLASSES`.
        key, href: of the asset.
        index: of the band in its file, from 1.
        metres: of a pixel; None if the item does not say.
        reading: gain and offset to reflectance times 10000; None if the item does not say.
        nodata: value that stands for "missing"; None if the item does not say.
        checksum: of the file, ``sha256:...``.
        size: of the file in bytes.
        order: among several of the same band, the smaller one is taken.
    """

    name: str
    key: str
    href: str
    index: int
    metres: float | None
    reading: tuple[float, float] | None
    nodata: float | None
    checksum: str | None
    size: int | None
    order: tuple[bool, bool, str]


@dataclass(frozen=True)
class Item:
    """A STAC Item.

    Attributes:
        name: its ``id``.
        bands: of all assets that hold measured values, or scene classes.
        tags: metadata that a result keeps.
        stamp: what changes when the item's assets do.
    """

    name: str
    bands: Sequence[Band]
    tags: Mapping[str, str]
    stamp: str

    def pick(self, wanted: Sequence[str], where: str) -> list[Band]:
        """The wanted bands, in this order, at the finest resolution at which all of them are there.

        Raises:
            SatsrError: one of them is not there, or not at one resolution with the others.
        """
        for metres in sorted({band.metres for band in self.bands}, key=lambda value: value or 0.0):
            found = [self._best(name, metres) for name in wanted]
            if all(found):
                return [band for band in found if band]
        raise SatsrError(f"{where} does not have {', '.join(wanted)} at one resolution (it has {self.listed}).")

    def others(self, taken: Sequence[str]) -> list[Band]:
        """The finest of every band whose name is not among those, in Sentinel-2's order."""
        names = [name for name in bands.ORDER if name not in taken]
        found = [[band for band in self.bands if band.name == name] for name in names]
        return [min(same, key=lambda band: (band.metres or 0.0, band.order)) for same in found if same]

    @property
    def listed(self) -> str:
        """The bands that it has, for people."""
        known: dict[str, set[str]] = {}
        for band in self.bands:
            if band.name != CLASSES:
                metres = "an unknown size of pixel" if band.metres is None else f"{band.metres:g} m"
                known.setdefault(metres, set()).add(band.name)
        return "; ".join(f"{metres}: {', '.join(sorted(names))}" for metres, names in known.items()) or "no bands"

    @property
    def classes(self) -> Band | None:
        """The finest scene classes, if it has any."""
        found = [band for band in self.bands if band.name == CLASSES]
        return min(found, key=lambda band: (band.metres or 0.0, band.order), default=None)

    def _best(self, name: str, metres: float | None) -> Band | None:
        found = [band for band in self.bands if band.name == name and band.metres == metres]
        return min(found, key=lambda band: band.order, default=None)


def is_address(word: str) -> bool:
    """Whether an input is an address of the web."""
    return urlsplit(word).scheme.lower() in WEB


def is_item(path: Path) -> bool:
    """Whether a file is to be read as an item: JSON is nothing else here."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read(path: Path) -> Item:
    """An item on disk.

    Raises:
        SatsrError: it is no item, or says what makes no sense.
    """
    return parse(decoded(path), str(path))


def decoded(path: Path) -> Any:
    """The JSON of a file that may be an item.

    Raises:
        SatsrError: it is larger than any, or no JSON.
    """
    if path.stat().st_size > MAX_BYTES:
        raise SatsrError(f"{path} has {path.stat().st_size} bytes: a STAC Item has at most {MAX_BYTES}.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SatsrError(f"{path} is not valid JSON ({error}): fetch it again.") from None


def parse(found: Any, where: str) -> Item:
    """An item from decoded JSON, or the only one of a collection of features, as a search gives it.

    Raises:
        SatsrError: as :func:`read`.
    """
    kind = found.get("type") if isinstance(found, dict) else None
    if kind == "FeatureCollection" and isinstance(found.get("features"), list):
        if len(found["features"]) == 1:
            return parse(found["features"][0], where)
        raise SatsrError(
            f"{where} holds {len(found['features'])} items: a model of the kind series takes them as dates; for one "
            "scene save the item that is wanted as a file."
        )
    if kind != "Feature" or not isinstance(found.get("stac_version"), str):
        what = f"a {kind}" if isinstance(kind, str) else "something else"
        raise SatsrError(f"{where} is {what}, but a STAC Item is expected (type Feature, with stac_version): name one.")
    assets, properties = fields.mapping(found, "assets", where), fields.mapping(found, "properties", where)
    if len(assets) > MAX_ASSETS:
        raise SatsrError(f"{where} lists {len(assets)} assets: at most {MAX_ASSETS} are read.")
    name = fields.text(found, "id", where)
    made = [band for key in assets for band in _bands(key, fields.mapping(assets, key, where), properties, name, where)]
    said = {
        "STAC_ITEM": name,
        "STAC_COLLECTION": found.get("collection"),
        "STAC_DATETIME": properties.get("datetime"),
        "STAC_PLATFORM": properties.get("platform"),
    }
    tags = {key: text[:500] for key, text in said.items() if isinstance(text, str) and text}
    return Item(name, made, tags, str(properties.get("updated", "")))


def _bands(key: str, asset: Mapping[str, Any], properties: Mapping[str, Any], item: str, where: str) -> list[Band]:
    """The bands of an asset: none if it holds no measured values."""
    roles = asset.get("roles") or []
    if not isinstance(roles, list) or PICTURES & {role for role in roles if isinstance(role, str)}:
        return []
    own, eo, raster = (
        fields.rows(asset, field, f"{where}, asset {key}") for field in ("bands", "eo:bands", "raster:bands")
    )
    rows: list[dict[str, Any]] = [{} for _ in range(max(len(own), len(eo), len(raster), 1))]
    for known, prefix in ((own, ""), (eo, "eo:"), (raster, "raster:")):
        for row, said in zip(rows, known, strict=False):
            row |= {prefix + field: value for field, value in said.items()}
    alone = len(rows) == 1
    made = [_band(key, asset, row, place, alone, where) for place, row in enumerate(rows, 1)]
    return [_read(band, properties, item) for band in made if band]


def _band(
    key: str, asset: Mapping[str, Any], row: Mapping[str, Any], index: int, alone: bool, where: str
) -> Band | None:
    common = row.get("eo:common_name") or asset.get("eo:common_name" if alone else "")
    names = [row.get("name"), row.get("eo:name"), *([key] if alone else [])]
    known = [text for text in names if isinstance(text, str) and (text != f"b{index}" or text == key)]
    name = _named(known, common if isinstance(common, str) else "")  # b1, b2, ... is what tools call the first, ...
    name = CLASSES if CLASSES_KEY.fullmatch(key) and alone else name
    if not name:
        return None
    place = f"{where}, asset {key}"
    scale, offset = (fields.number(row, asset, f"raster:{word}", place) for word in ("scale", "offset"))
    if scale is not None and scale <= 0:
        raise SatsrError(f"raster:scale in {place} must be above 0, found {scale:g}.")
    said = (10000 * (1.0 if scale is None else scale), 10000 * (offset or 0.0))
    unsaid = (scale is None and offset is None) or (said == (10000.0, 0.0) and _whole(row, asset))
    tiff = str(asset.get("type")).startswith("image/tiff")
    return Band(
        name,
        key,
        fields.href(asset, place),
        index,
        _metres(key, row, asset, place),
        None if unsaid else said,
        fields.number(row, asset, "raster:nodata", place, wanted=("nodata",)),
        fields.checksum(asset.get("file:checksum"), place),
        fields.size(asset.get("file:size"), place),
        (not alone, not tiff, key),
    )


def _whole(row: Mapping[str, Any], asset: Mapping[str, Any]) -> bool:
    """Whether a band is said to hold whole numbers: a scale of 1 is then what tools write that know of none."""
    said = [found.get(field) for found in (row, asset) for field in ("raster:data_type", "data_type")]
    return any(isinstance(text, str) and text.startswith(("uint", "int")) for text in said)


def _named(names: Sequence[str], common: str) -> str:
    """Sentinel-2's name of a band: by its common name, which no other sensor shares by chance, else by its own."""
    if common in COMMON:
        return COMMON[common]
    for name in names:
        text = name.lower().removesuffix("-jp2")
        found = NUMBERED.get(text) or COMMON.get(text) or bands.canonical(name)
        if found in bands.ORDER:
            return found
    return ""


def _metres(key: str, row: Mapping[str, Any], asset: Mapping[str, Any], where: str) -> float | None:
    for field in ("raster:spatial_resolution", "gsd"):
        found = fields.number(row, asset, field, where)
        if found is not None and found > 0:
            return found
    transform = asset.get("proj:transform")
    if isinstance(transform, list) and transform and fields.finite(transform[0]) and transform[0] > 0:
        return float(transform[0])
    tail = METRES.search(key)
    return float(tail[1]) if tail else None


def _read(band: Band, properties: Mapping[str, Any], item: str) -> Band:
    """With what the item as a whole says of its numbers.

    Since processing baseline 04.00 Sentinel-2's are shifted by 1000. A catalogue that has shifted them back says so in
    ``earthsearch:boa_offset_applied``, and leaves the old offset in its assets nevertheless.
    """
    if not (str(properties.get("platform", "")).lower().startswith("sentinel-2") or PRODUCT.search(item)):
        return band
    band = band if band.nodata is not None else replace(band, nodata=0.0)
    applied = properties.get("earthsearch:boa_offset_applied") is True
    if applied and band.reading:
        return replace(band, reading=(band.reading[0], 0.0))
    if applied or band.reading:
        return band
    baseline = properties.get("s2:processing_baseline", properties.get("processing:version", ""))
    named = PRODUCT.search(item)
    try:
        number = float(str(baseline) or (f"{named[1]}.{named[2]}" if named else ""))
    except ValueError:
        return band
    return replace(band, reading=(1.0, float(SHIFT))) if number >= SHIFTED_SINCE else band
