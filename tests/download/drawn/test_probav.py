from pathlib import Path

import numpy as np
import pytest

from satsr.degrade import PROBAV_SATURATED, probav_baseline
from satsr.download.card import Embedded
from satsr.download.drawn.probav import LR_BLUR_PX, ImageSet, render_imageset, write_scenes
from satsr.errors import SatsrError
from satsr.imagery.images import read_image
from satsr.metrics import cpsnr
from tests.download.drawn.multi_image import reconstruct

PEAK = 65535


@pytest.fixture(scope="module")
def sets() -> list[ImageSet]:
    return [render_imageset(0, index, band=("RED", "NIR")[index % 2]) for index in range(8)]


def norm(scene: ImageSet) -> float:
    return cpsnr(probav_baseline(scene.lr, scene.qm), scene.hr / PEAK, scene.sm > 0)


def estimate(scene: ImageSet, count: int) -> np.ndarray:
    """The reference from the ``count`` clearest views, brought to the brightness of the first."""
    order = np.argsort(-(scene.qm > 0).sum(axis=(1, 2)), kind="stable")[:count]
    clear = scene.qm[order] > 0
    views = scene.lr[order].astype(float)
    for view, mask in zip(views, clear, strict=True):
        view -= (view - views[0])[mask & clear[0]].mean()
    return reconstruct(list(views[..., None]), list(clear), list(scene.offsets[order]), 3, LR_BLUR_PX)[..., 0] / PEAK


@pytest.mark.slow
def test_more_views_give_a_better_reference(sets: list[ImageSet]) -> None:
    scores = np.array([[cpsnr(estimate(s, count), s.hr / PEAK, s.sm > 0) for count in (1, 2, 4, 9)] for s in sets])
    means = scores.mean(axis=0)
    assert (np.diff(means) > 0.7).all()
    assert means[3] > means[0] + 2.5
    assert means[0] > np.mean([norm(s) for s in sets]) + 2


def test_the_same_arguments_give_the_same_set_and_others_another() -> None:
    first, again = (render_imageset(3, 1, views=(9, 11), lr_px=(16, 24)) for _ in range(2))
    count = len(first.lr)
    assert 9 <= count <= 11
    assert (first.lr.shape, first.lr.dtype) == ((count, 16, 24), np.uint16)
    assert (first.qm.shape, first.qm.dtype) == ((count, 16, 24), np.uint8)
    assert (first.hr.shape, first.hr.dtype, first.sm.shape, first.sm.dtype) == ((48, 72), np.uint16, (48, 72), np.uint8)
    for name in ("lr", "qm", "hr", "sm", "offsets"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.hr != render_imageset(3, 2, lr_px=(16, 24)).hr).any()
    assert (first.hr != render_imageset(3, 1, views=(9, 11), lr_px=(16, 24), band="NIR").hr).any()


def test_the_challenges_baseline_is_as_good_as_there(sets: list[ImageSet]) -> None:
    assert 43 < np.mean([norm(scene) for scene in sets]) < 48  # 46.4 in norm.csv


def test_values_have_14_bits_and_proba_vs_levels(sets: list[ImageSet]) -> None:
    clear = np.concatenate([scene.lr[scene.qm > 0] for scene in sets])
    assert clear.max() < PROBAV_SATURATED and clear.min() > 1000
    assert 6000 < clear.mean() < 9000 and 500 < clear.std() < 2400
    assert max(scene.lr.max() for scene in sets) <= PROBAV_SATURATED


def test_views_are_clear_enough_to_be_in_the_challenge_and_some_are_cloudy(sets: list[ImageSet]) -> None:
    shares = np.concatenate([(scene.qm > 0).mean(axis=(1, 2)) for scene in sets])
    assert shares.min() >= 0.6
    assert 0.25 < (shares < 0.97).mean() < 0.75
    for scene in sets:
        assert set(np.unique(scene.qm)) <= {0, 255} and set(np.unique(scene.sm)) <= {0, 255}
        assert (scene.sm > 0).mean() >= 0.75
        # What is hidden differs from what the other views show; what is clear does not.
        brighter = scene.lr - np.nanmedian(np.where(scene.qm > 0, scene.lr, np.nan), axis=0)
        if (scene.qm == 0).any():
            assert brighter[scene.qm == 0].mean() > 800
        assert abs(brighter[scene.qm > 0].mean()) < 400


def test_test_sets_show_drier_country_within_the_same_14_bits() -> None:
    def references(band: str, away: bool) -> np.ndarray:
        sets = [render_imageset(0, i, views=(9, 9), lr_px=(24, 24), band=band, away=away) for i in range(6)]
        return np.stack([scene.hr for scene in sets])

    home, away = ({band: references(band, test) for band in ("RED", "NIR")} for test in (False, True))
    assert away["NIR"].mean() / away["RED"].mean() < 0.95 * home["NIR"].mean() / home["RED"].mean()
    assert max(image.max() for image in away.values()) < 2**14


def test_scenes_are_written_in_esas_layout(tmp_path: Path) -> None:
    write_scenes(tmp_path, Embedded(kind="probav", train=2, val=2, test=1, frames=10, size=(48, 48)))
    folders = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("imgset*"))
    assert folders == [
        "test/RED/imgset0004",
        "train/NIR/imgset0001",
        "train/RED/imgset0000",
        "val/NIR/imgset0003",
        "val/RED/imgset0002",
    ]
    scene = render_imageset(0, 3, views=(9, 10), lr_px=(16, 16), band="NIR")
    folder = tmp_path / "val" / "NIR" / "imgset0003"
    names = sorted(path.name for path in folder.iterdir())
    views = [f"{number:03d}.png" for number in range(len(scene.lr))]
    assert names == ["HR.png", *(f"LR{view}" for view in views), *(f"QM{view}" for view in views), "SM.png"]
    np.testing.assert_array_equal(read_image(folder / "LR008.png"), scene.lr[8])
    np.testing.assert_array_equal(read_image(folder / "QM008.png"), scene.qm[8])
    np.testing.assert_array_equal(read_image(folder / "HR.png"), scene.hr)
    away = render_imageset(0, 0, views=(9, 10), lr_px=(16, 16), away=True)
    np.testing.assert_array_equal(read_image(tmp_path / "test" / "RED" / "imgset0004" / "HR.png"), away.hr)
    assert (away.hr != render_imageset(0, 0, views=(9, 10), lr_px=(16, 16)).hr).any()
    with pytest.raises(SatsrError, match="multiple of 3"):
        write_scenes(tmp_path, Embedded(kind="probav", train=2, val=2, frames=10, size=(48, 50)))
