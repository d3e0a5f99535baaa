"""STAC items as the dates of a series: a folder of them, a search, or named one by one, on disk and on a server."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from satsr.cli import main
from satsr.errors import SatsrError
from satsr.stac.files import fetched_item
from satsr.stac.item import parse
from satsr.stac.series import day, days, inside, search
from satsr.upscale.choice import kinds_of
from satsr.upscale.many.batch import scenes
from satsr.upscale.options import Options
from satsr.upscale.scenes.series import upscale_series
from tests.stac.conftest import geotiff, item, serve
from tests.tiny_graphs import series_graph

RGB = ("B04", "B03", "B02")
DAYS = ("2018-05-01", "2018-06-05", "2018-06-15", "2018-06-20", "2018-07-20", "2018-08-20")
OPTIONS = Options(window=64, overlap=16, margin=4, date="2018-06-15")
WORDS = ("--force", "--window", "64", "--overlap", "16", "--margin", "4", "--date", "2018-06-15")


def level(path: Path, value: int, **more: object) -> Path:
    """An asset of 60 x 60 px (10 m) with one value everywhere."""
    geotiff(path, 0, **more)
    with rasterio.open(path, "r+") as target:
        target.write(np.full((1, target.height, target.width), value, np.uint16))
    return path


def clouds(path: Path) -> Path:
    """Scene classes of 20 m: 9, cloud, in the first ten rows and columns; 4, vegetation, elsewhere."""
    geotiff(path, 0, metres=20, dtype="uint8")
    values = np.full((1, 30, 30), 4, np.uint8)
    values[:, :10, :10] = 9
    with rasterio.open(path, "r+") as target:
        target.write(values)
    return path


def dated(folder: Path, place: int, when: str = "", **assets: Path) -> Path:
    """An item of the day ``DAYS[place]`` whose bands have the value 500 + 100 * place, and other assets."""
    value = 500 + 100 * place
    bands = {name: level(folder / f"{place}_{name}.tif", value) for name in RGB}
    said = {name: {"href": f"./{file.name}", "roles": ["data"], "gsd": 10} for name, file in bands.items()}
    said |= {name: {"href": f"./{file.name}", "roles": ["data"], "gsd": 20} for name, file in assets.items()}
    return item(folder, said, f"item_{place}", datetime=when or f"{DAYS[place]}T10:16:01Z")


@pytest.fixture
def season(tmp_path: Path) -> list[Path]:
    """Six items in one folder, their assets and a thumbnail beside them; the day is nowhere in a name."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.json").write_text('{"author": "me"}')
    return [dated(tmp_path / "in", place) for place in range(len(DAYS))]


def collection(path: Path, items: list[Path], **more: object) -> Path:
    """A search's answer with some items."""
    found = [json.loads(one.read_text()) for one in items]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": found, **more}))
    return path


def merged(model: object, source: Path | list[Path], output: Path, lines: list[str] | None = None) -> np.ndarray:
    upscale_series(model, source, output, OPTIONS, (lines if lines is not None else []).append)
    with rasterio.open(output) as made:
        return made.read()


def expected() -> float:
    """The tiny network weighs dates by exp(-days)."""
    weights = np.exp(-np.array([10.0, 0, 5, 35]))
    return float(weights @ np.array([600, 700, 800, 900]) / weights.sum())


def test_a_folder_a_search_and_items_one_by_one_are_the_same_series(tiny, tmp_path, season) -> None:
    lines: list[str] = []
    model = tiny(series_graph)
    sr = merged(model, season[0].parent, tmp_path / "folder.tif", lines)
    assert lines[0] == "6 dates, for 2018-06-15: 2018-06-05, 2018-06-15, 2018-06-20, 2018-07-20"
    assert sr.shape == (3, 120, 120) and np.abs(sr - expected()).max() <= 1
    found = collection(season[0].parent / "found.json", season)
    (tmp_path / "in/found.json").rename(tmp_path / "found.json")
    for file in (tmp_path / "in").glob("*_B0*.tif"):
        (tmp_path / file.name).hardlink_to(file)
    np.testing.assert_array_equal(merged(model, tmp_path / found.name, tmp_path / "search.tif"), sr)
    np.testing.assert_array_equal(merged(model, season[::-1], tmp_path / "words.tif"), sr)
    with rasterio.open(tmp_path / "words.tif") as made:
        assert made.tags()["STAC_ITEM"] == "item_2" and made.tags()["STAC_DATETIME"] == "2018-06-15T10:16:01Z"


