from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from satsr.convert.convert import convert
from satsr.convert.guess import guess
from satsr.convert.layouts.sentinel2 import sentinel2
from satsr.convert.layouts.source import SceneSource
from satsr.degrade import downscale_frame
from satsr.download.card import load_card
from satsr.download.download import download
from satsr.errors import SatsrError
from satsr.store.store import Store
from tests.convert.layouts.test_series import write_tiff
from tests.products import band, make, stacked, zipped


def windows(scenes: list[SceneSource], split: str) -> list[tuple[int, ...]]:
    return [tuple(scene.meta["window"]) for scene in scenes if scene.split == split]


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return abs(a[0] - b[0]) < a[2] and abs(a[1] - b[1]) < a[3]


def test_a_geotiff_is_cut_into_tiles_and_their_surrogates(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(300, 3000, (200, 270, 4), dtype=np.uint16)
    write_tiff(tmp_path / "scene.tif", image, ("B02", "B03", "B04", "B08"))
    found = sentinel2(tmp_path / "scene.tif", tile_px=64, blur_sigma=1.0, noise_sigma=0.0)
    assert len(found) == 3 * 4
    assert guess(tmp_path) == guess(tmp_path / "scene.tif") == "sentinel2"
    scene = next(scene for scene in found if scene.id == "scene/r001-c002")
    high, low = scene.roles["hr"][0].load(), scene.roles["lr"][0].load()
    np.testing.assert_array_equal(high, image[64:128, 128:192, [2, 1, 0]])
    assert (low.dtype, low.shape) == (np.uint16, (16, 16, 3))
    np.testing.assert_array_equal(low, downscale_frame(high, 4, blur_sigma=1.0))
    assert scene.meta["degradation"]["blur_sigma"] == 1.0
    assert scene.meta["origin"] == {"hr": ["scene.tif"]}


def test_tiles_are_divided_in_strips_with_validation_between_training_and_test(tmp_path: Path) -> None:
    write_tiff(tmp_path / "scene.tif", np.full((512, 512, 3), 900, np.uint16))
    found = sentinel2(tmp_path, tile_px=64)
    columns = {split: {left for _, left, *_ in windows(found, split)} for split in ("train", "val", "test")}
    assert [len(windows(found, split)) for split in ("train", "val", "test")] == [5 * 8, 8, 2 * 8]
    everything = [window for split in columns for window in windows(found, split)]
    assert not any(overlap(a, b) for n, a in enumerate(everything) for b in everything[:n])
    middle = next(iter(columns["val"]))
    assert max(columns["train"]) < middle < min(columns["test"]) or max(columns["test"]) < middle < min(
        columns["train"]
    )
    ends = {min(left for _, left, *_ in windows(sentinel2(tmp_path, tile_px=64, seed=n), "test")) for n in range(5)}
    assert ends == {0, 384}


def test_the_noise_of_a_tile_is_always_the_same(tmp_path: Path) -> None:
    write_tiff(tmp_path / "scene.tif", np.full((160, 160, 3), 900, np.uint16))
    first, again = ([scene.roles["lr"][0].load() for scene in sentinel2(tmp_path, noise_sigma=30.0)] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert 25 < np.std(first) < 35
    assert (first[0] != first[1]).any()


def test_tiles_without_data_are_left_out(tmp_path: Path) -> None:
    image = np.full((256, 256, 3), 900, np.uint16)
    image[:90, :100] = 0
    write_tiff(tmp_path / "scene.tif", image)
    places = {tuple(scene.meta["window"][:2]) for scene in sentinel2(tmp_path, tile_px=64)}
    assert {(0, 0), (0, 64), (64, 0), (64, 64)}.isdisjoint(places) and len(places) == 12


def test_bands_that_are_not_red_green_and_blue_are_refused(tmp_path: Path, samples: Callable[[str], Path]) -> None:
    (scene, *_) = sentinel2(samples("s2/s2_20m_T18SVG_20160112_west.tif"))
    with pytest.raises(SatsrError, match="B12, B8A, B05, B11"):
        scene.roles["hr"][0].load()


def test_dsen2s_archive_gives_pairs(samples: Callable[[str], Path]) -> None:
    path = samples("s2/dsen2_S2A_MSIL1C_20170527_T33UUB.npz")
    found = sentinel2(path)
    assert len(found) == 16
    high = found[5].roles["hr"][0].load()
    top, left, height, width = found[5].meta["window"]
    with np.load(path) as archive:
        truth = archive["im10"][:3, top : top + height, left : left + width]
    np.testing.assert_array_equal(high, np.moveaxis(truth, 0, 2))
    low = found[5].roles["lr"][0].load()
    assert low.shape == (32, 32, 3)
    assert abs(low.mean() - high.mean()) < 2


def test_eolearns_series_gives_pairs_per_date_with_a_place_in_one_split(samples: Callable[[str], Path]) -> None:
    path = samples("s2/eolearn_timeseries_x0-50.npz")
    with pytest.raises(SatsrError, match=r"2 tiles with data: too few .* set the option tile_px lower"):
        sentinel2(path)
    found = sentinel2(path, tile_px=32)
    assert len(found) == 3 * 5
    places = [set(windows(found, split)) for split in ("train", "val", "test")]
    assert all(len(place) == 1 for place in places) and len(set.union(*places)) == 3
    assert {scene.id[-4:] for scene in found} == {f"t{moment:03d}" for moment in range(5)}
    high = found[0].roles["hr"][0].load()
    assert (high.dtype, high.shape) == (np.uint16, (32, 32, 3))
    assert 200 < np.median(high) < 10000


def test_what_cannot_be_cut_is_told(tmp_path: Path) -> None:
    write_tiff(tmp_path / "small.tif", np.full((40, 20, 3), 9, np.uint16))
    with pytest.raises(SatsrError, match="too small"):
        sentinel2(tmp_path)
    (tmp_path / "small.tif").unlink()
    np.savez(tmp_path / "two.npz", a=np.zeros((64, 64, 3)), b=np.zeros((64, 64, 3)))
    with pytest.raises(SatsrError, match="expected one array of imagery"):
        sentinel2(tmp_path)
    (tmp_path / "two.npz").write_bytes(b"PK\3\4 not an archive")
    with pytest.raises(SatsrError, match="NumPy archive"):
        sentinel2(tmp_path)
    with pytest.raises(SatsrError, match=r"options of a surrogate are .*tile_px.*unknown key blur"):
        sentinel2(tmp_path, blur=3)


def test_the_offset_of_baseline_4_is_taken_off_before_anything_is_made(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1300, 3000, (128, 192, 3), dtype=np.uint16)
    path = tmp_path / "S2A_MSIL2A_20220603T105631_N0400_R094_T30UVU.tif"
    write_tiff(path, image)
    for root in (tmp_path, path):
        scene = sentinel2(root, tile_px=64, blur_sigma=0.0, noise_sigma=0.0)[0]
        high = scene.roles["hr"][0].load()
        np.testing.assert_array_equal(high, image[:64, :64] - 1000)
        np.testing.assert_array_equal(scene.roles["lr"][0].load(), downscale_frame(high, 4))
        assert scene.meta["add_offset"] == -1000
    as_it_is = sentinel2(tmp_path, tile_px=64, offset=0)[0]
    np.testing.assert_array_equal(as_it_is.roles["hr"][0].load(), image[:64, :64])
    path.rename(tmp_path / "renamed.tif")
    assert "add_offset" not in sentinel2(tmp_path, tile_px=64)[0].meta


def test_options_of_the_wrong_type_are_named(tmp_path: Path) -> None:
    write_tiff(tmp_path / "scene.tif", np.full((160, 160, 3), 900, np.uint16))
    with pytest.raises(SatsrError, match=r"val_share: input should be less.*tile_px: input should be a valid integer"):
        sentinel2(tmp_path, tile_px="large", val_share=1.5)


def converted(data: Path, folder: Path) -> Store:
    """What ``satsr set srgan data=...`` names, through the download and convert stages."""
    download(load_card(data), folder / "raw")
    return convert(folder / "raw", folder / "store")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_product_is_cut_into_tiles_without_its_offset(tmp_path: Path, level: str, packed: bool) -> None:
    root, values = make(tmp_path / "data", level, size=200)
    truth = stacked(values).astype(int) - 1000
    data = zipped(root, tmp_path / "S2_product.zip") if packed else root
    assert guess(data) == "sentinel2"
    store = converted(data, tmp_path / "made")
    scenes = [scene for split in store.splits for scene in store.scenes(split)]
    assert set(store.manifest["division"]) == set(store.splits) == {"train", "val", "test"}
    assert len(scenes) == 9
    for scene in scenes:
        top, left, height, width = scene.meta["window"]
        np.testing.assert_array_equal(scene.read("hr", 0), truth[top : top + height, left : left + width])
        assert (scene.meta["add_offset"], scene.meta["origin"]) == (-1000, {"hr": [data.name]})
        assert scene.id == f"{data.stem}/r{top // 64:03d}-c{left // 64:03d}"


def test_numbers_before_baseline_4_stay_and_nodata_is_left_out(tmp_path: Path) -> None:
    root, values = make(tmp_path, "L1C", "02.14", None, size=256)
    for name in ("B02", "B03", "B04"):
        values[name][:100, :90] = 0
        values[name][200, 200] = 0  # too few to leave a tile out
        band(next(root.rglob(f"*_{name}.jp2")), 0, values=values[name], size=256)
    found = sentinel2(root, tile_px=64)
    places = {tuple(scene.meta["window"][:2]) for scene in found}
    assert {(0, 0), (0, 64), (64, 0), (64, 64)}.isdisjoint(places) and len(places) == 12
    (scene,) = (scene for scene in found if scene.meta["window"][:2] == [192, 192])
    np.testing.assert_array_equal(scene.roles["hr"][0].load(), stacked(values)[192:, 192:])
    assert scene.meta["add_offset"] == 0
    said = sentinel2(root, tile_px=64, offset=-1000)[-1].roles["hr"][0].load()
    np.testing.assert_array_equal(said[8, 8], 0)


@pytest.mark.slow
def test_a_folder_holds_several_products_and_other_scenes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, values = make(data, size=200, day="20230723")
    second, _ = make(tmp_path / "away", size=200, day="20230728")
    zipped(second, data / f"{second.name}.zip")
    write_tiff(data / "scene.tif", np.full((160, 160, 3), 900, np.uint16))
    (data / "notes.zip").write_bytes(b"not for us")
    assert guess(data) == "sentinel2"
    found = sentinel2(data)
    assert {scene.id.split("/")[0] for scene in found} == {first.stem, second.name, "scene"}
    offsets = {scene.id.split("/")[0]: scene.meta.get("add_offset") for scene in found}
    assert offsets == {first.stem: -1000, second.name: -1000, "scene": None}
    high = next(scene for scene in found if scene.id == f"{first.stem}/r000-c000").roles["hr"][0].load()
    np.testing.assert_array_equal(high, stacked(values)[:64, :64] - 1000)


@pytest.mark.slow
def test_products_of_several_baselines_need_a_word_and_keep_their_own_offsets(tmp_path: Path) -> None:
    new, values = make(tmp_path, "L2A", "05.09", -1000, size=200, day="20230723")
    old, before = make(tmp_path, "L2A", "02.14", None, size=200, day="20190723")
    with pytest.raises(SatsrError, match=r"2 processing baselines: 02.14.*05.09.*mixed_baselines: true"):
        sentinel2(tmp_path)
    found = {scene.id: scene for scene in sentinel2(tmp_path, mixed_baselines=True)}
    for root, truth in ((new, stacked(values) - 1000), (old, stacked(before))):
        high = found[f"{root.stem}/r000-c000"].roles["hr"][0].load()
        np.testing.assert_array_equal(high, truth[:64, :64])


def test_single_jpeg_2000_files_are_scenes(tmp_path: Path) -> None:
    root, _ = make(tmp_path / "product", "L1C", size=200)
    with pytest.raises(SatsrError, match=r"_B04.jp2 has 1 bands without names"):
        sentinel2(next(root.rglob("*_B04.jp2")))[0].roles["hr"][0].load()
    image = np.random.default_rng(0).integers(1, 255, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / "orthophoto.jp2"
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", count=3, height=200, width=200, dtype="uint8", QUALITY=100, REVERSIBLE="YES"
    ) as target:
        target.write(np.moveaxis(image, 2, 0))
    assert guess(path) == "sentinel2"
    scene = next(scene for scene in sentinel2(path) if scene.id == "orthophoto/r001-c001")
    np.testing.assert_array_equal(scene.roles["hr"][0].load(), image[64:128, 64:128])


@pytest.mark.slow
def test_a_damaged_or_incomplete_product_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    for number, share in enumerate((0.1, 0.5, 0.9)):
        root, _ = make(tmp_path / str(number), "L1C", size=200)
        file = next(root.rglob("*_B03.jp2"))
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
        with pytest.raises(SatsrError, match=r"_B03.jp2 cannot be read as a raster"):
            converted(root, tmp_path / f"made{number}")
        assert [path.name for path in (tmp_path / f"made{number}").iterdir() if path.name[0] != "."] == ["raw"]
    file.unlink()
    with pytest.raises(SatsrError, match=r"SAFE does not have B04, B03, B02 at one resolution \(it has 10 m: B02, B04"):
        converted(root, tmp_path / "made")
    (root / "MTD_MSIL1C.xml").unlink()
    with pytest.raises(SatsrError, match=r"no MTD_MSIL1C\.xml"):
        sentinel2(root)
    (tmp_path / "frames.zip").write_bytes(b"PK\3\4 not a zip")
    with pytest.raises(SatsrError, match=r"frames.zip cannot be read as a zip"):
        converted(tmp_path / "frames.zip", tmp_path / "zip")
