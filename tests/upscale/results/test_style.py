"""The style that QGIS takes with a result, read as QGIS reads it: by its elements and attributes."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.upscale.results import own, style

TAGS = {"SATSR_MODEL": 'a "model" <of> & mine', "AREA": "not ours"}


def scene(path, values, **more):
    scales, offsets = more.pop("scales", None), more.pop("offsets", None)
    profile = {"driver": "GTiff", "height": values.shape[1], "width": values.shape[2], "count": len(values)}
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000000, 10, 10)}
    with rasterio.open(path, "w", **profile, **place, dtype=values.dtype, **more) as target:
        target.write(values)
        if scales:
            target.scales, target.offsets = scales, offsets
    return path


def read(path):
    text = path.read_text()
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis ")
    root = ET.fromstring(text)
    assert root.get("version").startswith("3.")
    (renderer,) = root.findall("pipe/rasterrenderer")
    assert renderer.find("minMaxOrigin/limits").text == "None"
    ends = {}
    for stretch in renderer:
        if stretch.tag.lower().endswith("contrastenhancement"):
            assert stretch.find("algorithm").text == "StretchToMinimumMaximum"
            ends[stretch.tag] = [float(stretch.find(side).text) for side in ("minValue", "maxValue")]
    return root, renderer, ends


def test_three_bands_are_stretched_by_their_own_percentiles(tmp_path):
    values = np.random.default_rng(0).integers(1, 9000, (4, 300, 200), dtype=np.uint16)
    values[1] //= 3
    made = style.write(scene(tmp_path / "sharp.tif", values), [2, 1, 0], TAGS)
    assert made == tmp_path / "sharp.qml"
    _, renderer, ends = read(made)
    assert renderer.get("type") == "multibandcolor"
    assert [renderer.get(f"{colour}Band") for colour in ("red", "green", "blue")] == ["3", "2", "1"]
    for colour, band in (("red", 2), ("green", 1), ("blue", 0)):
        expected = np.percentile(values[band], (2, 98))
        np.testing.assert_allclose(ends[f"{colour}ContrastEnhancement"], expected, rtol=1e-8)


def test_missing_pixels_do_not_count_and_scale_and_offset_are_applied(tmp_path):
    values = np.random.default_rng(1).integers(1001, 5000, (1, 90, 90), dtype=np.uint16)
    values[:, :40] = 0
    path = scene(tmp_path / "gray.tif", values, nodata=0, scales=(1e-4,), offsets=(-0.1,))
    _, renderer, ends = read(style.write(path, [0], TAGS))
    assert (renderer.get("type"), renderer.get("grayBand")) == ("singlebandgray", "1")
    expected = np.percentile(values[values > 0], (2, 98)) * 1e-4 - 0.1
    np.testing.assert_allclose(ends["contrastEnhancement"], expected, rtol=1e-7)


def test_one_value_or_none_still_gives_a_stretch(tmp_path):
    empty = np.full((1, 30, 30), np.nan, np.float32)
    _, _, ends = read(style.write(scene(tmp_path / "e.tif", empty), [0], TAGS))
    assert ends["contrastEnhancement"] == [0, 1]
    _, _, ends = read(style.write(scene(tmp_path / "f.tif", np.full((1, 30, 30), 7, np.uint8)), [0], TAGS))
    assert ends["contrastEnhancement"] == [7, 8]


def test_large_results_are_seen_through_their_overviews(tmp_path):
    ramp = np.broadcast_to(np.linspace(0, 60000, 3000), (1, 1500, 3000)).astype(np.uint16)
    path = scene(tmp_path / "large.tif", ramp, tiled=True)
    with rasterio.open(path, "r+") as target:
        target.build_overviews([2, 4], rasterio.enums.Resampling.average)
    _, _, ends = read(style.write(path, [0], TAGS))
    np.testing.assert_allclose(ends["contrastEnhancement"], np.percentile(ramp, (2, 98)), atol=60)


def test_a_style_is_the_same_every_time_and_known_as_ours(tmp_path):
    path = scene(tmp_path / "a.tif", np.random.default_rng(2).integers(0, 255, (3, 40, 40), dtype=np.uint8))
    made = style.write(path, [0, 1, 2], TAGS)
    first = made.read_bytes()
    assert style.write(path, [0, 1, 2], TAGS).read_bytes() == first
    assert not own.foreign(made)
    root, _, _ = read(made)
    properties = {option.get("name"): option.get("value") for option in root.iter("Option") if option.get("name")}
    assert properties == {"SATSR_MODEL": TAGS["SATSR_MODEL"]}
    made.write_text("<qgis/>")
    assert own.foreign(made) == ["a.qml"]


@pytest.mark.parametrize("name", ["a.tif", "a.b.TIFF"])
def test_the_style_bears_the_name_by_which_qgis_finds_it(name, tmp_path):
    assert style.beside(tmp_path / name).name == name.rpartition(".")[0] + ".qml"
