"""The bands of a STAC Item that a model takes, as a scene of separate files, as a Sentinel-2 product is one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rasterio.enums import ColorInterp

from satsr.download.fetch import Patience
from satsr.errors import SatsrError
from satsr.imagery import bands
from satsr.imagery.gdal import opened
from satsr.imagery.raster import Layer, Raster
from satsr.imagery.sentinel2 import COLOURS
from satsr.stac import files
from satsr.stac.item import Band, Item, read


def raster(
    path: Path,
    wanted: Sequence[str],
    *,
    given: Sequence[str] = (),
    patience: Patience | None = None,
) -> Raster:
    """The bands of an item that a model takes, their files fetched where they lie elsewhere.

    Args:
        path: of the item.
        wanted: names of the model's bands.
        given: the user's choice instead, as names.
        patience: with the servers.

    Raises:
        SatsrError: the item is none, lacks a band, or its files cannot be had, are not what it says, or lie on
            different grids.
    """
    return of(read(path), path, wanted, given=given, patience=patience)


def of(
    item: Item, path: Path, wanted: Sequence[str], *, given: Sequence[str] = (), patience: Patience | None = None
) -> Raster:
    """As :func:`raster`, of an item that was read from ``path``, which may hold several.

    Raises:
        SatsrError: as :func:`raster`.
    """
    chosen = item.pick(_names(item, path, wanted, given), f"the item {item.name} of {path}")
    return _made(item, chosen, path, patience)


def others(path: Path, taken: Sequence[Layer], *, patience: Patience | None = None) -> list[Raster]:
    """Every other band of an item, the finest of each, on whatever grid: a raster each.

    Args:
        path: of the item.
        taken: layers that :func:`raster` found.
        patience: with the servers.

    Raises:
        SatsrError: as :func:`raster`.
    """
    item = read(path)
    found = item.others([layer.name or "" for layer in taken])
    return [_made(item, [band], path, patience) for band in found]


def _made(item: Item, chosen: Sequence[Band], path: Path, patience: Patience | None) -> Raster:
    found = [files.located(item, band, path, patience) for band in chosen]
    layers = [_layer(band, file) for band, file in zip(chosen, found, strict=True)]
    nodata = _require_one_grid(layers, chosen, path)
    return Raster(layers, nodata, dict(item.tags), list(dict.fromkeys(found)))


def _names(item: Item, path: Path, wanted: Sequence[str], given: Sequence[str]) -> list[str]:
    names = [bands.canonical(name) for name in (given or wanted)]
    unknown = [text for text, name in zip(given, names, strict=False) if name not in bands.ORDER]
    if unknown or not names or not all(names):
        said = f"--bands names {', '.join(unknown)}" if unknown else "this model does not say which bands it takes"
        raise SatsrError(
            f"{said}; {path} has {item.listed}: name some of these, in the model's order, for instance --bands "
            "B04,B03,B02."
        )
    return names


def _layer(band: Band, file: Path) -> Layer:
    """The item's word on scale and offset goes before the file's."""
    with opened(file) as dataset:
        if band.index > dataset.count:
            raise SatsrError(f"{file} has {dataset.count} bands, but the item names band {band.index}: fetch it again.")
        scale, offset = dataset.scales[band.index - 1], dataset.offsets[band.index - 1]
    own = (1.0, 0.0) if (scale, offset) == (1.0, 0.0) else (10000 * scale, 10000 * offset)
    gain, shift = band.reading or own
    return Layer(str(file), band.index, band.name, COLOURS.get(band.name, ColorInterp.undefined), gain, shift)


def _require_one_grid(layers: Sequence[Layer], chosen: Sequence[Band], path: Path) -> float | None:
    """The nodata value of the bands, which must lie on one grid, in one CRS and in one type.

    Raises:
        SatsrError: they do not.
    """
    facts = [_facts(layer) for layer in layers]
    words = ("size", "grid", "coordinate reference system", "type of numbers")
    for band, fact in zip(chosen, facts, strict=True):
        differs = [word for word, one, other in zip(words, fact, facts[0], strict=False) if one != other]
        if differs:
            raise SatsrError(
                f"the assets {chosen[0].key} and {band.key} of {path} differ in their {' and '.join(differs)}, but "
                "bands of one grid are expected: warp them to one, and name these files in the item."
            )
    said = {fact[4] if band.nodata is None else band.nodata for band, fact in zip(chosen, facts, strict=True)}
    known = {value for value in said if value is not None and value == value}  # NaN is missing anyway
    if len(known) > 1:
        listed = ", ".join(f"{value:g}" for value in sorted(known))
        raise SatsrError(f"the assets of {path} have several nodata values ({listed}): bring them to one.")
    return next(iter(known), None)


def _facts(layer: Layer) -> tuple[Any, ...]:
    """Size, grid, CRS, type and nodata value of a band."""
    with opened(layer.path) as dataset:
        place = layer.index - 1
        return dataset.shape, dataset.transform, dataset.crs, dataset.dtypes[place], dataset.nodatavals[place]
