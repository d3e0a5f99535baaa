from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from satsr.config.data import Convert
from satsr.convert.convert import convert
from satsr.convert.layouts import read_scenes
from satsr.convert.layouts.source import SceneSource
from satsr.download.card import Card
from satsr.download.download import download
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.resize import imresize
from satsr.shift import measure_shift
from satsr.validate.checks import judge
from satsr.validate.inspection import inspect
from satsr.validate.suites import suite
from tests.convert.layouts.test_probav_surrogate import loaded, texture
from tests.convert.layouts.test_series import write_tiff
from tests.products import make, stacked

DATES = [f"2019-0{month}-{day:02d}T10:00:00" for month in (4, 5, 6) for day in (3, 13, 23)]
OPTIONS = {"masks": "clouds.npz", "tile_px": 96, "blur": 0.2}
INNER = slice(8, 88)


def own_files(root: Path, *, dated: bool = True) -> np.ndarray:
    """A scene with masks of nine dates: one overcast, two with a cloud that hides a fifth of it."""
    image = texture(np.random.default_rng(0), 300)
    write_tiff(root / "scene.tif", image, ("B02", "B03", "B04", "B08"))
    masks = np.zeros((9, 20, 20), np.uint8)
    masks[4], masks[1, 5:13, 5:15], masks[7, 5:13, 5:15] = 1, 1, 1
    times = {"timestamps": np.array(DATES)} if dated else {}
    np.savez(root / "clouds.npz", cloud_mask=masks, **times)
    return image


def read(root: Path, **options: Any) -> list[SceneSource]:
    return read_scenes("series_surrogate", root, OPTIONS | options)


def test_series_have_the_dates_of_the_masks_and_the_target_a_clear_one(tmp_path: Path) -> None:
    image = own_files(tmp_path)
    found = read(tmp_path)
    assert len(found) == 9 and {scene.split for scene in found} == {"train", "val", "test"}
    for scene in found:
        dates = scene.meta["dates"]
        assert dates == sorted(dates) and scene.meta["target_date"] in dates
        assert "2019-05-13" not in dates  # overcast
        assert sorted(scene.meta["days"], key=abs)[0] == 0
        hidden = loaded(scene)["cloud"] == 255
        assert not hidden[scene.meta["days"].index(0)].any()
        assert {dates[number] for number in np.flatnonzero(hidden.any(axis=(1, 2)))} == {"2019-04-13", "2019-06-13"}
        assert set(hidden.mean(axis=(1, 2))) == {0, 0.2}
    arrays = loaded(next(scene for scene in found if scene.id == "scene/r001-c002"))
    assert arrays["lr"].shape == (8, 20, 20, 3) and arrays["lr"].dtype == np.uint16
    np.testing.assert_array_equal(arrays["hr"][0], image[96:192, 192:288, [2, 1, 0]][INNER, INNER])


def test_the_dates_nearest_to_the_target_are_taken(tmp_path: Path) -> None:
    own_files(tmp_path)
    for few, all_of_them in zip(read(tmp_path, dates=3), read(tmp_path), strict=True):
        nearest = sorted(sorted(all_of_them.meta["days"], key=abs)[:3], key=abs)
        assert few.meta["target_date"] == all_of_them.meta["target_date"]
        assert sorted(map(abs, few.meta["days"])) == [abs(day) for day in nearest]


def test_the_image_of_the_targets_date_lies_on_it_and_the_others_do_not(tmp_path: Path) -> None:
    own_files(tmp_path)
    scene = read(tmp_path, noise=0.0, brightness=0.0)[0]
    arrays = loaded(scene)
    small = imresize(arrays["hr"][0], 1 / 4).mean(axis=2).astype(np.float32)
    clear = np.flatnonzero(~(arrays["cloud"] == 255).any(axis=(1, 2)))
    lengths = {
        int(number): measure_shift(arrays["lr"][number].mean(axis=2).astype(np.float32), small).length
        for number in clear
    }
    own = scene.meta["days"].index(0)
    assert lengths.pop(own) < 0.05
    assert max(lengths.values()) > 0.2 and max(lengths.values()) < 0.8


