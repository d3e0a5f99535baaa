import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from satsr.degrade import downscale_frame
from satsr.errors import SatsrError
from satsr.resize import imresize
from satsr.seeds import generator
from satsr.shift import measure_shift
from satsr.store.store import Store, StoreWriter
from satsr.validate import suites
from satsr.validate.checks import Result, judge, require, validate
from satsr.validate.inspection import inspect
from satsr.validate.likeness import resembling

pytestmark = pytest.mark.slow  # Great Expectations takes seconds to load

SIDE, SCALE = 96, 4
Frames = dict[tuple[str, str, str, int], np.ndarray]


def texture(*key: int) -> np.ndarray:
    """A frame with structure at all sizes: (SIDE, SIDE, 3) uint8."""
    noise = generator(0, "checks", *key).standard_normal((SIDE, SIDE, 3))
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1, 3, 8)]
    return np.clip(128 + 45 * np.sum(layers, axis=0), 0, 255).astype(np.uint8)


def clips(frames: int = 4) -> Frames:
    """Two training clips, a validation clip and a test clip of frames that all differ."""
    found: Frames = {}
    for number, (split, scene) in enumerate((("train", "a"), ("train", "b"), ("test", "a"), ("val", "c"))):
        for index in range(frames):
            hr = texture(number, index)
            found[split, scene, "hr", index] = hr
            found[split, scene, "lr", index] = downscale_frame(hr, SCALE)
    return found


def write(path: Path, frames: Frames, meta: dict[str, Any] | None = None) -> Store:
    with StoreWriter(path, {"name": "test"}) as writer:
        for place, array in frames.items():
            writer.put(*place, array)
        for split, scene in {place[:2] for place in frames}:
            writer.describe(split, scene, meta or {})
    return Store(path)


def check(path: Path, frames: Frames, **limits: Any) -> Result:
    return judge(inspect(write(path, frames)), suites.suite("video", **limits))


def places(result: Result, rule: str) -> list[str]:
    return [offender.name for item in result.checks if item.name == rule for offender in item.offenders]


def failed(result: Result) -> set[str]:
    return {item.name for item in result.failed}


def test_good_clips_pass_every_check(tmp_path: Path) -> None:
    result = check(tmp_path / "store", clips())
    assert result.success and not result.failed
    assert len(result.checks) == len(suites.suite("video").rules)
    assert [(row["split"], row["role"], row["frames"]) for row in result.overview] == [
        *(
            ("test", "hr", 4),
            ("test", "lr", 4),
            ("train", "hr", 8),
            ("train", "lr", 8),
            ("val", "hr", 4),
            ("val", "lr", 4),
        )
    ]


def three_lr_pixels_off(frames: Frames) -> None:
    frames["test", "a", "lr", 2] = np.roll(frames["test", "a", "lr", 2], 3, axis=1)


def decimated_without_half_a_pixel(frames: Frames) -> None:
    # smoothed first, so that nothing but the grid is wrong
    frames["test", "a", "lr", 2] = cv2.GaussianBlur(frames["test", "a", "hr", 2], (0, 0), 1.8)[::SCALE, ::SCALE].copy()


def one_row_less(frames: Frames) -> None:
    for index in range(4):
        frames["test", "a", "hr", index] = frames["test", "a", "hr", index][:-1]


def one_odd_size(frames: Frames) -> None:
    frames["test", "a", "hr", 2] = frames["test", "a", "hr", 2][:-SCALE]
    frames["test", "a", "lr", 2] = frames["test", "a", "lr", 2][:-1]


def scale_of_two(frames: Frames) -> None:
    frames["test", "a", "lr", 2] = downscale_frame(frames["test", "a", "hr", 2], 2)


def a_stranger(frames: Frames) -> None:
    frames["test", "a", "lr", 2] = downscale_frame(texture(9), SCALE)


def darker(frames: Frames) -> None:
    frames["test", "a", "lr", 2] = (frames["test", "a", "lr", 2] * 0.9).astype(np.uint8)


