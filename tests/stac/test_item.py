"""What items of known catalogues say, in their own words, is understood; what makes no sense is a sentence."""

import json

import pytest

from satsr.errors import SatsrError
from satsr.stac.item import MAX_ASSETS, is_address, is_item, parse, read

RGB = ["B04", "B03", "B02"]


def item(assets, name="an item", **properties):
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "properties": properties, "assets": assets}


def asset(**more):
    return {"href": "https://example.com/a.tif", **more}


EARTH_SEARCH = {
    key: asset(
        **{"type": "image/tiff; application=geotiff; profile=cloud-optimized", "roles": ["data", "reflectance"]},
        **{"eo:bands": [{"name": key, "common_name": common}], "gsd": metres},
        **{"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1, "spatial_resolution": metres}]},
    )
    for key, common, metres in (
        *(("red", "red", 10), ("green", "green", 10), ("blue", "blue", 10), ("nir", "nir", 10)),
        *(("nir08", "nir08", 20), ("rededge1", "rededge", 20), ("rededge2", "rededge", 20), ("swir22", "swir22", 20)),
    )
}
EARTH_SEARCH |= {
    "red-jp2": {**EARTH_SEARCH["red"], "type": "image/jp2", "href": "s3://bucket/B04.jp2"},
    "visual": asset(roles=["visual"], **{"eo:bands": [{"name": "red", "common_name": "red"}] * 3}),
}
PLANETARY = {
    key: asset(roles=["data"], gsd=10.0, **{"eo:bands": [{"name": key, "common_name": common}]})
    for key, common in (("B04", "red"), ("B03", "green"), ("B02", "blue"))
}
PLANETARY["visual"] = asset(roles=["data"], gsd=10, **{"eo:bands": [row["eo:bands"][0] for row in PLANETARY.values()]})
COPERNICUS = {
    f"{band}_{metres}m": asset(
        roles=["data"], gsd=metres, bands=[{"name": band}], **{"raster:scale": 0.0001, "raster:offset": -0.1}, nodata=0
    )
    for band in RGB
    for metres in (10, 20, 60)
}


@pytest.mark.parametrize(
    ("assets", "properties", "keys", "reading"),
    [
        (EARTH_SEARCH, {"platform": "sentinel-2a"}, ["red", "green", "blue"], (1.0, -1000.0)),
        (EARTH_SEARCH, {"platform": "sentinel-2a", "earthsearch:boa_offset_applied": True}, None, (1.0, 0.0)),
        (PLANETARY, {"platform": "Sentinel-2A", "s2:processing_baseline": "05.09"}, RGB, (1.0, -1000.0)),
        (PLANETARY, {"platform": "Sentinel-2A", "s2:processing_baseline": "03.01"}, RGB, None),
        (COPERNICUS, {"platform": "sentinel-2b"}, ["B04_10m", "B03_10m", "B02_10m"], (1.0, -1000.0)),
    ],
)
def test_bands_and_their_numbers_are_found_in_the_words_of_each_catalogue(assets, properties, keys, reading):
    chosen = parse(item(assets, **properties), "here").pick(RGB, "here")
    assert [band.key for band in chosen] == (keys or ["red", "green", "blue"])
    assert [band.reading for band in chosen] == [reading] * 3
    assert {(band.index, band.metres, band.nodata) for band in chosen} == {(1, 10.0, 0.0)}


def test_the_only_item_of_a_search_is_meant():
    assert parse({"type": "FeatureCollection", "features": [item(PLANETARY, "mine")]}, "here").name == "mine"


def test_the_baseline_is_known_from_a_products_name():
    name = "S2A_MSIL2A_20230723T101601_N0509_R065_T32TNR_20230723T120000"
    assert parse(item(PLANETARY, name), "here").pick(RGB, "here")[0].reading == (1.0, -1000.0)


def test_bands_of_20_m_go_by_their_common_names_or_by_their_keys():
    chosen = parse(item(EARTH_SEARCH), "here").pick(["B05", "B06", "B8A", "B12"], "here")
    assert [band.key for band in chosen] == ["rededge1", "rededge2", "nir08", "swir22"]


def test_a_common_name_goes_before_the_number_that_another_sensor_gives_a_band():
    landsat = {
        key: asset(**{"eo:bands": [{"name": name, "common_name": common}], "gsd": 30})
        for key, name, common in (("nir08", "B5", "nir08"), ("red", "B4", "red"), ("green", "B3", "green"))
    }
    found = parse(item(landsat, platform="landsat-8"), "here")
    assert {band.key: band.name for band in found.bands} == {"nir08": "B8A", "red": "B04", "green": "B03"}
    assert found.bands[0].reading is None


def test_bands_of_one_file_have_their_places_in_it():
    rows = [{"common_name": common} for common in ("blue", "green", "red", "nir")]
    stack = asset(**{"eo:bands": rows, "raster:bands": [{"scale": 0.0002}] * 4}, gsd=3)
    chosen = parse(item({"analytic": stack}), "here").pick(RGB, "here")
    assert [(band.index, band.reading) for band in chosen] == [(3, (2.0, 0.0)), (2, (2.0, 0.0)), (1, (2.0, 0.0))]


def test_all_other_bands_are_the_finest_of_each():
    found = parse(item(EARTH_SEARCH), "here")
    others = found.others(RGB)
    assert [band.key for band in others] == ["rededge1", "rededge2", "nir", "nir08", "swir22"]


@pytest.mark.parametrize(
    ("text", "checksum"),
    [
        ("1220" + "ab" * 32, "sha256:" + "ab" * 32),
        ("d50110" + "0F" * 16, "md5:" + "0f" * 16),
        ("1114" + "01" * 20, "sha1:" + "01" * 20),
        (None, None),
    ],
)
def test_a_checksum_is_read_as_a_multihash(text, checksum):
    found = parse(item({"B04": asset(**{"file:checksum": text})}), "here")
    assert found.bands[0].checksum == checksum


def test_what_is_said_stands_in_the_results_tags():
    found = parse({**item(PLANETARY, platform="sentinel-2a", datetime="2023-07-23T10:16:01Z"), "collection": 7}, "here")
    assert found.tags == {
        "STAC_ITEM": "an item",
        "STAC_DATETIME": "2023-07-23T10:16:01Z",
        "STAC_PLATFORM": "sentinel-2a",
    }


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([], "is something else, but a STAC Item is expected"),
        ({"type": "FeatureCollection"}, "is a FeatureCollection, but"),
        ({"type": "FeatureCollection", "features": [item({}), item({})]}, "here holds 2 items"),
        ({"type": "Collection", "stac_version": "1.0.0"}, "is a Collection, but"),
        ({"type": "Feature"}, "is a Feature, but"),
        (item([]), "assets in here must be an object, found \\[\\]"),
        (item({"a": 3}), "a in here must be an object, found 3"),
        ({**item({}), "id": 7}, "id in here must be a text, found 7"),
        (item({str(place): {} for place in range(MAX_ASSETS + 1)}), "lists 1001 assets"),
        (item({"B04": {}}), "href in here, asset B04 must be a text, found None"),
        (item({"B04": asset(**{"eo:bands": [1]})}), "eo:bands in here, asset B04 must be a list of objects"),
        (item({"B04": {"href": "http://[x/a.tif"}}), "href in here, asset B04 is .* which is no address"),
        (item({"B04": {"href": "a\0.tif"}}), "href in here, asset B04 is .* which is no address"),
        (item({"B04": asset(gsd="10")}), "gsd in here, asset B04 must be a number, found '10'"),
        (
            item({"B04": asset(**{"raster:bands": [{"scale": True}]})}),
            "raster:scale in .* a number, found True",
        ),
        (item({"B04": asset(**{"raster:scale": 0})}), "raster:scale in .* must be above 0, found 0"),
        (item({"B04": asset(gsd=10**400)}), "gsd in .* must be a number, found 1000"),
        (item({"B04": asset(gsd=float("nan"))}), "gsd in .* must be a number, found nan"),
        (item({"B04": asset(**{"file:checksum": "1220ab"})}), "no multihash of MD5, SHA-1, SHA-256 or SHA-512"),
        (item({"B04": asset(**{"file:checksum": 5})}), "no multihash"),
        (item({"B04": asset(**{"file:size": -5})}), "file:size in .* must be a whole number of bytes, found -5"),
    ],
)
def test_what_is_no_item_is_a_sentence(found, sentence):
    with pytest.raises(SatsrError, match=sentence):
        parse(found, "here")


def test_missing_bands_are_named_with_those_that_are_there():
    found = parse(item({key: value for key, value in COPERNICUS.items() if key != "B03_10m"}), "here")
    assert [band.key for band in found.pick(RGB, "here")] == ["B04_20m", "B03_20m", "B02_20m"]
    with pytest.raises(
        SatsrError, match=r"here does not have B04, B08 at one resolution \(it has 10 m: B02, B04; 20 m:"
    ):
        found.pick(["B04", "B08"], "here")
    with pytest.raises(SatsrError, match="it has no bands"):
        parse(item({"thumbnail": asset(roles=["thumbnail"])}), "here").pick(RGB, "here")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"type": ' + "9" * 5000 + "}"])
def test_damaged_json_is_a_sentence(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SatsrError, match="not valid JSON"):
        read(tmp_path / "a.json")


def test_items_are_known_by_their_names_and_addresses_by_their_scheme(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(item({})))
    assert is_item(tmp_path / "a.json") and not is_item(tmp_path / "b.json") and not is_item(tmp_path)
    assert (
        is_address("https://a/b.json") and is_address("HTTP://a") and not is_address("C:/a") and not is_address("a/b")
    )
