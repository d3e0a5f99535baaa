from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from satsr.convert.layouts import read_scenes
from satsr.convert.layouts.photos import photos
from satsr.convert.layouts.source import SceneSource
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.seeds import generator


def photo(path: Path, height: int, width: int) -> np.ndarray:
    image = generator(0, str(path.name)).integers(0, 256, (height, width, 3)).astype(np.uint8)
    write_png(path, image)
    return image


def places(scenes: list[SceneSource], split: str) -> set[tuple[Any, ...]]:
    return {(scene.meta["origin"]["hr"][0], *scene.meta["window"]) for scene in scenes if scene.split == split}


def test_photographs_of_any_size_are_cut_into_disjoint_tiles(tmp_path: Path) -> None:
    image = photo(tmp_path / "a.png", 200, 330)
    photo(tmp_path / "deep" / "b.png", 130, 130)
    photo(tmp_path / "small.png", 40, 300)
    found = read_scenes("photos", tmp_path, {"tile_px": 64})
    assert len(found) == 3 * 5 + 2 * 2
    each = [places(found, split) for split in ("train", "val", "test")]
    assert all(each) and len(set.union(*each)) == sum(map(len, each)) == len(found)
    assert {place[0] for place in each[2]} == {"deep/b.png"}  # another place than a.png, which trains and validates
    scene = next(scene for scene in found if scene.id == "a.png/r001-c002")
    high, low = scene.roles["hr"][0].load(), scene.roles["lr"][0].load()
    np.testing.assert_array_equal(high, image[64:128, 128:192])
    assert (low.shape, low.dtype) == ((16, 16, 3), np.uint8)
    # Without antialiasing a pixel is the mean of the inner four of its sixteen.
    inner = high.reshape(16, 4, 16, 4, 3)[:, 1:3, :, 1:3].mean((1, 3))
    assert np.abs(low - inner).max() <= 0.76  # OpenCV rounds once a direction


def test_many_photographs_are_divided_as_wholes(tmp_path: Path) -> None:
    for number in range(10):
        photo(tmp_path / f"{number}.png", 64, 128)
    found = photos(tmp_path, tile_px=64)
    held = {split: {place[0] for place in places(found, split)} for split in ("val", "test")}
    assert held == {"val": {"7.png"}, "test": {"8.png", "9.png"}}
    found = photos(tmp_path, tile_px=64, val_count=4)
    held = {split: {place[0] for place in places(found, split)} for split in ("train", "val", "test")}
    assert held["val"] == {"6.png", "7.png", "8.png", "9.png"}  # the authors' last ones
    assert held["test"] == {"2.png", "3.png", "4.png", "5.png"} and held["train"] == {"0.png", "1.png"}
    with pytest.raises(SatsrError, match="10 photographs are too few to validate on 5 of them and to test on as many"):
        photos(tmp_path, tile_px=64, val_count=5)


def test_a_single_photograph_is_divided_in_strips(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 64, 640)
    found = photos(tmp_path, tile_px=64)
    columns = {split: sorted(place[2] // 64 for place in places(found, split)) for split in ("train", "val", "test")}
    assert columns == {"train": [*range(7)], "val": [7], "test": [8, 9]}


def test_folders_that_say_so_are_the_splits(tmp_path: Path) -> None:
    photo(tmp_path / "train" / "a.png", 64, 64)
    photo(tmp_path / "test" / "b.png", 64, 64)
    with pytest.raises(SatsrError, match="too few for val: add photographs, or set tile_px lower"):
        photos(tmp_path, tile_px=64)
    photo(tmp_path / "val" / "c.png", 64, 64)
    assert [(scene.split, scene.id) for scene in read_scenes("photos", tmp_path, {"tile_px": 64})] == [
        ("test", "b.png/r000-c000"),
        ("train", "a.png/r000-c000"),
        ("val", "c.png/r000-c000"),
    ]


def test_the_centre_is_cut_and_resized_as_the_authors_do(tmp_path: Path) -> None:
    image = photo(tmp_path / "a.png", 100, 180)
    photo(tmp_path / "b.png", 180, 100)
    for number in range(4):
        photo(tmp_path / f"c{number}.png", 50, 50)
    found = photos(tmp_path, tile_px=60, crop="centre", val_count=1)
    assert len(found) == 6 and [scene.split for scene in found].count("val") == 1
    assert found[0].meta["window"] == [0, 40, 100, 100]
    expected = cv2.resize(image[:, 40:140].copy(), (60, 60), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found[0].roles["hr"][0].load(), expected)
    assert found[5].roles["lr"][0].load().shape == (15, 15, 3)


def test_other_files_than_photographs_are_all_named_or_left_out(tmp_path: Path) -> None:
    for number in range(5):
        photo(tmp_path / f"{number}.png", 64, 64)
    assert cv2.imwrite(str(tmp_path / "gray.png"), np.zeros((64, 64), np.uint8))
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SatsrError, match="8-bit gray") as caught:
        photos(tmp_path, tile_px=64)
    assert "cut.jpg" in str(caught.value) and "skip_others" in str(caught.value)
    assert len(photos(tmp_path, tile_px=64, skip_others=True)) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": 64}, "tile_px"),
        ({"tile_px": 66}, "multiple of the scale"),
        ({"crop": "left"}, "crop"),
        ({"tile_px": 128}, "holds a tile"),
        ({"tile_px": 64}, "too few"),
    ],
)
def test_what_gives_no_pairs_is_told(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 64, 64)
    with pytest.raises(SatsrError, match=words):
        photos(tmp_path, **options)


def test_real_aerial_photographs_give_pairs(tmp_path: Path, samples: Any) -> None:
    for name in ("2019_YELL_2_541000_4977000_image_crop.png", "OSBS_029.tif", "SOAP_031.png"):
        (tmp_path / name).symlink_to(samples(f"hr/{name}").resolve())
    found = photos(tmp_path)
    assert len(found) == 8 * 9 + 2 * 3 * 3
    assert all(scene.roles["hr"][0].load().shape == (128, 128, 3) for scene in found[::20])
