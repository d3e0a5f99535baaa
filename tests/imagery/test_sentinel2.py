"""Sentinel-2 products as downloaded: the right bands by name, the offset of baseline 04.00, folders and zips."""

import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.imagery import sentinel2
from satsr.upscale.scene import upscale
from satsr.upscale.work import Options
from tests.tiny_graphs import cubic_graph, image_graph

SIZE = 60
OPTIONS = Options(window=64, overlap=16, margin=4)
BAND_IDS = {"B02": 1, "B03": 2, "B04": 3, "B08": 7}


def quiet(line):
    """Takes no notice."""


def band(path, seed, metres=10, dtype=np.uint16, values=None):
    """A JPEG 2000 file without loss; returns its values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    side = SIZE * 10 // metres
    if values is None:
        values = np.random.default_rng(seed).integers(1300, 3900, (side, side)).astype(dtype)
    lossless = {"QUALITY": 100, "REVERSIBLE": "YES"}
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000000, metres, metres)}
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", count=1, height=side, width=side, dtype=dtype, **place, **lossless
    ) as target:
        target.write(values, 1)
    return values


def metadata(level, baseline, offset):
    """What matters of MTD_MSIL1C.xml and MTD_MSIL2A.xml, in their own words."""
    name = {"L1C": "RADIO", "L2A": "BOA"}[level]
    offsets = "".join(f'<{name}_ADD_OFFSET band_id="{number}">{offset}</{name}_ADD_OFFSET>' for number in range(13))
    quantity = {
        "L1C": '<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>',
        "L2A": '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>'
        '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>',
    }[level]
    return (
        f'<?xml version="1.0"?><n1:User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/"><n1:General_Info>'
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>{quantity}"
        f"{offsets if offset else ''}</n1:General_Info></n1:User_Product>"
    )


@pytest.fixture
def product(tmp_path):
    """``product("L2A", "05.09", -1000)`` is a folder in that layout and the values of its 10 m bands."""

    def make(level, baseline="05.09", offset=-1000):
        stem = "T32TNR_20230723T101601"
        root = tmp_path / f"S2A_MSI{level}_20230723T101601_N0509_R065_T32TNR_20230723T120000.SAFE"
        images = root / "GRANULE" / f"{level}_T32TNR_A042213_20230723T101600" / "IMG_DATA"
        found = {}
        for seed, name in enumerate(BAND_IDS):
            path = images / "R10m" / f"{stem}_{name}_10m.jp2" if level == "L2A" else images / f"{stem}_{name}.jp2"
            found[name] = band(path, seed)
        if level == "L2A":
            for seed, name in enumerate(("AOT", "TCI", "WVP")):
                band(images / "R10m" / f"{stem}_{name}_10m.jp2", 90 + seed)
            for seed, name in enumerate(("B02", "B03", "B04", "B05", "B8A")):
                band(images / "R20m" / f"{stem}_{name}_20m.jp2", 20 + seed, 20)
            classes = np.full((SIZE // 2, SIZE // 2), 4, np.uint8)
            classes[:5, :7] = 9
            band(images / "R20m" / f"{stem}_SCL_20m.jp2", 0, 20, np.uint8, classes)
        else:
            band(images / f"{stem}_B05.jp2", 20, 20)
            band(images / f"{stem}_TCI.jp2", 90)
        (root / f"MTD_MSI{level}.xml").write_text(metadata(level, baseline, offset))
        return root, found

    return make


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("zipped", [False, True])
def test_bands_offset_and_place_of_a_product_are_right(tiny, tmp_path, product, level, zipped):
    root, values = product(level)
    source = root
    if zipped:
        source = tmp_path / "product.zip"
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in root.rglob("*"):
                archive.write(file, file.relative_to(tmp_path))
    model = tiny(image_graph, channels=4)
    upscale(model, source, tmp_path / "out.tif", OPTIONS, quiet)
    stack = np.stack([values[name] for name in ("B04", "B03", "B02", "B08")], axis=-1)
    expected = model(stack - 1000).astype(int) + 1000
    with rasterio.open(tmp_path / "out.tif") as after:
        assert after.descriptions == ("B04", "B03", "B02", "B08")
        assert np.abs(np.moveaxis(after.read(), 0, -1) - expected).max() <= 1
        assert after.crs.to_epsg() == 32632 and after.bounds == (600000, 5000000 - 600, 600600, 5000000)
        assert after.nodata == 0 and after.scales[0] == 1e-4 and after.offsets[0] == -0.1
        assert after.tags()["SENTINEL2_LEVEL"] == level
        assert after.tags()["SENTINEL2_ADD_OFFSET"] == "-1000,-1000,-1000,-1000"


@pytest.mark.parametrize(
    ("baseline", "offset", "expected"), [("02.14", None, 0), ("04.00", None, -1000), ("05.10", -990, -990)]
)
def test_the_offset_follows_the_metadata_and_the_baseline(product, baseline, offset, expected):
    root, _ = product("L1C", baseline, offset)
    assert {layer.offset for layer in sentinel2.scene(root, ("B04", "B03", "B02")).layers} == {expected}


def test_other_resolutions_are_found_where_all_bands_have_them(product):
    root, _ = product("L2A")
    layers = sentinel2.scene(root, ("B05", "B8A", "B02")).layers
    assert all(layer.path.endswith("_20m.jp2") for layer in layers)
    with pytest.raises(SatsrError, match="B08, B05 at one resolution"):
        sentinel2.scene(root, ("B08", "B05"))


def test_clouds_of_the_scene_classification_count_as_missing(product):
    root, _ = product("L2A")
    with sentinel2.scene(root, ("B04", "B03", "B02"), clouds=True) as scene:
        valid = scene.read(1, 30).valid
    assert not valid[:, :9, :14].any() and valid[:, 9:].all() and valid[:, :, 14:].all()


def test_saturated_and_missing_numbers_are_told_apart(tiny, tmp_path, product):
    root, values = product("L1C")
    for name, seed in zip(BAND_IDS, range(4), strict=True):
        holes = values[name].copy()
        holes[:, :10] = 0
        band(next(root.rglob(f"*_{name}.jp2")), seed, values=holes)
    upscale(tiny(cubic_graph), root, tmp_path / "out.tif", OPTIONS, quiet)
    with rasterio.open(tmp_path / "out.tif") as after:
        assert (after.read()[:, :, :40] == 0).all() and (after.read()[:, :, 40:] > 0).all()


def test_a_product_without_metadata_or_with_entities_is_refused(product):
    root, _ = product("L2A")
    path = root / "MTD_MSIL2A.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + path.read_text().partition("?>")[2])
    with pytest.raises(SatsrError, match="declares entities"):
        sentinel2.scene(root, ("B04",))
    path.write_text("<a>")
    with pytest.raises(SatsrError, match="not valid XML"):
        sentinel2.scene(root, ("B04",))
    path.unlink()
    with pytest.raises(SatsrError, match=r"no MTD_MSIL1C\.xml"):
        sentinel2.scene(root, ("B04",))


def test_a_product_with_several_granules_asks_for_one(product):
    root, _ = product("L1C")
    band(root / "GRANULE" / "other" / "IMG_DATA" / "T33UUB_20230723T101601_B04.jp2", 5)
    with pytest.raises(SatsrError, match="several granules"):
        sentinel2.scene(root, ("B04", "B03", "B02"))


def test_a_damaged_zip_gets_a_sentence(tmp_path):
    (tmp_path / "product.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(SatsrError, match="download it again"):
        sentinel2.scene(tmp_path / "product.zip", ("B04",))