@pytest.mark.slow
def test_a_card_leads_to_a_store_that_passes_the_checks_of_series(tmp_path: Path) -> None:
    own_files(tmp_path / "data")
    card = Card.model_validate(
        {
            "name": "own",
            "source": {"files": {"path": "data"}},
            "layout": "series_surrogate",
            "options": {"masks": "clouds.npz", "tile_px": 96},
        }
    )
    download(card, tmp_path / "raw", base=tmp_path)
    store = convert(tmp_path / "raw", tmp_path / "store", Convert(), base=tmp_path)
    result = judge(inspect(store), suite("series"))
    assert result.success, [(check.name, check.observed) for check in result.failed]


def test_folders_of_masks_have_their_dates_in_their_names(tmp_path: Path) -> None:
    own_files(tmp_path)
    for day in ("2020-01-01", "2020-02-01"):
        write_png(tmp_path / "clouds" / f"{day}.png", np.zeros((30, 30), np.uint8))
    scene = read(tmp_path, masks="clouds", scenes="*.tif")[0]
    assert scene.meta["dates"] == ["2020-01-01", "2020-02-01"]


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([("none.png", 30, 0), ("2020-01-01.png", 30, 0)], "have no dates"),
        ([("2020-01-01.png", 30, 0), ("2020-01-02.png", 40, 0)], "2 sizes"),
        ([("2020-01-01.png", 30, 0), ("2020-01-02.png", 30, 255)], "a clear date and another one"),
    ],
)
def test_masks_that_make_no_series_are_told(tmp_path: Path, masks: list[tuple[str, int, int]], words: str) -> None:
    own_files(tmp_path)
    for name, side, value in masks:
        write_png(tmp_path / "clouds" / name, np.full((side, side), value, np.uint8))
    with pytest.raises(SatsrError, match=words):
        read(tmp_path, masks="clouds", scenes="*.tif")


def test_archives_of_masks_need_timestamps_one_for_each(tmp_path: Path) -> None:
    own_files(tmp_path, dated=False)
    with pytest.raises(SatsrError, match="have no dates"):
        read(tmp_path, scenes="*.tif")
    np.savez(tmp_path / "odd.npz", cloud_mask=np.zeros((3, 20, 20), np.uint8), timestamps=np.array(DATES))
    with pytest.raises(SatsrError, match="3 masks and 9 timestamps"):
        read(tmp_path, scenes="*.tif", masks="odd.npz")


def test_a_real_scene_with_real_dates_becomes_series(samples: Callable[[str], Path]) -> None:
    root = samples("s2/dsen2_S2A_MSIL1C_20170527_T33UUB.npz").parent
    options = {"masks": "eolearn_timeseries_x0-50.npz", "scenes": "dsen2*.npz"}
    found = read_scenes("series_surrogate", root, options)
    assert [sum(scene.split == split for scene in found) for split in ("train", "val", "test")] == [24, 6, 6]
    assert all(len(scene.meta["dates"]) == 8 for scene in found)


def test_a_product_is_seen_on_the_dates_of_the_masks_without_its_offset(tmp_path: Path) -> None:
    root, values = make(tmp_path, "L1C", size=300)
    own_files(tmp_path)
    (tmp_path / "scene.tif").unlink()
    found = read(tmp_path)
    scene = next(scene for scene in found if scene.id == f"{root.stem}/r001-c002")
    truth = stacked(values)[96:192, 192:288][INNER, INNER] - 1000
    np.testing.assert_array_equal(scene.roles["hr"][0].load(), truth)
    assert scene.meta["add_offset"] == -1000 and scene.meta["origin"] == {"hr": [root.name]}