@pytest.mark.slow
def test_a_search_on_the_web_is_a_series_of_which_only_the_nearest_dates_are_fetched(server, tmp_path, season) -> None:
    found = collection(season[0].parent / "found.json", season)
    address, model = serve(server, found), series_graph(tmp_path / "m.onnx")
    assert main(["upscale", f"{address}?limit=6", f"{tmp_path}/a.tif", "--model", str(model), *WORDS]) == 0
    with rasterio.open(tmp_path / "a.tif") as made:
        assert np.abs(made.read() - expected()).max() <= 1 and made.tags()["STAC_ITEM"] == "item_2"
    asked = {path for path, _ in server.requests}
    assert asked == {"/stac/found.json", *(f"/stac/{place}_{name}.tif" for place in (1, 2, 3, 4) for name in RGB)}
    addresses = [serve(server, path) for path in season[1:5]]
    assert main(["upscale", *addresses, f"{tmp_path}/b.tif", "--model", str(model), *WORDS]) == 0
    with rasterio.open(tmp_path / "b.tif") as one, rasterio.open(tmp_path / "a.tif") as other:
        np.testing.assert_array_equal(one.read(), other.read())


@pytest.mark.slow
def test_all_pages_that_pystac_client_finds_and_saves_are_a_series(server, tmp_path, season) -> None:
    from pystac_client import Client

    api, classes = f"{server.url}/stac", "https://api.stacspec.org/v1.0.0/{}".format
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "an API"}
    links = [{"rel": "self", "href": api}, {"rel": "search", "href": f"{api}/search", "method": "GET"}]
    served = [json.loads(Path(path).read_text()) for path in season]
    for found in served:
        for asset in found["assets"].values():
            asset["href"] = f"{api}/{Path(asset['href']).name}"
        found |= {"bbox": [7, 45, 8, 46], "geometry": {"type": "Point", "coordinates": [7.5, 45.5]}}
    serve(server, season[0])
    first, second = ({"type": "FeatureCollection", "features": served[part]} for part in (slice(3), slice(3, None)))
    following = {"rel": "next", "href": f"{api}/more", "method": "GET"}
    for path, said in (
        ("", root | {"conformsTo": [classes("core"), classes("item-search")], "links": links}),
        ("/search", first | {"links": [following]}),
        ("/more", second),
    ):
        server.files[f"/stac{path}"] = json.dumps(said).encode()

    days = f"{DAYS[0]}/{DAYS[-1]}"
    found = Client.open(api).search(collections=["sentinel-2-l2a"], bbox=[7, 45, 8, 46], datetime=days, method="GET")
    found.item_collection().save_object(str(tmp_path / "found.json"))
    model = series_graph(tmp_path / "m.onnx")
    assert main(["upscale", f"{tmp_path}/found.json", f"{tmp_path}/sharp.tif", "--model", str(model), *WORDS]) == 0
    with rasterio.open(tmp_path / "sharp.tif") as made:
        assert np.abs(made.read() - expected()).max() <= 1 and made.tags()["STAC_ITEM"] == "item_2"


def test_what_the_scene_classes_call_cloud_is_filled_from_the_other_dates(tiny, tmp_path, season) -> None:
    folder = season[0].parent
    dated(folder, 2, scl=clouds(folder / "classes.tif"))
    sr = merged(tiny(series_graph), folder, tmp_path / "out.tif")
    # Under the cloud the wanted date counts as the median of the other three: 600, 800, 900.
    assert np.abs(sr[:, :38, :38].astype(int) - 800).max() <= 1 and np.abs(sr[:, 50:, 50:].astype(int) - 700).max() <= 3
    geotiff(folder / "classes.tif", 0, metres=20, epsg=32633, dtype="uint8")
    with pytest.raises(SatsrError, match=r"classes\.tif does not lie over the image"):
        merged(tiny(series_graph), folder, tmp_path / "other.tif")
    (folder / "classes.tif").unlink()
    with pytest.raises(SatsrError, match=r"the asset scl .* is not there"):
        merged(tiny(series_graph), folder, tmp_path / "other.tif")


