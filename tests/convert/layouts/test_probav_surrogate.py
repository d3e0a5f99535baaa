from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

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
from tests.convert.layouts.test_series import write_tiff
from tests.products import make, zipped

OPTIONS = {"masks": "clouds.npz", "tile_px": 72, "blur": 0.2}
MARGIN = 6


def texture(rng: np.random.Generator, side: int = 240) -> np.ndarray:
    """Four bands in the order of their numbers, with structure at several sizes; reflectance times 10000."""
    noise = rng.standard_normal((side, side, 4))
    layers = [gaussian_filter(noise, (sigma, sigma, 0)) * sigma for sigma in (1, 3, 8)]
    return (1500 + 400 * np.sum(layers, axis=0)).clip(100, 6000).astype(np.uint16)


def own_files(root: Path, masks: np.ndarray | None = None) -> np.ndarray:
    """A scene with a stack of masks: one clear, one overcast, one with a cloud."""
    image = texture(np.random.default_rng(0))
    write_tiff(root / "scene.tif", image, ("B02", "B03", "B04", "B08"))
    if masks is None:
        masks = np.zeros((3, 30, 40), np.uint8)
        masks[1], masks[2, 8:14, 10:22] = 1, 1
    np.savez(root / "clouds.npz", cloud_mask=masks)
    return image


def loaded(scene: SceneSource) -> dict[str, np.ndarray]:
    return {role: np.stack([frame.load() for frame in frames]) for role, frames in scene.roles.items()}


def read(root: Path, **options: Any) -> list[SceneSource]:
    return read_scenes("probav_surrogate", root, OPTIONS | options)


def test_image_sets_have_the_form_of_proba_v(tmp_path: Path) -> None:
    image = own_files(tmp_path)
    found = read(tmp_path, views=11)
    assert len(found) == 3 * 3 * 2 and {scene.meta["band"] for scene in found} == {"RED", "NIR"}
    scene = next(scene for scene in found if scene.id == "scene/r001-c002-NIR")
    arrays = loaded(scene)
    assert 9 <= len(arrays["lr"]) == len(arrays["qm"]) <= 11
    assert {role: (array.shape[1:], array.dtype) for role, array in arrays.items()} == {
        "lr": ((20, 20), np.uint16), "qm": ((20, 20), np.uint8), "hr": ((60, 60), np.uint16), "sm": ((60, 60), np.uint8)
    }  # fmt: skip
    # The reference is the inside of the tile, at twice reflectance times 10000.
    np.testing.assert_array_equal(
        arrays["hr"][0], 2 * image[72 + MARGIN : 144 - MARGIN, 144 + MARGIN : 216 - MARGIN, 3]
    )
    assert (arrays["sm"] == 255).all()
    assert scene.meta["window"] == [72, 144, 72, 72] and scene.meta["origin"] == {"hr": ["scene.tif"]}


def test_both_bands_of_a_place_are_in_one_split_and_places_do_not_overlap(tmp_path: Path) -> None:
    own_files(tmp_path)
    places = {
        split: {tuple(s.meta["window"]) for s in read(tmp_path) if s.split == split}
        for split in ("train", "val", "test")
    }
    assert all(places.values())
    assert len(set.union(*places.values())) == sum(map(len, places.values())) == 9


def test_views_are_the_shifted_coarser_reference(tmp_path: Path) -> None:
    own_files(tmp_path)
    scene = read(tmp_path, cloudy=0.0, noise=0.0, brightness=0.0)[0]
    arrays = loaded(scene)
    small = imresize(arrays["hr"][0], 1 / 3).astype(np.float32)
    shifts = [measure_shift(view.astype(np.float32), small) for view in arrays["lr"]]
    assert (arrays["qm"] == 255).all()
    lengths = np.array([[shift.y, shift.x] for shift in shifts])
    assert np.abs(lengths).max() < 1.1 and lengths.std() > 0.3
    still = loaded(read(tmp_path, cloudy=0.0, noise=0.0, brightness=0.0, shift=0.0)[0])
    assert (still["lr"] == still["lr"][0]).all()
    assert np.corrcoef(still["lr"][0].ravel(), imresize(still["hr"][0], 1 / 3).ravel())[0, 1] > 0.98


def test_clouds_are_bright_have_the_shapes_of_the_masks_and_hide_at_most_two_fifths(tmp_path: Path) -> None:
    masks = np.zeros((2, 60, 60), np.uint8)
    masks[1, 20:26, 20:30] = 1
    own_files(tmp_path, masks)
    arrays = loaded(read(tmp_path, cloudy=1.0)[0])
    hidden = arrays["qm"] == 0
    assert set(np.unique(arrays["qm"])) == {0, 255}
    assert hidden.any(axis=(1, 2)).all() and hidden.mean(axis=(1, 2)).max() <= 0.4
    assert hidden.sum(axis=(1, 2)).max() <= 60
    assert arrays["lr"][hidden].mean() > arrays["lr"][~hidden].mean() + 3000


