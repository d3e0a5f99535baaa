from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import shift

from satsr.download.card import Embedded
from satsr.download.drawn.climates import CLIMATES, ORDER, climate_of
from satsr.download.drawn.series import CLOUDY, LR_BLUR_PX, Series, render_series, write_scenes
from satsr.errors import SatsrError
from satsr.imagery.images import read_image
from satsr.metrics import psnr
from satsr.radiometry import histogram_match
from tests.download.drawn.multi_image import reconstruct


@pytest.fixture(scope="module")
def scenes() -> list[Series]:
    return [render_series(0, index) for index in range(22) if climate_of(index) == "farmland"]


def estimate(scene: Series, count: int) -> np.ndarray:
    """The target from the ``count`` nearest dates: brought to the nearest's radiometry, without what has changed."""
    order = np.argsort(np.abs(scene.days), kind="stable")[:count]
    values = scene.lr.astype(float)
    near = order[0]
    images, masks = [], []
    for number in order:
        moved = shift(values[near], (*(scene.offsets[near] - scene.offsets[number]), 0), order=3, mode="nearest")
        difference = values[number] - moved
        same = (scene.cloud[number] == 0) & (np.abs(difference).max(axis=2) < 220)
        images.append(values[number] - np.median(difference[same], axis=0))
        masks.append(same)
    found = reconstruct(images, masks, scene.offsets[order], 4, LR_BLUR_PX)
    return np.rint(histogram_match(found, scene.hr.astype(float)).clip(0, 255)).astype(np.uint8)


@pytest.mark.slow
def test_more_dates_give_a_better_target(scenes: list[Series]) -> None:
    means = [np.mean([psnr(estimate(scene, count), scene.hr, 8) for scene in scenes[:5]]) for count in (1, 3, 8)]
    assert means == sorted(means)
    assert means[2] > means[0] + 1
    assert 20 < means[0] < 32


