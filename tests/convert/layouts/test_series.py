import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from satsr.convert.convert import convert
from satsr.convert.guess import guess
from satsr.convert.layouts import read_scenes
from satsr.convert.layouts.series import series
from satsr.convert.layouts.source import SceneSource
from satsr.download.card import Card, Embedded, Source
from satsr.download.download import download
from satsr.download.drawn.series import render_series, write_scenes
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from tests.products import make, stacked, zipped


def write_tiff(path: Path, image: np.ndarray, names: tuple[str, ...] = ()) -> None:
    """(H, W, C) as a GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = image.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": image.dtype}
    with rasterio.open(
        path, "w", **profile, crs="EPSG:32630", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    ) as out:
        out.write(np.moveaxis(image, 2, 0))
        for number, name in enumerate(names, start=1):
            out.set_band_description(number, name)


def own_scene(folder: Path, rng: np.random.Generator) -> np.ndarray:
    """A scene as a user has it: products' names, more bands than needed, a target of 8 bits."""
    stack = rng.integers(100, 3000, (2, 12, 16, 4), dtype=np.uint16)
    names = ("B02", "B03", "B04", "B08")
    write_tiff(folder / "lr" / "S2B_MSIL2A_20180603T105029_T30UVU.tif", stack[1], names)
    write_tiff(folder / "lr" / "S2A_MSIL2A_20180429T105031_T30UVU.tif", stack[0], names)
    write_tiff(folder / "hr" / "spot_2018-05-14.tif", rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    return stack


def test_scenes_of_ones_own_are_read_with_their_dates(tmp_path: Path) -> None:
    stack = own_scene(tmp_path / "farm", np.random.default_rng(0))
    (tmp_path / "farm" / "scene.json").write_text(json.dumps({"place": "Rennes"}))
    (scene,) = series(tmp_path)
    assert (scene.id, scene.split, scene.form) == ("farm", None, "series")
    assert scene.meta["dates"] == ["2018-04-29", "2018-06-03"]
    assert (scene.meta["target_date"], scene.meta["days"]) == ("2018-05-14", [-15, 20])
    assert scene.meta["place"] == "Rennes"
    assert scene.meta["origin"]["hr"] == ["farm/hr/spot_2018-05-14.tif"]
    first = scene.roles["lr"][0].load()
    assert (first.dtype, first.shape) == (np.uint16, (12, 16, 3))
    np.testing.assert_array_equal(first, stack[0][..., [2, 1, 0]])
    assert scene.roles["hr"][0].load().dtype == np.uint8
    (alone,) = series(tmp_path / "farm")
    assert alone.id == "farm"
    assert guess(tmp_path) == guess(tmp_path / "farm") == "series"


def test_embedded_series_pass_download_and_convert_unchanged(tmp_path: Path) -> None:
    embedded = {"kind": "series", "train": 2, "val": 1, "test": 1, "frames": 3, "size": [48, 64]}
    card = Card(name="tiny", layout="series", source=Source.model_validate({"embedded": embedded}))
    download(card, tmp_path / "raw")
    store = convert(tmp_path / "raw", tmp_path / "store")
    assert [scene.id for scene in store.scenes("train")] == ["scene000", "scene001"]
    (held_out,) = store.scenes("val")
    truth = render_series(0, 2, dates=3, lr_px=(12, 16))
    assert (held_out.count("lr"), held_out.count("hr"), held_out.count("cloud")) == (3, 1, 3)
    for number in range(3):
        np.testing.assert_array_equal(held_out.read("lr", number), truth.lr[number])
        np.testing.assert_array_equal(held_out.read("cloud", number), truth.cloud[number])
    np.testing.assert_array_equal(held_out.read("hr", 0), truth.hr)
    assert held_out.meta["days"] == list(truth.days)
    np.testing.assert_allclose(held_out.meta["offsets_lr_px"], truth.offsets, atol=1e-4)


def test_everything_that_is_missing_is_listed_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 3000, (8, 8, 3), dtype=np.uint16)
    for name in ("a", "b", "c", "d"):
        write_png(tmp_path / name / "lr" / "2018-05-01.png", image)
        write_png(tmp_path / name / "hr" / "2018-05-02.png", image)
    write_png(tmp_path / "a" / "lr" / "S2_20180501.png", image)
    write_png(tmp_path / "b" / "lr" / "nameless.png", image)
    write_png(tmp_path / "c" / "cloud" / "2018-05-09.png", image[..., 0])
    write_png(tmp_path / "d" / "hr" / "2018-05-03.png", image)
    write_png(tmp_path / "e" / "lr" / "2018-05-01.png", image)
    with pytest.raises(SatsrError, match="5 found") as caught:
        series(tmp_path)
    for words in ("of one date", "nameless.png has no date", "masks without images", "found 2 and 1", "found 0 and 1"):
        assert words in str(caught.value)


