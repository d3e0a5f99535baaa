"""How QGIS draws a result: a style of its name beside it, which QGIS 3 takes when it opens the GeoTIFF.

Red, green and blue, or one band in gray, are each stretched from the 2nd to the 98th percentile of the result. A band's
scale and offset are applied to these limits, since QGIS applies them to its values.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from satsr.files import write_text
from satsr.imagery.gdal import opened

PERCENTILES = (2, 98)
LARGEST = 1024
"""Pixels a side that percentiles are taken from; larger results are seen through their overviews."""
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
COLOURS = ("red", "green", "blue")
Limits = tuple[float, float]


def beside(result: Path) -> Path:
    """Where the style of a result lies."""
    return result.with_suffix(".qml")


def write(result: Path, shown: Sequence[int], tags: Mapping[str, str]) -> Path:
    """Writes the style of a finished GeoTIFF.

    Args:
        result: to be drawn.
        shown: places of three bands for red, green and blue, or of one.
        tags: what made it, by which the style is known as satsr's (:mod:`satsr.upscale.results.own`).

    Returns:
        Its path.
    """
    with opened(result) as raster:
        limits = [_limits(raster, place + 1) for place in shown]
    target = beside(result)
    write_text(target, DOCTYPE + ET.tostring(_styled(shown, limits, tags), encoding="unicode") + "\n")
    return target


def _limits(raster: Any, band: int) -> Limits:
    """The stretch of a band, in the numbers that QGIS shows."""
    step = max(1, -(-max(raster.shape) // LARGEST))
    height, width = (-(-side // step) for side in raster.shape)
    found = raster.read(band, out_shape=(height, width), masked=True).compressed()
    found = found[np.isfinite(found)]
    low, high = np.percentile(found, PERCENTILES).tolist() if found.size else (0.0, 0.0)
    scale, offset = raster.scales[band - 1], raster.offsets[band - 1]
    return scale * low + offset, scale * (high if high > low else low + 1) + offset


def _styled(shown: Sequence[int], limits: Sequence[Limits], tags: Mapping[str, str]) -> "ET.Element[str]":
    root = ET.Element("qgis", {"version": "3.22.0", "styleCategories": "Symbology|CustomProperties"})
    properties = ET.SubElement(ET.SubElement(root, "customproperties"), "Option", {"type": "Map"})
    for name, text in sorted(tags.items()):
        if name.startswith("SATSR_"):
            ET.SubElement(properties, "Option", {"name": name, "type": "QString", "value": text})
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(pipe, "rasterrenderer", {"opacity": "1", "alphaBand": "-1", "nodataColor": ""})
    ET.SubElement(renderer, "rasterTransparency")
    ET.SubElement(ET.SubElement(renderer, "minMaxOrigin"), "limits").text = "None"  # these numbers, and no others
    if len(shown) == len(COLOURS):
        renderer.set("type", "multibandcolor")
        for colour, place, ends in zip(COLOURS, shown, limits, strict=True):
            renderer.set(f"{colour}Band", str(place + 1))
            _stretch(renderer, f"{colour}ContrastEnhancement", ends)
    else:
        renderer.attrib |= {"type": "singlebandgray", "grayBand": str(shown[0] + 1), "gradient": "BlackToWhite"}
        _stretch(renderer, "contrastEnhancement", limits[0])
    ET.SubElement(pipe, "brightnesscontrast", {"brightness": "0", "contrast": "0", "gamma": "1"})
    ET.SubElement(pipe, "rasterresampler", {"maxOversampling": "2"})
    ET.SubElement(root, "blendMode").text = "0"
    ET.indent(root)
    return root


def _stretch(renderer: "ET.Element[str]", name: str, ends: Limits) -> None:
    stretch = ET.SubElement(renderer, name)
    for side, value in zip(("minValue", "maxValue"), ends, strict=True):
        ET.SubElement(stretch, side).text = f"{value:.9g}"
    ET.SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