def red_and_blue_swapped(frames: Frames) -> None:
    hr = frames["test", "a", "hr", 2] // np.array([1, 1, 2], np.uint8)
    frames["test", "a", "hr", 2], frames["test", "a", "lr", 2] = hr, downscale_frame(hr, SCALE)[..., ::-1].copy()


def one_colour(frames: Frames) -> None:
    frames["test", "a", "hr", 2] = np.full((SIDE, SIDE, 3), 7, np.uint8)


def overexposed(frames: Frames) -> None:
    frames["test", "a", "hr", 2] = np.where(texture(8) > 100, 255, texture(8)).astype(np.uint8)


def grey(frames: Frames) -> None:
    for index in range(4):
        frames["test", "a", "lr", index] = frames["test", "a", "lr", index][..., :1]


def one_low_frame_missing(frames: Frames) -> None:
    del frames["test", "a", "lr", 3]


def floats_with_nan(frames: Frames) -> None:
    for index in range(4):
        frames["test", "a", "hr", index] = frames["test", "a", "hr", index].astype(np.float32)
    frames["test", "a", "hr", 2][0, 0] = np.nan


def out_of_range(frames: Frames) -> None:
    for index in range(4):
        frames["test", "a", "hr", index] = frames["test", "a", "hr", index].astype(np.int16)
    frames["test", "a", "hr", 2][0, 0] = [-1, 0, 256]


def one_frame_long(frames: Frames) -> None:
    for index in (1, 2, 3):
        del frames["test", "a", "hr", index], frames["test", "a", "lr", index]


def also_trained_on(frames: Frames) -> None:
    for role in ("hr", "lr"):
        frames["test", "a", role, 2] = frames["train", "b", role, 1]


def trained_on_in_another_encoding(frames: Frames) -> None:
    for index in range(4):
        _, jpeg = cv2.imencode(".jpg", frames["train", "b", "hr", index], [cv2.IMWRITE_JPEG_QUALITY, 60])
        frames["test", "a", "hr", index] = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)