def test_small_masks_are_enlarged_and_folders_of_masks_are_read(tmp_path: Path) -> None:
    own_files(tmp_path)
    mask = np.zeros((9, 9), np.uint8)
    mask[3:5, 2:6] = 1
    write_png(tmp_path / "clouds" / "2019-05-01.png", mask)
    arrays = loaded(read(tmp_path, scenes="*.tif", masks="clouds", cloudy=1.0)[0])
    # 9 pixels become 27, so the cloud of 2 x 4 has 6 x 12.
    assert (arrays["qm"] == 0).sum(axis=(1, 2)).max() == 6 * 12


def test_the_same_card_gives_the_same_sets_and_another_seed_others(tmp_path: Path) -> None:
    own_files(tmp_path)
    first, again, other = (loaded(read(tmp_path, seed=seed)[0])["lr"][0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_saturated_pixels_are_not_clear(tmp_path: Path) -> None:
    own_files(tmp_path)
    arrays = loaded(read(tmp_path, gain=10.0)[0])
    assert arrays["hr"].max() == 16383
    np.testing.assert_array_equal(arrays["sm"] == 0, arrays["hr"] == 16383)


@pytest.mark.slow
def test_a_card_leads_to_a_store_that_passes_the_checks_of_proba_v(tmp_path: Path) -> None:
    own_files(tmp_path / "data")
    card = Card.model_validate(
        {
            "name": "own",
            "source": {"files": {"path": "data"}},
            "layout": "probav_surrogate",
            "scale": 3,
            "options": {"masks": "clouds.npz", "tile_px": 72},
        }
    )
    download(card, tmp_path / "raw", base=tmp_path)
    store = convert(tmp_path / "raw", tmp_path / "store", Convert(scale=3), base=tmp_path)
    result = judge(inspect(store), suite("probav"))
    assert result.success, [(check.name, check.observed) for check in result.failed]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"masks": "none.npz"}, "option masks is a path inside"),
        ({"masks": "../clouds.npz"}, "option masks is a path inside"),
        ({"scenes": "T30*.tif"}, r"no scene .* called T30\*\.tif"),
        ({"views": 5}, "views: input should be greater than or equal to 9"),
        ({"noise": "much", "shifts": 2}, "noise: input should be a valid number.*unknown key shifts"),
        ({"masks": "broken.npz"}, "cannot be read as a NumPy archive"),
        ({"masks": "flat.npz"}, r"holds mask of uint8 \(9, 9\): expected an array cloud_mask"),
        ({"masks": "full.npz"}, "masks that are neither empty nor full"),
    ],
)
def test_what_cannot_be_made_is_told(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    own_files(tmp_path)
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 not an archive")
    np.savez(tmp_path / "flat.npz", mask=np.zeros((9, 9), np.uint8))
    np.savez(tmp_path / "full.npz", np.ones((2, 50, 50), np.uint8))
    with pytest.raises(SatsrError, match=words):
        read(tmp_path, **{"scenes": "*.tif", **options})


def test_a_real_scene_under_real_masks_becomes_image_sets(samples: Callable[[str], Path]) -> None:
    root = samples("s2/dsen2_S2A_MSIL1C_20170527_T33UUB.npz").parent
    options = {"masks": "eolearn_timeseries_x0-50.npz", "scenes": "dsen2*.npz"}
    found = read_scenes("probav_surrogate", root, options)
    assert [sum(scene.split == split for scene in found) for split in ("train", "val", "test")] == [30, 10, 10]
    arrays = loaded(found[0])
    assert arrays["hr"].shape == (1, 108, 108) and arrays["lr"].shape[1:] == (36, 36)
    assert 0 < (arrays["qm"] == 0).mean() < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_a_product_gives_its_red_and_near_infrared_without_the_offset(tmp_path: Path, packed: bool) -> None:
    root, values = make(tmp_path / ("away" if packed else "data"), size=240)
    if packed:
        (tmp_path / "data").mkdir()
        zipped(root, tmp_path / "data" / f"{root.stem}.zip")
    own_files(tmp_path / "data")
    found = read(tmp_path / "data", scenes="S2A*")
    assert len(found) == 3 * 3 * 2
    for band, name in (("RED", "B04"), ("NIR", "B08")):
        scene = next(scene for scene in found if scene.id == f"{root.stem}/r000-c001-{band}")
        assert scene.meta["add_offset"] == -1000
        truth = values[name][:72, 72:144][MARGIN:-MARGIN, MARGIN:-MARGIN].astype(int) - 1000
        np.testing.assert_array_equal(scene.roles["hr"][0].load(), 2 * truth)