def test_the_same_arguments_give_the_same_series_and_others_another() -> None:
    first, again = (render_series(3, 1, dates=9, lr_px=(16, 24)) for _ in range(2))
    assert (first.lr.shape, first.lr.dtype) == ((9, 16, 24, 3), np.uint16)
    assert (first.hr.shape, first.hr.dtype) == ((64, 96, 3), np.uint8)
    assert (first.cloud.shape, first.cloud.dtype) == ((9, 16, 24), np.uint8)
    for name in ("lr", "hr", "cloud", "offsets"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.dates == again.dates
    assert (first.hr != render_series(3, 2, dates=9, lr_px=(16, 24)).hr).any()
    assert (first.hr != render_series(4, 1, dates=9, lr_px=(16, 24)).hr).any()


def test_dates_are_irregular_and_on_both_sides_of_the_target(scenes: list[Series]) -> None:
    for scene in scenes:
        assert list(scene.days) == sorted(set(scene.days))
        assert min(np.abs(scene.days)) <= 2
        assert max(scene.days) - min(scene.days) > 20
        assert scene.target_date.year == 2018
    assert np.mean([min(scene.days) < -5 and max(scene.days) > 5 for scene in scenes]) > 0.7
    gaps = {int(gap) for scene in scenes for gap in np.diff(scene.days)}
    assert len(gaps) > 3 and all(gap % 5 == 0 for gap in gaps)


def test_values_are_those_of_sentinel_2(scenes: list[Series]) -> None:
    clear = np.concatenate([scene.lr[scene.cloud == 0] for scene in scenes])
    low, median, high = (np.percentile(clear, share, axis=0) for share in (1, 50, 99))
    assert (low > 70).all() and (median > 250).all() and (median < 1100).all()
    assert (high > 800).all() and (high < 3000).all()
    # The sensor of the target uses its 8 bits and does not clip.
    targets = np.concatenate([scene.hr.reshape(-1, 3) for scene in scenes])
    assert (targets.std(axis=0) > 25).all() and np.isin(targets, (0, 255)).mean() < 0.01


@pytest.mark.slow
def test_every_climate_occurs_and_together_they_reach_from_dark_water_to_snow() -> None:
    assert set(ORDER) == set(CLIMATES)
    clear: dict[str, np.ndarray] = {}
    for index, name in enumerate(ORDER):
        scene = render_series(0, index)
        clear[name] = scene.lr[scene.cloud == 0] / 10000
        # The finer sensor's gain follows the scene: its 8 bits are used and not clipped.
        assert scene.hr.std() > 20 and (scene.hr == 255).mean() < 0.01
    median = {name: float(np.median(values)) for name, values in clear.items()}
    assert median["desert"] > 0.15 and median["snow"] > 0.2 > median["forest"] * 3
    assert np.percentile(clear["forest"], 1) < 0.015 and np.percentile(clear["coast"], 10) < 0.05
    assert np.percentile(clear["snow"], 95) > 0.5 and np.percentile(clear["desert"], 95) > 0.3


def test_clouds_are_bright_their_shadows_dark_and_the_nearest_date_is_clear(scenes: list[Series]) -> None:
    cloudy = [(scene, number) for scene in scenes for number in range(8) if scene.cloud[number].any()]
    assert 0.4 * CLOUDY < len(cloudy) / (8 * 8) < 1.5 * CLOUDY
    for scene, number in cloudy:
        assert number != np.argmin(np.abs(scene.days))
        assert set(np.unique(scene.cloud[number])) == {0, 255}
        hidden = scene.cloud[number] > 0
        assert 0.02 < hidden.mean() < 0.75
        assert scene.lr[number][hidden].max() > 2 * np.percentile(scene.lr[number][~hidden], 98)
    darkest = [scene.lr[n][scene.cloud[n] > 0].min() / scene.lr[n][scene.cloud[n] == 0].min() for scene, n in cloudy]
    assert min(darkest) < 0.8


def test_fields_change_with_the_season_and_villages_do_not(scenes: list[Series]) -> None:
    changes = []
    for scene in scenes:
        clear = [number for number in range(8) if not scene.cloud[number].any()]
        first, last = (scene.lr[clear[end]].astype(float) for end in (0, -1))
        changes.append(np.abs(last - first)[..., 0] / first[..., 0])
    spread = np.concatenate([change.ravel() for change in changes])
    assert np.percentile(spread, 20) < 0.12 and np.percentile(spread, 95) > 0.5


def test_test_scenes_show_other_country_at_another_season_with_values_of_the_same_sensor() -> None:
    home, away = ([render_series(0, i, dates=2, lr_px=(16, 16), away=test) for i in range(6)] for test in (False, True))
    assert max(scene.target_date for scene in home) < min(scene.target_date for scene in away)
    redness = [np.mean([scene.hr[..., 0].mean() / scene.hr[..., 2].mean() for scene in some]) for some in (home, away)]
    assert redness[1] > 1.1 * redness[0]
    assert 200 < np.mean([scene.lr[scene.cloud == 0].mean() for scene in away]) < 2500


def test_scenes_are_written_as_folders_of_dated_images(tmp_path: Path) -> None:
    write_scenes(tmp_path, Embedded(kind="series", train=1, val=1, test=1, frames=3, size=(48, 64), test_frames=2))
    scene = render_series(0, 1, dates=3, lr_px=(12, 16))
    folder = tmp_path / "val" / "scene001"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    days = [str(day) for day in scene.dates]
    assert names == [
        *(f"cloud/{day}.png" for day in days),
        f"hr/{scene.target_date}.png",
        *(f"lr/{day}.png" for day in days),
        "scene.json",
    ]
    np.testing.assert_array_equal(read_image(folder / "lr" / f"{days[2]}.png"), scene.lr[2])
    np.testing.assert_array_equal(read_image(folder / "hr" / f"{scene.target_date}.png"), scene.hr)
    assert (tmp_path / "train" / "scene000").is_dir()
    away = render_series(0, 0, dates=2, lr_px=(12, 16), away=True)
    test = tmp_path / "test" / "scene000"
    np.testing.assert_array_equal(read_image(test / "hr" / f"{away.target_date}.png"), away.hr)
    assert len(list((test / "lr").iterdir())) == 2
    with pytest.raises(SatsrError, match="multiple of 4"):
        write_scenes(tmp_path, Embedded(kind="series", train=1, val=1, frames=3, size=(50, 64)))