def trained_on_at_another_size(frames: Frames) -> None:
    for index in range(4):
        frames["test", "a", "hr", index] = cv2.resize(frames["train", "b", "hr", index], (SIDE // 2, SIDE // 2))


def standing_still(frames: Frames) -> None:
    for role in ("hr", "lr"):
        for index in (1, 2, 3):
            frames["test", "a", role, index] = frames["test", "a", role, 0]


def nothing_to_measure_on(frames: Frames) -> None:
    for place in [place for place in frames if place[0] == "test"]:
        del frames[place]


@pytest.mark.parametrize(
    ("damage", "rule", "where"),
    [
        (three_lr_pixels_off, "shift", ["test/a lr 2"]),
        (decimated_without_half_a_pixel, "shift", ["test/a lr 2"]),
        (one_row_less, "scale", [f"test/a lr {index}" for index in range(4)]),
        (one_odd_size, "sizes", ["test/a"]),
        (scale_of_two, "scale", ["test/a lr 2"]),
        (a_stranger, "similar", ["test/a lr 2"]),
        (darker, "levels", ["test/a lr 2"]),
        (red_and_blue_swapped, "levels", ["test/a lr 2"]),
        (one_colour, "constant", ["test/a hr 2"]),
        (overexposed, "saturated", ["test/a hr 2"]),
        (grey, "channels", [f"test/a lr {index}" for index in range(4)]),
        (one_low_frame_missing, "counts", ["test/a"]),
        (floats_with_nan, "finite", ["test/a hr 2"]),
        (out_of_range, "minimum", ["test/a hr 2"]),
        (out_of_range, "maximum", ["test/a hr 2"]),
        (one_frame_long, "length", ["test/a"]),
        (also_trained_on, "disjoint", ["test/a hr 2", "test/a lr 2", "train/b hr 1", "train/b lr 1"]),
        (trained_on_in_another_encoding, "copies", ["test/a", "train/b"]),
        (trained_on_at_another_size, "copies", ["test/a", "train/b"]),
        (standing_still, "repeats", ["test/a"]),
        (nothing_to_measure_on, "splits", []),
    ],
)
def test_each_trouble_is_found_where_it_is(
    tmp_path: Path, damage: Callable[[Frames], None], rule: str, where: list[str]
) -> None:
    frames = clips()
    damage(frames)
    rules = suites.suite("video")
    alone = replace(rules, rules=tuple(one for one in rules.rules if one.name == rule))  # each costs time
    result = judge(inspect(write(tmp_path / "store", frames)), alone)
    assert not result.success
    assert failed(result) == {rule}
    assert places(result, rule) == where


def test_a_test_scene_that_also_trains_is_refused_with_both_names(tmp_path: Path) -> None:
    frames = clips()
    for index in range(4):
        for role in ("hr", "lr"):
            frames["test", "a", role, index] = frames["train", "b", role, index]
    result = check(tmp_path / "store", frames, max_duplicate_share=1.0)
    assert failed(result) == {"disjoint", "copies"}
    with pytest.raises(SatsrError) as caught:
        require(result, tmp_path)
    assert "test/a hr 0: train/b/hr/0" in str(caught.value) and "test/a: train/b" in str(caught.value)


@pytest.mark.parametrize("missing", ["train", "val", "test"])
def test_a_split_that_is_missing_is_told(tmp_path: Path, missing: str) -> None:
    frames = {place: array for place, array in clips().items() if place[0] != missing}
    result = check(tmp_path / "store", frames)
    assert failed(result) == {"splits"}
    assert "expected train and val and test, found" in result.message(tmp_path)


def test_parts_of_one_clip_may_look_alike_but_not_at_the_same_time(tmp_path: Path) -> None:
    frames, still = clips(), texture(5)
    for place in [place for place in frames if place[:2] in {("train", "a"), ("test", "a")} and place[2] == "hr"]:
        frames[place] = still + generator(2, "checks", place[3], len(place[0])).integers(0, 3, still.shape, np.uint8)
    store = write(tmp_path / "store", frames)
    assert resembling([*store.scenes("train"), *store.scenes("test")]) == {
        ("test", "a"): "train/a", ("train", "a"): "test/a"
    }  # fmt: skip
    with StoreWriter(tmp_path / "parts", {"name": "test"}) as writer:
        for place, array in frames.items():
            writer.put(*place, array)
        writer.describe("train", "a", {"source": "a", "frames": [0, 69]})
        writer.describe("test", "a", {"source": "a", "frames": [80, 99]})
    store = Store(tmp_path / "parts")
    assert not resembling([*store.scenes("train"), *store.scenes("test")])


def test_low_frames_in_the_wrong_order_are_found_although_the_camera_hardly_moves(tmp_path: Path) -> None:
    frames = clips()
    still = texture(0, 0)
    for index in range(4):
        noise = generator(1, "checks", index).normal(0, 6, still.shape)
        frames["test", "a", "hr", index] = np.clip(still + noise, 0, 255).astype(np.uint8)
        frames["test", "a", "lr", index] = downscale_frame(frames["test", "a", "hr", index], SCALE)
    low = [frames["test", "a", "lr", index] for index in (1, 2)]
    frames["test", "a", "lr", 2], frames["test", "a", "lr", 1] = low
    result = check(tmp_path / "store", frames)
    assert places(result, "order") == ["test/a lr 1", "test/a lr 2"]
    assert failed(result) == {"order"}


def test_a_damaged_value_is_named(tmp_path: Path) -> None:
    frames = clips()
    path = write(tmp_path / "store", frames).path / "data.mdb"
    content = bytearray(path.read_bytes())
    where = content.index(frames["train", "b", "hr", 3].tobytes())
    content[where + 100] ^= 0xFF
    path.write_bytes(content)
    result = judge(inspect(Store(tmp_path / "store")), suites.suite("video"))
    assert failed(result) == {"intact"}
    assert places(result, "intact") == ["train/b hr 3"]


def test_an_empty_store_fails_instead_of_passing_vacuously(tmp_path: Path) -> None:
    result = check(tmp_path / "store", {})
    assert {"splits", "counts", "intact", "shift"} <= failed(result)


def test_where_none_is_expected_it_is_said_how_many_were_found(tmp_path: Path) -> None:
    rules = suites.suite("video")
    alone = replace(rules, rules=tuple(one for one in rules.rules if one.name == "constant"))
    frames = clips()
    (good,) = judge(inspect(write(tmp_path / "good", frames)), alone).checks
    one_colour(frames)
    (bad,) = judge(inspect(write(tmp_path / "bad", frames)), alone).checks
    assert (good.limit, good.observed) == ("none", f"none of {len(frames)} frames")
    assert (bad.limit, bad.observed) == ("none", f"1 of {len(frames)} frames")


def test_a_tolerated_share_passes_and_is_still_listed(tmp_path: Path) -> None:
    frames = clips()
    one_colour(frames)
    frames["test", "a", "lr", 2] = downscale_frame(frames["test", "a", "hr", 2], SCALE)
    assert failed(check(tmp_path / "strict", frames)) == {"constant"}
    result = check(tmp_path / "lenient", frames, max_bad_share=0.1)
    assert result.success
    assert places(result, "constant") == ["test/a hr 2", "test/a lr 2"]


def test_all_offenders_are_listed_and_the_message_is_short(tmp_path: Path) -> None:
    frames = {
        place: np.roll(array, 2, axis=0) if place[2] == "lr" else array for place, array in clips(frames=12).items()
    }
    store = write(tmp_path / "store", frames, {"origin": {"lr": [f"LR/{index:03d}.png" for index in range(12)]}})
    result = validate(store, suites.suite("video"), tmp_path / "out")
    assert len(places(result, "shift")) == 48
    listed = json.loads((tmp_path / "out" / "validation.json").read_text())
    shift = next(item for item in listed["checks"] if item["name"] == "shift")
    assert len(shift["offenders"]) == 48
    assert all(abs(offender["value"] - 2) < 0.1 for offender in shift["offenders"])
    with pytest.raises(SatsrError) as caught:
        require(result, Path("results/rasvsr/validation/validation.html"))
    lines = str(caught.value).splitlines()
    assert sum(line.startswith("    ") and "LR/" in line for line in lines) == 20
    assert "... and 28 more" in str(caught.value) and lines[-1].endswith("validation.html")


def test_the_reports_are_the_same_bytes_each_time_and_load_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    frames = clips()
    a_stranger(frames)
    store = write(tmp_path / "store", frames, {"origin": "<script>alert(1)</script>.png"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("one", "two"):
        validate(store, suites.suite("video"), tmp_path / name)
    assert not list((tmp_path / "elsewhere").iterdir())
    for name in ("validation.json", "validation.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    html = (tmp_path / "one" / "validation.html").read_text()
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert "http://" not in html and "https://" not in html


def test_shifts_are_measured_to_a_fiftieth_of_a_pixel(samples: Callable[[str], Path]) -> None:
    image = cv2.imread(str(samples("video") / "ipiu_left_100x256x256" / "00000000.png"), cv2.IMREAD_GRAYSCALE)
    fine = image.astype(np.float32)
    reference = cv2.resize(fine, (64, 64), interpolation=cv2.INTER_AREA)
    for y, x in ((0, 0), (1, 0), (0, -2), (3, 2), (-12, 7)):  # pixels of the fine image
        moved = imresize(np.roll(fine, (y, x), axis=(0, 1)), 1 / 4).astype(np.float32)
        shift = measure_shift(moved[4:-4, 4:-4], reference[4:-4, 4:-4])
        assert abs(shift.y - y / 4) < 0.02 and abs(shift.x - x / 4) < 0.02, (shift, y, x)


def test_shifts_of_flat_or_unrelated_frames_are_not_measured() -> None:
    flat = np.full((32, 32), 9, np.float32)
    one, other = (generator(3, "checks", index).normal(9, 1, (32, 32)).astype(np.float32) for index in (0, 1))
    for frame, reference in ((flat, flat), (flat, one), (one, other)):
        assert np.isnan(measure_shift(frame, reference).length)


def test_measuring_knows_masks_single_targets_and_many_bands(tmp_path: Path) -> None:
    bands = np.concatenate([texture(0), texture(1)], axis=2).astype(np.uint16) * 40
    frames: Frames = {("train", "s", "hr", 0): bands}
    for index in range(3):
        frames["train", "s", "lr", index] = downscale_frame(bands, SCALE)
        frames["train", "s", "qm", index] = np.full((24, 24), 255, np.uint8)
    tables = inspect(write(tmp_path / "store", frames))
    low = tables.frames[tables.frames["role"] == "lr"]
    assert list(low["ratio"]) == ["4x4"] * 3 and low["shift"].max() < 0.02 and low["channels"].eq(6).all()
    assert low["best_match"].isna().all()
    masks = tables.frames[tables.frames["role"] == "qm"]
    assert masks["constant"].all() and masks["duplicate_of"].isna().all()
    assert tables.scenes[["n_hr", "n_lr", "n_qm"]].to_numpy().tolist() == [[1, 3, 3]]


@pytest.mark.parametrize(("kind", "pairs"), [("probav", {"qm": "lr", "sm": "hr"}), ("series", {"cloud": "lr"})])
def test_masks_that_are_not_of_their_images_size_are_found(tmp_path: Path, kind: str, pairs: dict[str, str]) -> None:
    frames: Frames = {}
    for split, scene in (("train", "a"), ("test", "b")):
        for index in range(2):
            frames[split, scene, "lr", index] = np.full((20, 24), index, np.uint16)
        frames[split, scene, "hr", 0] = np.full((60, 72), 7, np.uint16)
        for mask, image in pairs.items():
            for index in range(2 if image == "lr" else 1):
                frames[split, scene, mask, index] = np.full(frames[split, scene, image, index].shape[:2], 255, np.uint8)
    rules = suites.suite(kind)
    assert "mask_size" not in failed(judge(inspect(write(tmp_path / "good", frames)), rules))
    for mask in pairs:
        frames["test", "b", mask, 0] = frames["test", "b", mask, 0].T.copy()
    result = judge(inspect(write(tmp_path / "bad", frames)), rules)
    assert places(result, "mask_size") == [f"test/b {mask} 0" for mask in pairs]


def test_series_without_masks_pass_the_rule_about_masks(tmp_path: Path) -> None:
    frames: Frames = {(split, "a", "lr", 0): np.full((20, 24, 3), 9, np.uint16) for split in ("train", "val")}
    result = judge(inspect(write(tmp_path / "store", frames)), suites.suite("series"))
    assert "mask_size" not in failed(result)


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(SatsrError, match="video"):
        suites.suite("sound")


GROWTH = """
import resource, sys
from pathlib import Path
import numpy as np
from satsr.store.store import Store, StoreWriter
from satsr.validate.inspection import inspect
if sys.argv[2] == "write":
    with StoreWriter(Path(sys.argv[1]), {}) as writer:
        for index in range(int(sys.argv[3])):
            frame = np.random.default_rng(index).integers(0, 256, (192, 192, 3), dtype=np.uint8)
            writer.put("train", str(index // 100), "hr", index % 100, frame)
else:
    assert len(inspect(Store(Path(sys.argv[1]))).frames) == int(sys.argv[3])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_hardly_grows_with_the_number_of_frames(tmp_path: Path) -> None:
    peaks = []
    for frames in (50, 400):  # the frames that are more have 39 MB
        store = tmp_path / str(frames)
        for what in ("write", "inspect"):
            asked = [sys.executable, "-c", GROWTH, str(store), what, str(frames)]
            done = subprocess.run(asked, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 12
