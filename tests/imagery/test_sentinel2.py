"""Sentinel-2 products as downloaded: the right bands by name, the offset of baseline 04.00, folders and zips."""

import zipfile
from functools import partial
from pathlib import PurePath

import numpy as np
import pytest
import rasterio

from satsr.errors import SatsrError
from satsr.imagery import sentinel2
from satsr.upscale.scenes.scene import upscale
from satsr.upscale.work import Options
from tests.products import BANDS, band, make, metadata, stacked, zipped
from tests.tiny_graphs import cubic_graph, image_graph

OPTIONS = Options(window=64, overlap=16, margin=4)


def quiet(line):
    """Takes no notice."""


@pytest.fixture
def product(tmp_path):
    """``product("L2A", "05.09", -1000)`` is a folder in that layout and the values of its 10 m bands."""
    return partial(make, tmp_path)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("packed", [False, True])
def test_bands_offset_and_place_of_a_product_are_right(tiny, tmp_path, product, level, packed):
    root, values = product(level)
    source = zipped(root, tmp_path / "product.zip") if packed else root
    model = tiny(image_graph, channels=4)
    upscale(model, source, tmp_path / "out.tif", OPTIONS, quiet)
    expected = model(stacked(values, ("B04", "B03", "B02", "B08")) - 1000).astype(int) + 1000
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
    assert {layer.offset for layer in sentinel2.raster(root, ("B04", "B03", "B02")).layers} == {expected}


def test_other_resolutions_are_found_where_all_bands_have_them(product):
    root, _ = product("L2A")
    layers = sentinel2.raster(root, ("B05", "B8A", "B02")).layers
    assert all(layer.path.endswith("_20m.jp2") for layer in layers)
    with pytest.raises(SatsrError, match="B08, B05 at one resolution"):
        sentinel2.raster(root, ("B08", "B05"))


def test_clouds_of_the_scene_classification_count_as_missing(product):
    root, _ = product("L2A")
    with sentinel2.raster(root, ("B04", "B03", "B02"), clouds=True) as scene:
        valid = scene.read(1, 30).valid
    assert not valid[:, :9, :14].any() and valid[:, 9:].all() and valid[:, :, 14:].all()


def test_saturated_and_missing_numbers_are_told_apart(tiny, tmp_path, product):
    root, values = product("L1C")
    for name, seed in zip(BANDS, range(4), strict=True):
        holes = values[name].copy()
        holes[:, :10] = 0
        band(next(root.rglob(f"*_{name}.jp2")), seed, values=holes)
    upscale(tiny(cubic_graph), root, tmp_path / "out.tif", OPTIONS, quiet)
    with rasterio.open(tmp_path / "out.tif") as after:
        assert (after.read()[:, :, :40] == 0).all() and (after.read()[:, :, 40:] > 0).all()


