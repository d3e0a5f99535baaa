"""Bands of coarser grids come along with a scene: on its grid, under their names, seamless and with their gaps."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from satsr.errors import SatsrError
from satsr.imagery import geotiff
from satsr.resize import imresize
from satsr.upscale.options import Options
from satsr.upscale.scenes.mixed import Mixed
from satsr.upscale.scenes.scene import upscale
from tests import products
from tests.tiny_graphs import image_graph
from tests.upscale.scenes.test_scene import write

SMALL = Options(window=64, overlap=16, margin=4, force=True, extra=True)
NAMES = ("B04", "B03", "B02")


def quiet(line):
    """Takes no notice."""


def raster(path, values, names, metres=10, epsg=32632, corner=(600000, 5000000), **more):
    """A GeoTIFF of (C, H, W), not opened."""
    place = {"crs": f"EPSG:{epsg}", "transform": from_origin(*corner, metres, metres), "nodata": 0, **more}
    return geotiff.raster(write(path, values, names, **place), names, len(values))


def numbers(side, bands=1, seed=0):
    rng = np.random.default_rng(seed)
    return imresize(rng.integers(300, 3000, (side // 4, side // 4, bands)).astype(float), 4).round().astype(np.uint16)


def bands_first(image):
    return np.moveaxis(image, -1, 0)


@pytest.fixture
def mixed(tmp_path):
    fine = raster(tmp_path / "fine.tif", bands_first(numbers(120, 3)), NAMES)
    others = {"B05": (20, 60), "B01": (60, 20), "B08": (10, 120)}
    made = [
        raster(tmp_path / f"{name}.tif", bands_first(numbers(side, 1, side)), [name], metres)
        for name, (metres, side) in others.items()
    ]
    return Mixed(fine, made)


def test_every_window_equals_the_whole_band_enlarged_at_once(mixed):
    with mixed as scene:
        assert [layer.name for layer in scene.layers] == [*NAMES, "B05", "B01", "B08"]
        assert (scene.height, scene.width, scene.dtype, len(scene.files)) == (120, 120, np.uint16, 4)
        whole = scene.read(0, 120).values
        for window in (Window(0, 0, 120, 7), Window(13, 5, 50, 41), Window(61, 119, 59, 1), Window(3, 50, 8, 70)):
            rows, columns = window.toslices()
            np.testing.assert_array_equal(scene.read_window(window).values, whole[:, rows, columns])
    for place, side, factor in ((3, 60, 2), (4, 20, 6), (5, 120, 1)):
        expected = imresize(numbers(side, 1, side).astype(np.float32), factor)[..., 0]
        np.testing.assert_array_equal(whole[place], np.rint(expected))


def test_gaps_stay_with_their_band_and_cast_no_shadow(tmp_path):
    coarse = np.full((1, 20, 20), 2000, np.uint16)
    coarse[:, 5:8, 6:9] = 0
    fine = raster(tmp_path / "fine.tif", bands_first(numbers(40, 3)), NAMES)
    with Mixed(fine, [raster(tmp_path / "B05.tif", coarse, ["B05"], 20)]) as scene:
        strip = scene.read(0, 40)
    assert strip.valid is not None and strip.valid[:3].all()
    missing = np.zeros((40, 40), bool)
    missing[10:16, 12:18] = True
    np.testing.assert_array_equal(~strip.valid[3], missing)
    assert (strip.values[3] == 2000).all()


@pytest.mark.parametrize(
    ("values", "more", "sentence"),
    [
        (np.ones((1, 50, 50), np.uint16), {"metres": 20}, "not lie on a grid that is a whole number of times coarser"),
        (np.ones((1, 60, 60), np.uint16), {"metres": 20, "epsg": 32633}, "does not lie on a grid"),
        (np.ones((1, 60, 60), np.uint16), {"metres": 20, "corner": (600010, 5000000)}, "does not lie on a grid"),
        (np.ones((1, 240, 240), np.uint16), {"metres": 5}, "does not lie on a grid"),
        (np.ones((1, 60, 60), np.float32), {"metres": 20}, "holds float32, but"),
    ],
)
def test_other_grids_and_types_are_a_sentence(tmp_path, values, more, sentence):
    fine = raster(tmp_path / "fine.tif", bands_first(numbers(120, 3)), NAMES)
    with (
        pytest.raises(SatsrError, match=sentence),
        Mixed(fine, [raster(tmp_path / "B05.tif", values, ["B05"], **more)]),
    ):
        pass


def test_bands_that_are_left_out_are_named(tmp_path, tiny):
    said = []
    root, _ = products.make(tmp_path)
    four = np.concatenate([bands_first(numbers(80, 3)), bands_first(numbers(80))])
    raster(tmp_path / "four.tif", four, [*NAMES, "B08"])
    for source, names in ((root, "B05, B08, B8A"), (tmp_path / "four.tif", "B08")):
        upscale(tiny(image_graph), source, tmp_path / f"{names}.tif", replace(SMALL, extra=False), said.append)
        assert f"note: left out: {names} (--bands all keeps them)" in said
    said.clear()
    upscale(tiny(image_graph), tmp_path / "four.tif", tmp_path / "all.tif", SMALL, said.append)
    assert not [line for line in said if "left out" in line]


def test_a_product_keeps_all_of_its_bands_on_request(tmp_path, tiny):
    root, _ = products.make(tmp_path)
    model, output = tiny(image_graph), tmp_path / "all.tif"
    upscale(model, root, output, SMALL, quiet)
    with rasterio.open(output) as made:
        assert made.descriptions == (*NAMES, "B05 (bicubic)", "B08 (bicubic)", "B8A (bicubic)")
        assert made.shape == (120, 120) and made.scales == (1e-4,) * 6 and made.offsets == (-0.1,) * 6
        every = made.read()
    upscale(model, root, tmp_path / "own.tif", replace(SMALL, extra=False), quiet)
    with rasterio.open(tmp_path / "own.tif") as made:
        np.testing.assert_array_equal(made.read(), every[:3])
