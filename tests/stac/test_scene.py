"""From an item to a super-resolved scene, on a local server and beside the item."""

import json

import numpy as np
import pytest
import rasterio

from satsr.cli import main
from satsr.errors import SatsrError
from satsr.stac.files import fetched_item
from satsr.stac.scene import others, raster
from tests.stac.conftest import asset, geotiff, item, serve
from tests.tiny_graphs import image_graph

RGB = ("B04", "B03", "B02")


def values_of(found):
    with found as scene:
        return scene.read(0, scene.height).values


def test_an_items_assets_are_the_bands_of_a_scene(scene):
    path, values = scene
    found = raster(path, RGB)
    np.testing.assert_array_equal(values_of(found), [values[name] for name in RGB])
    assert [(layer.name, layer.gain, layer.offset) for layer in found.layers] == [(name, 1.0, -1000.0) for name in RGB]
    assert found.nodata == 0 and found.tags["STAC_ITEM"] == path.stem and len(found.files) == 3
    chosen = raster(path, RGB, given=("B8", "red", "green"))
    np.testing.assert_array_equal(values_of(chosen), [values[name] for name in ("B08", "B04", "B03")])
    more = others(path, found.layers)
    assert [layer.name for other in more for layer in other.layers] == ["B05", "B08", "B11"]
    np.testing.assert_array_equal(values_of(more[0])[0], values["B05"])


def test_bands_of_20_m_are_a_scene_of_their_own(scene):
    path, values = scene
    np.testing.assert_array_equal(values_of(raster(path, ("B05", "B11"))), [values["B05"], values["B11"]])


@pytest.mark.slow
def test_upscale_takes_an_item_of_the_web_and_one_on_disk(scene, server, tmp_path, place, capsys):
    path, _ = scene
    address, model = serve(server, path), image_graph(tmp_path / "m.onnx")
    words = ["--model", str(model), "--force", "--overlap", "16", "--margin", "4"]
    assert main(["upscale", address, f"{tmp_path}/web/", *words]) == 0
    assert main(["upscale", str(path), f"{tmp_path}/disk/", *words]) == 0
    made = [tmp_path / folder / f"{path.stem}_x2.tif" for folder in ("web", "disk")]
    with rasterio.open(made[0]) as web, rasterio.open(made[1]) as disk:
        np.testing.assert_array_equal(web.read(), disk.read())
        assert web.descriptions == RGB and web.res == (5, 5) and web.crs.to_epsg() == 32632 and web.nodata == 0
        assert web.scales == (1e-4,) * 3 and web.offsets == (-0.1,) * 3
        assert web.tags()["STAC_ITEM"] == path.stem and web.tags()["STAC_DATETIME"] == "2023-07-23T10:16:01Z"
        assert web.tags()["SATSR_INPUT_SHA256"] == disk.tags()["SATSR_INPUT_SHA256"]
    assert {name for name, _ in server.requests} == {
        *(f"/stac/{path.name}", "/stac/B04.tif", "/stac/B03.jp2", "/stac/B02.tif")
    }
    assert main(["upscale", address, f"{tmp_path}/web/", *words]) == 1
    assert "exists: choose another name, or add --overwrite" in capsys.readouterr().err


@pytest.mark.slow
def test_all_bands_of_an_item_come_along_on_request(scene, tmp_path):
    path, values = scene
    words = ["--model", str(image_graph(tmp_path / "m.onnx")), "--force", "--overlap", "16", "--margin", "4"]
    assert main(["upscale", str(path), str(tmp_path / "all.tif"), "--bands", "all", *words]) == 0
    with rasterio.open(tmp_path / "all.tif") as made:
        assert made.descriptions == (*RGB, "B05 (bicubic)", "B08 (bicubic)", "B11 (bicubic)")
        assert made.shape == (120, 120) and abs(made.read(4).mean() - values["B05"].mean()) < 10


def harmed(path, key, **more):
    found = json.loads(path.read_text())
    found["assets"][key] |= more
    path.write_text(json.dumps(found))


def unchecked(path):
    """Without sizes and checksums, so that what lies in the files is what is told."""
    for key in ("red", "green", "blue"):
        harmed(path, key, **{"file:checksum": None, "file:size": None})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: geotiff(path.parent / "B02.tif", 2, epsg=32633), "differ in their coordinate reference system"),
        (lambda path: geotiff(path.parent / "B02.tif", 2, metres=20), "differ in their size and grid"),
        (lambda path: geotiff(path.parent / "B02.tif", 2, dtype="int32"), "differ in their type of numbers"),
        (lambda path: (path.parent / "B02.tif").write_text("<VRTDataset/>"), "these are refused"),
        (lambda path: harmed(path, "blue", roles=["thumbnail"]), "does not have B04, B03, B02 at one resolution"),
        (lambda path: harmed(path, "blue", **{"raster:bands": [{"nodata": 7}]}), r"several nodata values \(0, 7\)"),
        (lambda path: path.write_text('{"type": "FeatureCollection"}'), "a STAC Item is expected"),
    ],
)
def test_a_bad_item_is_a_sentence(make, sentence, tmp_path):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    made = {key: asset(folder, name)[0] for key, name in zip(("red", "green", "blue"), RGB, strict=True)}
    path = item(folder, made)
    unchecked(path)
    raster(path, RGB)
    make(path)
    with pytest.raises(SatsrError, match=sentence):
        raster(path, RGB)


def test_nothing_is_written_where_an_asset_cannot_be_had(scene, server, tmp_path, capsys):
    path, _ = scene
    address, model = serve(server, path), image_graph(tmp_path / "m.onnx")
    del server.files["/stac/B02.tif"]
    assert main(["upscale", address, f"{tmp_path}/out/", "--model", str(model)]) == 1
    assert "B02.tif could not be downloaded" in (said := capsys.readouterr().err) and "HTTP 404" in said
    assert not (tmp_path / "out").exists()
    assert main(["upscale", f"{server.url}/none.json", f"{tmp_path}/out/", "--model", str(model)]) == 1
    assert "none.json could not be downloaded" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_gdal_is_given_local_files_only(scene, server):
    path, _ = scene
    fetched = fetched_item(serve(server, path))
    for layer in raster(fetched, RGB).layers:
        assert layer.path.startswith("/") and not layer.path.startswith("/vsi")
