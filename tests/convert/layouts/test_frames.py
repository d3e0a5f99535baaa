from pathlib import Path

import cv2
import numpy as np
import pytest

from satsr.convert.guess import guess
from satsr.convert.layouts import LAYOUTS, read_scenes
from satsr.errors import SatsrError
from satsr.files import natural


def found(root: Path, layout: str | None = None) -> dict[tuple[str | None, str], dict[str, list[str]]]:
    """(split, id) -> role -> names of the frames' files."""
    return {
        (scene.split, scene.id): {
            role: [Path(frame.origin).name for frame in frames] for role, frames in scene.roles.items()
        }
        for scene in read_scenes(layout or guess(root), root)
    }


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def video(path: Path, frames: int, size: tuple[int, int] = (48, 64)) -> None:
    """Frame i is gray of level 20 i, losslessly compressed."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 25, size[::-1])
    assert writer.isOpened()
    for index in range(frames):
        writer.write(np.full((*size, 3), 20 * index, np.uint8))
    writer.release()


def test_names_are_sorted_as_people_count() -> None:
    names = ["frame10", "frame2", "frame02", "Frame1", "frame2b", ""]
    assert sorted(names, key=natural) == ["", "Frame1", "frame02", "frame2", "frame2b", "frame10"]


def test_a_folder_of_frames_is_one_clip(tmp_path: Path) -> None:
    touch(tmp_path / "my clip", "f10.png", "f9.png", "notes.txt", ".f1.png")
    assert found(tmp_path / "my clip") == {(None, "my clip"): {"hr": ["f9.png", "f10.png"]}}


def test_folders_of_frames_are_clips_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.jpg", "a/x/1.png", "a/x/0.png", "a/y/0.TIF")
    assert list(found(tmp_path)) == [(None, "a/x"), (None, "a/y"), (None, "b")]


@pytest.mark.parametrize("inside", ["/c", ""])
def test_train_and_test_folders_are_splits(tmp_path: Path, inside: str) -> None:
    touch(tmp_path, f"train{inside}/0.png", f"Test{inside}/0.png")
    assert {split for split, _ in found(tmp_path)} == {"train", "test"}


def test_a_lone_clip_called_test_is_no_split(tmp_path: Path) -> None:
    touch(tmp_path, "test/0.png", "b/0.png")
    assert list(found(tmp_path)) == [(None, "b"), (None, "test")]


def test_a_folder_of_clips_called_test_tests_and_what_lies_beside_it_trains(tmp_path: Path) -> None:
    touch(tmp_path, "test/c/0.png", "a/0.png", "b/x/0.png")
    assert list(found(tmp_path)) == [(None, "a"), (None, "b/x"), ("test", "c")]


def test_video_files_are_clips_and_give_their_frames_in_any_order(tmp_path: Path) -> None:
    video(tmp_path / "b 1.avi", 6)
    touch(tmp_path, "a/0.png")
    scene = read_scenes("frames", tmp_path)[1]
    assert scene.id == "b 1"
    frames = scene.roles["hr"]
    assert len(frames) == 6
    for index in (0, 2, 1, 5, 3, 4, 0):
        image = frames[index].load()
        assert image.shape == (48, 64, 3)
        assert abs(image.astype(int) - 20 * index).max() <= 1
    assert frames[3].origin.endswith("b 1.avi frame 3")
    assert list(found(tmp_path / "b 1.avi")) == [(None, "b 1")]


def test_a_file_that_is_no_video_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    with pytest.raises(SatsrError, match=r"a\.mp4 cannot be opened as a video"):
        read_scenes("frames", tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_a_video_that_was_cut_off_is_a_sentence(tmp_path: Path, name: str) -> None:
    video(tmp_path / name, 12)
    assert len(read_scenes("frames", tmp_path / name)[0].roles["hr"]) == 12
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(SatsrError, match=r"says it has 12 frames, but \d can be decoded: it is cut off or damaged"):
        read_scenes("frames", tmp_path / name)


def test_two_clips_of_one_name_are_an_error_naming_both(tmp_path: Path) -> None:
    video(tmp_path / "a.avi", 2)
    touch(tmp_path, "a/0.png")
    with pytest.raises(SatsrError, match=r"two clips are called 'a' \(of .*a.* and .*a.*\)"):
        read_scenes("frames", tmp_path)


def test_the_layout_of_sat_mtb_vsr_is_read_also_inside_another_folder(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for kind in ("GT", "LR4xBicubic"):
            touch(tmp_path, *(f"SAT-MTB-VSR/{split}/{kind}/00{clip}/0000000{i}.png" for clip in (0, 1) for i in (0, 1)))
    scenes = found(tmp_path)
    assert list(scenes) == [("train", "000"), ("train", "001"), ("val", "000"), ("val", "001")]
    assert scenes["val", "001"] == {role: ["00000000.png", "00000001.png"] for role in ("hr", "lr")}
    # The card says that the published figures are measured on the folder val.
    found_as_the_card_says = read_scenes("gt_lr", tmp_path, {"test_folder": "val"})
    assert [(scene.split, scene.id) for scene in found_as_the_card_says][:2] == [("test", "000"), ("test", "001")]
    assert found_as_the_card_says[0].why == "the published folder val, on which the published figures are measured"
    assert {scene.split for scene in found_as_the_card_says} == {"train", "test"}


def test_low_resolution_frames_of_another_scale_can_be_left_aside(tmp_path: Path) -> None:
    touch(tmp_path, "eval/GT/002/000.png", "eval/LR4x/002/000.png")
    (scene,) = read_scenes("jilin", tmp_path, {"low": "made"})
    assert set(scene.roles) == {"hr"}
    with pytest.raises(SatsrError, match="given or made, found 'none'"):
        read_scenes("jilin", tmp_path, {"low": "none"})


def test_the_layout_of_jilin_is_read_without_its_bicubic_frames(tmp_path: Path) -> None:
    touch(tmp_path, *(f"eval/{kind}/002/{i:03d}.png" for kind in ("GT", "LR4x", "Bicubic4x") for i in (0, 1)))
    assert found(tmp_path, "jilin") == {("val", "002"): {"hr": ["000.png", "001.png"], "lr": ["000.png", "001.png"]}}


def test_low_resolution_names_may_end_in_their_scale(tmp_path: Path) -> None:
    touch(tmp_path, "GT/a/00.png", "GT/a/01x4.png", "LR/a/00x4.png", "LR/a/01x4.png")
    assert found(tmp_path) == {(None, "a"): {"hr": ["00.png", "01x4.png"], "lr": ["00x4.png", "01x4.png"]}}


def test_without_low_resolution_frames_there_is_only_hr(tmp_path: Path) -> None:
    touch(tmp_path, "val/HR/0.png", "val/HR/1.png")
    assert found(tmp_path) == {("val", "val"): {"hr": ["0.png", "1.png"]}}


def test_a_split_is_not_taken_from_folders_above_the_data(tmp_path: Path) -> None:
    touch(tmp_path / "test", "GT/a/0.png")
    assert list(found(tmp_path / "test")) == [(None, "a")]


def test_every_frame_without_a_partner_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "GT/a/0.png", "GT/a/1.png", "GT/c/0.png", "LR/a/0.png", "LR/a/2.png", "LR/b/0.png")
    with pytest.raises(SatsrError, match=r"do not pair up \(4 found\)") as caught:
        read_scenes("gt_lr", tmp_path)
    told = str(caught.value)
    for name in ("GT/a/1.png has no low", "GT/c/0.png has no low", "LR/a/2.png has no high", "LR/b/0.png has no high"):
        assert name in told


def test_several_low_resolution_folders_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "GT/a/0.png", "LR2x/a/0.png", "LR4x/a/0.png")
    with pytest.raises(SatsrError, match="has several: LR2x, LR4x"):
        read_scenes("gt_lr", tmp_path)


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) & {"frames", "gt_lr", "jilin", "basicsr_lmdb"}))
def test_a_folder_without_images_is_a_sentence(tmp_path: Path, layout: str) -> None:
    touch(tmp_path, "readme.txt")
    with pytest.raises(SatsrError, match="holds nothing that the layout"):
        read_scenes(layout, tmp_path)


def test_layouts_are_guessed_from_what_lies_in_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a/0.png", "b/train/GT/c/0.png", "c/GT.lmdb/data.mdb", "c/GT.lmdb/meta_info.txt")
    assert [guess(tmp_path / name) for name in "abc"] == ["frames", "gt_lr", "basicsr_lmdb"]
    (tmp_path / "d").mkdir()
    for index in range(2):
        assert cv2.imwrite(str(tmp_path / f"d/{index}.tif"), np.zeros((8, 8, 3), np.uint8))
    assert guess(tmp_path / "d") == "frames"


def test_an_unknown_layout_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=r"no layout of files is called 'x': there are basicsr_lmdb, breizhsr, frames"):
        read_scenes("x", tmp_path)


def test_an_option_that_the_reader_does_not_have_names_those_it_has(tmp_path: Path) -> None:
    touch(tmp_path, "0.png")
    with pytest.raises(SatsrError, match=r"'frames' has the options none, but the dataset card gives tile_px"):
        read_scenes("frames", tmp_path, {"tile_px": 64})


def test_options_of_the_card_reach_the_reader(tmp_path: Path) -> None:
    np.savez(tmp_path / "scene.npz", im10=np.full((4, 256, 256), 500, np.uint16))
    scenes = read_scenes("sentinel2", tmp_path, {"tile_px": 64})
    assert {scene.meta["degradation"]["tile_px"] for scene in scenes} == {64}
    assert len(scenes) == 16


def test_real_video_is_found_by_its_folder_and_by_the_folder_around_it(samples) -> None:
    root = samples("video")
    clip = next(path for path in root.iterdir() if path.is_dir())
    for folder in (root, clip):
        (scene,) = read_scenes(guess(folder), folder)
        assert (scene.id, len(scene.roles["hr"])) == (clip.name, 100)
        assert scene.roles["hr"][99].load().shape == (256, 256, 3)