def test_a_folder_without_series_is_refused_by_the_reader(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(SatsrError, match="nothing that the layout 'series' can read"):
        read_scenes("series", tmp_path)


def test_reflectance_in_floats_becomes_digital_numbers_and_nonsense_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "s" / "hr" / "2018-05-02.png", np.zeros((8, 8, 3), np.uint8))
    write_tiff(tmp_path / "s" / "lr" / "2018-05-01.tif", np.full((2, 2, 3), 0.1234, np.float32))
    write_tiff(tmp_path / "s" / "lr" / "2018-05-02.tif", np.full((2, 2, 3), np.nan, np.float32))
    write_tiff(tmp_path / "s" / "lr" / "2018-05-03.tif", np.full((2, 2, 5), 7, np.uint16))
    write_tiff(tmp_path / "s" / "lr" / "2018-05-04.tif", np.full((2, 2, 3), 7, np.uint16), ("B11", "B8A", "B05"))
    (tmp_path / "s" / "lr" / "2018-05-05.tif").write_bytes(b"II*\0 not a raster")
    (scene,) = series(tmp_path)
    frames = scene.roles["lr"]
    np.testing.assert_array_equal(frames[0].load(), np.full((2, 2, 3), 1234, np.uint16))
    for number, words in enumerate(("nan", "5 bands without names", "not all there", "cannot be read"), start=1):
        with pytest.raises(SatsrError, match=words):
            frames[number].load()


def test_folders_called_train_val_and_test_are_the_splits(tmp_path: Path) -> None:
    write_scenes(tmp_path / "deep", Embedded(kind="series", train=1, val=1, test=1, frames=2, size=(32, 32)))
    found = {(scene.split, scene.id) for scene in series(tmp_path)}
    assert found == {("train", "deep/scene000"), ("val", "deep/scene001"), ("test", "deep/scene000")}


AFTER = "S2A_MSIL2A_20220603T105631_N0400_R094_T30UVU.tif"
BEFORE = "S2B_MSIL2A_20211230T105349_N0301_R051_T30UVU.tif"


def shifted_scene(folder: Path, names: tuple[str, str] = (AFTER, BEFORE)) -> None:
    """One image of baseline 04.00, whose numbers are 1000 too large, and one of before; both have a pixel of nodata."""
    for name in names:
        image = np.full((4, 4, 3), 1700, np.uint16)
        image[0, 0], image[1, 1] = 0, 600
        write_tiff(folder / "lr" / name, image)
    write_tiff(folder / "hr" / "2022-06-01.tif", np.full((16, 16, 3), 170, np.uint8))


def corner(scene: SceneSource, number: int) -> list[int]:
    return [int(scene.roles["lr"][number].load()[place, place, 0]) for place in range(3)]


def test_the_offset_of_baseline_4_is_taken_off_where_the_products_name_tells(tmp_path: Path) -> None:
    shifted_scene(tmp_path / "farm")
    (scene,) = series(tmp_path)
    assert scene.meta["add_offset"] == [0, -1000]
    # Nodata stays 0, and what would be negative becomes 0.
    assert (corner(scene, 0), corner(scene, 1)) == ([0, 600, 1700], [0, 0, 700])
    assert scene.roles["hr"][0].load().max() == 170


def test_a_safe_folder_in_the_path_tells_the_baseline_too(tmp_path: Path) -> None:
    shifted_scene(tmp_path / "farm", ("T30UVU_20220603T105631_TCI.tif", "2021-12-30.tif"))
    safe = tmp_path / "farm" / "lr" / "S2A_MSIL2A_20220603T105631_N0509_R094_T30UVU_20221129T000000.SAFE" / "IMG_DATA"
    safe.mkdir(parents=True)
    (tmp_path / "farm" / "lr" / "T30UVU_20220603T105631_TCI.tif").rename(safe / "T30UVU_20220603T105631.tif")
    (scene,) = series(tmp_path)
    assert scene.meta["add_offset"] == [None, -1000]
    assert (corner(scene, 0)[2], corner(scene, 1)[2]) == (1700, 700)