def test_a_product_without_metadata_or_with_entities_is_refused(product):
    root, _ = product("L2A")
    path = root / "MTD_MSIL2A.xml"
    declared = '<!DOCTYPE a [<!ENTITY b "c">]>' + path.read_text().partition("?>")[2]
    for encoding in ("utf-8", "utf-16", "utf-16-le"):  # in which a search for the words finds nothing
        path.write_text(f'<?xml version="1.0" encoding="{encoding[:6].strip("-")}"?>' + declared, encoding=encoding)
        with pytest.raises(SatsrError, match=r"declares entities|not valid XML"):
            sentinel2.raster(root, ("B04",))
    path.write_text("<a>")
    with pytest.raises(SatsrError, match="not valid XML"):
        sentinel2.raster(root, ("B04",))
    path.unlink()
    with pytest.raises(SatsrError, match=r"no MTD_MSIL1C\.xml"):
        sentinel2.raster(root, ("B04",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("-1000</BOA", "-1OOO</BOA", r"BOA_ADD_OFFSET of MTD_MSIL2A\.xml in .*\.SAFE is '-1OOO', where a number"),
        ("-1000</BOA", "-1000,0</BOA", r"BOA_ADD_OFFSET .* is '-1000,0'"),
        ("-1000</BOA", "nan</BOA", r"BOA_ADD_OFFSET .* is 'nan'"),
        ("-1000</BOA", "</BOA", r"BOA_ADD_OFFSET .* is ''"),
        ('band_id="3"', 'band_id="E"', r"BOA_ADD_OFFSET .* has the band_id 'E', not 0\.\.12"),
        ('band_id="3"', 'band_id="4"', r"offsets of other bands, but not of B04: download"),
        (">10000</BOA", ">1 0000</BOA", r"QUANTIFICATION_VALUE .* is '1 0000'"),
        (">10000</BOA", ">inf</BOA", r"QUANTIFICATION_VALUE .* is 'inf'"),
        (">10000</BOA", ">0</BOA", r"QUANTIFICATION_VALUE .* is 0, where 10000 is usual"),
    ],
)
def test_a_number_that_cannot_be_read_is_refused_and_nothing_is_taken_in_its_place(product, before, after, words):
    root, _ = product("L2A")
    path = root / "MTD_MSIL2A.xml"
    whole = path.read_text()
    assert before in whole
    path.write_text(whole.replace(before, after))
    with pytest.raises(SatsrError, match=words):
        sentinel2.raster(root, ("B04", "B03", "B02"))


def test_a_baseline_that_cannot_be_read_is_refused_where_it_decides(product):
    root, _ = product("L2A", "05.09", None)
    path = root / "MTD_MSIL2A.xml"
    path.write_text(path.read_text().replace(">05.09<", ">O5.09<"))
    with pytest.raises(SatsrError, match=r"PROCESSING_BASELINE of MTD_MSIL2A\.xml .* is 'O5\.09'"):
        sentinel2.raster(root, ("B04",))


def test_without_a_quantification_it_is_10000(product):
    root, _ = product("L2A")
    path = root / "MTD_MSIL2A.xml"
    path.write_text(
        path.read_text().replace('<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>', "")
    )
    assert [(layer.gain, layer.offset) for layer in sentinel2.raster(root, ("B04",)).layers] == [(1, -1000)]


def test_a_product_with_several_granules_asks_for_one(product):
    root, _ = product("L1C")
    band(root / "GRANULE" / "other" / "IMG_DATA" / "T33UUB_20230723T101601_B04.jp2", 5)
    with pytest.raises(SatsrError, match="several granules"):
        sentinel2.raster(root, ("B04", "B03", "B02"))