def test_dates_are_those_of_the_items_in_universal_time(tmp_path: Path) -> None:
    for when, expected_day in (
        ("2018-06-15T23:30:00-02:00", "2018-06-16"),
        ("2018-06-15t10:16:01.024z", "2018-06-15"),
        ("2018-06-15T10:16:01", "2018-06-15"),
    ):
        assert days(item(tmp_path, {}, datetime=when))[0].isoformat() == expected_day
    for when in (None, "", "soon", "2018-13-01T00:00:00Z", 20180601, "0001-01-01T00:00:00+23:00"):
        with pytest.raises(SatsrError, match=r"item .* has no datetime, such as"):
            days(item(tmp_path, {}, datetime=when))


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (
            lambda path: dated(path.parent, 3, DAYS[2] + "T00:00:00Z"),
            r"item_2 \(item_2.json\) and item_3 \(item_3.json\) are both images of 2018",
        ),
        (lambda path: dated(path.parent, 3, " "), "item_3 of .* has no datetime"),
        (lambda path: level(path.parent / "extra.tif", 500), "extra.tif has no date in its name"),
        (lambda path: (path.parent / "broken.json").write_text("{"), "broken.json is not valid JSON"),
        (
            lambda path: [level(path.parent / f"3_{name}.tif", 800, epsg=32633) for name in RGB],
            r"item_3 \(60 x 60 px of uint16, EPSG:32633\) does not lie on the grid of item_2 .*: warp the dates",
        ),
        (
            lambda path: [level(path.parent / f"3_{name}.tif", 800, metres=20) for name in RGB],
            r"item_3 \(30 x 30 px .* does not lie on the grid of item_2",
        ),
        (lambda path: (path.parent / "3_B02.tif").unlink(), "names ./3_B02.tif, which is not there"),
    ],
)
def test_items_that_are_no_series_are_a_sentence_and_nothing_is_written(tiny, tmp_path, season, harm, sentence) -> None:
    harm(season[2])
    with pytest.raises(SatsrError, match=sentence):
        merged(tiny(series_graph), season[0].parent, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("href", ["../secret.tif", "/etc/hostname", "file:///etc/hostname", "s3://bucket/a.tif"])
def test_an_item_among_many_reads_no_file_elsewhere_and_no_other_scheme(tiny, tmp_path, season, server, href) -> None:
    (tmp_path / "secret.tif").write_bytes(b"mine")
    found = json.loads(season[2].read_text())
    found["assets"]["scl"] = {"href": href, "roles": ["data"]}
    season[2].write_text(json.dumps(found))
    searched = collection(season[0].parent / "found.json", season)
    fetched = fetched_item(serve(server, searched))
    with pytest.raises(SatsrError, match=r"outside of the item's folder|only http, https and files beside the item"):
        merged(tiny(series_graph), season, tmp_path / "out.tif")
    if "://" in href:
        with pytest.raises(SatsrError, match="only http, https and files beside the item"):
            merged(tiny(series_graph), fetched, tmp_path / "out.tif")


def test_a_page_of_a_longer_search_is_said_to_be_one(tiny, tmp_path, season) -> None:
    lines: list[str] = []
    found = collection(season[0].parent / "found.json", season[:4], links=[{"rel": "next", "href": "http://x/2"}])
    assert search(found).cut and len(search(found).items) == 4
    merged(tiny(series_graph), found, tmp_path / "out.tif", lines)
    assert lines[0] == "note: found.json is one page of a longer search: 4 items, and more on the next page"
    for features, sentence in (([], "holds 0 items"), ([{}], "item 1 is something else, but a STAC Item is expected")):
        found.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        with pytest.raises(SatsrError, match=sentence):
            search(found)


def test_a_folder_of_items_is_scenes_for_a_folder_of_results_and_a_series_for_one(season, tmp_path) -> None:
    folder = season[0].parent
    (folder / "thumbnail.jpg").write_bytes(b"")
    found = json.loads(season[0].read_text())
    found["assets"]["thumbnail"] = {"href": "thumbnail.jpg", "roles": ["thumbnail"]}
    season[0].write_text(json.dumps(found))
    assert scenes([folder]) == season and list(inside(folder).items) == season
    assert kinds_of([folder], folder=False) == kinds_of(season, folder=False) == ("series",)
    assert kinds_of([folder], folder=True) == kinds_of(season, folder=True) == kinds_of(season[:1], False) == ("image",)
    searched = collection(tmp_path / "found.json", season)
    assert kinds_of([searched], folder=True) == kinds_of([searched], folder=False) == ("series",)


def test_json_beside_rasters_that_is_no_item_of_bands_changes_nothing(tmp_path: Path) -> None:
    rasters = [level(tmp_path / f"2018-05-0{place}.tif", 500) for place in (1, 2)]
    (tmp_path / "labels.json").write_text("[1, 2")
    rows = [{"name": f"b{place}"} for place in (1, 2, 3, 4)]  # their places in the file, and no bands of Sentinel-2
    item(tmp_path, {"data": {"href": "2018-05-01.tif", "eo:bands": rows}}, "sidecar")
    assert scenes([tmp_path]) == rasters and inside(tmp_path).items == []


def test_json_that_is_larger_than_any_item_is_none(season, monkeypatch) -> None:
    folder = season[0].parent
    (folder / "labels.geojson").write_text("[" + "0, " * 10_000)
    with pytest.raises(SatsrError, match=r"labels\.geojson is not valid JSON"):
        inside(folder)
    monkeypatch.setattr("satsr.stac.series.MAX_BYTES", 20_000)
    assert list(inside(folder).items) == season


def test_a_scale_of_one_of_whole_numbers_says_nothing(tmp_path: Path) -> None:
    rows = {"eo:bands": [{"name": "B04"}], "raster:bands": [{"data_type": "uint16", "scale": 1.0, "offset": 0.0}]}
    found = json.loads(item(tmp_path, {"B04": {"href": "a.tif", **rows}}).read_text())
    assert parse(found, "here").bands[0].reading is None
    assert day(parse(found, "here"), tmp_path).isoformat() == "2023-07-23"
    found["assets"]["B04"]["raster:bands"][0]["data_type"] = "float32"
    assert parse(found, "here").bands[0].reading == (10000.0, 0.0)


def test_several_dates_have_no_name_in_a_folder(season, tmp_path, capsys) -> None:
    words = ["--model", str(series_graph(tmp_path / "m.onnx"))]
    assert main(["upscale", *map(str, season), f"{tmp_path}/out/", *words]) == 1
    assert "6 dates become one result" in capsys.readouterr().err