def test_an_offset_that_is_said_comes_before_the_names(tmp_path: Path) -> None:
    shifted_scene(tmp_path / "farm")
    facts = tmp_path / "farm" / "scene.json"
    for said, expected in ((0, [0, 0]), (-1000, [-1000, -1000]), ([-1000, 0], [-1000, 0])):
        facts.write_text(json.dumps({"add_offset": said}))
        (scene,) = read_scenes("series", tmp_path)
        assert scene.meta["add_offset"] == expected
        assert [corner(scene, number)[2] - 1700 for number in (0, 1)] == expected
    (scene,) = read_scenes("series", tmp_path, {"offset": 0})
    assert scene.meta["add_offset"] == [0, 0]


@pytest.mark.parametrize("said", ["-1000", [-1000], [0, None], True, 0.5, -(10**9)])
def test_an_offset_that_is_no_number_is_refused(tmp_path: Path, said: object) -> None:
    shifted_scene(tmp_path / "farm")
    (tmp_path / "farm" / "scene.json").write_text(json.dumps({"add_offset": said}))
    with pytest.raises(SatsrError, match=r"farm: add_offset is .* expected a whole number such as -1000"):
        series(tmp_path)


def test_scenes_whose_baseline_is_not_known_stay_as_they_are(tmp_path: Path) -> None:
    shifted_scene(tmp_path / "farm", ("20220603T105631_T30UVU.tif", "2021-12-30.tif"))
    (scene,) = series(tmp_path)
    assert "add_offset" not in scene.meta and corner(scene, 1) == [0, 600, 1700]


def test_products_are_dates_like_any_others(tmp_path: Path) -> None:
    folder = tmp_path / "farm"
    first, values = make(folder / "lr", "L2A", day="20220603")
    second, later = make(tmp_path / "away", "L1C", day="20220703")
    zipped(second, folder / "lr" / f"{second.stem}.zip")
    write_tiff(folder / "lr" / "2022-06-20.tif", np.full((60, 60, 3), 700, np.uint16))
    write_tiff(folder / "hr" / "spot_2022-06-10.tif", np.full((240, 240, 3), 90, np.uint8))
    (scene,) = series(tmp_path)
    assert guess(tmp_path) == guess(folder) == "series"
    assert scene.meta["dates"] == ["2022-06-03", "2022-06-20", "2022-07-03"]
    assert scene.meta["add_offset"] == [-1000, None, -1000]
    assert scene.meta["origin"]["lr"][0] == f"farm/lr/{first.name}"
    images = [frame.load() for frame in scene.roles["lr"]]
    np.testing.assert_array_equal(images[0], stacked(values) - 1000)
    np.testing.assert_array_equal(images[2], stacked(later) - 1000)
    (said,) = series(tmp_path, offset=0)
    np.testing.assert_array_equal(said.roles["lr"][0].load(), stacked(values))


def test_products_of_a_series_are_of_one_baseline_or_said_to_be_mixed(tmp_path: Path) -> None:
    make(tmp_path / "farm" / "lr", "L2A", "05.09", day="20220603")
    root, _ = make(tmp_path / "farm" / "lr", "L2A", "02.14", None, day="20190603")
    write_tiff(tmp_path / "farm" / "hr" / "2022-06-10.tif", np.full((240, 240, 3), 90, np.uint8))
    with pytest.raises(SatsrError, match="2 processing baselines"):
        read_scenes("series", tmp_path)
    (scene,) = read_scenes("series", tmp_path, {"mixed_baselines": True})
    assert scene.meta["add_offset"] == [0, -1000]
    next(root.rglob("*_B04_10m.jp2")).unlink()
    next(root.rglob("*_B04_20m.jp2")).unlink()
    with pytest.raises(SatsrError, match=r"not complete \(1 found\).*\n.*does not have B04, B03, B02"):
        read_scenes("series", tmp_path)