def test_a_damaged_zip_gets_a_sentence(tmp_path):
    (tmp_path / "product.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(SatsrError, match="download it again"):
        sentinel2.raster(tmp_path / "product.zip", ("B04",))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("image", ["B03_10m", "SCL_20m"])
def test_one_wrong_bit_of_an_image_in_a_zip_is_found(product, tmp_path, compression, image):
    root, _ = product("L2A")
    path = zipped(root, tmp_path / "product.zip", compression)
    with zipfile.ZipFile(path) as archive:
        (member,) = [member for member in archive.infolist() if image in member.filename]
    with sentinel2.raster(path, ("B04", "B03", "B02"), clouds=True) as scene:
        scene.read(0, scene.height)
    content = bytearray(path.read_bytes())
    content[member.header_offset + member.compress_size * 3 // 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(SatsrError, match=rf"{image}\.jp2 in .*product\.zip is damaged .*: download it again"):
        sentinel2.raster(path, ("B04", "B03", "B02"), clouds=True)


def test_scene_classes_that_cannot_be_decoded_are_a_sentence(product):
    root, _ = product("L2A", size=300)
    (classes,) = root.rglob("*_SCL_20m.jp2")
    classes.write_bytes(classes.read_bytes()[:-50])
    with (
        sentinel2.raster(root, ("B04", "B03", "B02"), clouds=True) as scene,
        pytest.raises(SatsrError, match=r"_SCL_20m\.jp2 cannot be read at"),
    ):
        scene.read(0, scene.height)


def test_band_names_that_sentinel_2_does_not_have_are_named(product):
    root, _ = product("L2A")
    with pytest.raises(SatsrError, match=r"--bands names B99, pan, but Sentinel-2 has B01, B02"):
        sentinel2.raster(root, (), given=("B04", "B99", "pan"))


@pytest.mark.parametrize(("baseline", "expected"), [("04.00", -1000), ("02.14", 0)])
def test_the_name_tells_the_baseline_where_the_metadata_do_not(product, baseline, expected):
    root, _ = product("L1C", baseline, None)
    (root / "MTD_MSIL1C.xml").write_text(metadata("L1C", "", None))
    assert {layer.offset for layer in sentinel2.raster(root, ("B04", "B02")).layers} == {expected}
    assert sentinel2.named_baseline(PurePath("a", root.name, "b.tif")) == baseline
    assert sentinel2.named_offset(PurePath(root.name)) == expected
    assert sentinel2.named_offset(PurePath("T32TNR_20230723.tif")) is None


def test_a_product_stands_for_its_files_among_others(product, tmp_path):
    root, _ = product("L1C")
    old = tmp_path / "renamed"
    (old / "GRANULE").mkdir(parents=True)
    for file in (old / "MTD_MSIL2A.xml", old / "GRANULE/a.jp2", tmp_path / "a.tif", tmp_path / "no.SAFE" / "b.tif"):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert sentinel2.grouped(tmp_path, files) == sorted([root, old, tmp_path / "a.tif", tmp_path / "no.SAFE/b.tif"])
    assert sentinel2.grouped(root, [file for file in files if root in file.parents]) == [root]
    packed = zipped(root, tmp_path / "any.zip")
    other = zipped(old / "GRANULE", tmp_path / "other.zip")
    assert [sentinel2.holds_product(path) for path in (root, packed, other, tmp_path / "a.tif")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_products_of_several_baselines_are_refused_unless_they_are_wanted(product):
    products = [product("L2A", "05.09", day="20230723")[0], product("L2A", "05.10", day="20230728")[0]]
    with pytest.raises(SatsrError, match=r"2 processing baselines: 05.09 \(S2A.*05.10 \(S2A.*mixed_baselines: true"):
        sentinel2.require_one_baseline(products, None)
    sentinel2.require_one_baseline(products, True)
    sentinel2.require_one_baseline(products[:1], None)


def test_bands_encoded_in_several_ways_are_not_for_training(product):
    root, _ = product("L2A")
    path = root / "MTD_MSIL2A.xml"
    assert sentinel2.common_offset(root, sentinel2.raster(root, ("B04", "B02")).layers) == -1000
    path.write_text(path.read_text().replace('band_id="1">-1000', 'band_id="1">-990'))
    with pytest.raises(SatsrError, match=r"B04: -1000 after a factor of 1, B02: -990"):
        sentinel2.common_offset(root, sentinel2.raster(root, ("B04", "B02")).layers)


def test_metadata_that_are_damaged_in_a_zip_get_a_sentence(product, tmp_path):
    root, _ = product("L1C")
    path = zipped(root, tmp_path / "product.zip")
    content = bytearray(path.read_bytes())
    name = f"{root.name}/MTD_MSIL1C.xml".encode()
    begin = content.index(name)
    for place, byte in ((begin, b"?"), (begin + len(name) + 20, bytes([content[begin + len(name) + 20] ^ 0xFF]))):
        damaged = bytes(content[:place]) + byte + bytes(content[place + 1 :])
        path.write_bytes(damaged)
        with pytest.raises(SatsrError, match=r"MTD_MSIL1C.xml in .* cannot be read .*: download it again"):
            sentinel2.raster(path, ("B04",))
