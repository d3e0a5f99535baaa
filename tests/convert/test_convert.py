import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from satsr.config.data import Convert
from satsr.convert.convert import convert
from satsr.degrade import downscale_frame
from satsr.download.card import Card, Source
from satsr.download.download import download
from satsr.errors import SatsrError
from satsr.files import sha256
from satsr.store.store import Store, StoreWriter

SMALL = Convert(min_lr_px=4)


def converted(folder: Path, settings: Convert = SMALL) -> Store:
    """``folder/data`` through download and convert."""
    card = Card(name="test", source=Source.model_validate({"files": {"path": "data"}}))
    download(card, folder / "raw", base=folder)
    return convert(folder / "raw", folder / "store", settings, base=folder)


def test_frames_are_cut_and_their_small_partners_made(tmp_path: Path, make_clip) -> None:
    clip = make_clip(tmp_path / "data", 10, (44, 72))
    store = converted(tmp_path)
    (train,), (val,), (test,) = (store.scenes(split) for split in ("train", "val", "test"))
    assert (train.id, train.count("hr"), val.id, val.count("lr")) == ("data", 7, "data-00007", 1)
    assert (test.id, test.count("hr")) == ("data-00008", 2)
    assert train.shape("hr") == (32, 64, 3)
    assert train.shape("lr") == (8, 16, 3)
    np.testing.assert_array_equal(test.read("hr", 1), clip[9, :32, :64])
    np.testing.assert_array_equal(train.read("lr", 3), downscale_frame(clip[3, :32, :64], 4))
    assert test.meta == {
        "source": "data", "frames": [8, 9], "lr": "cubic, mirror border", "original_size": [44, 72],
    }  # fmt: skip
    store.verify()


def test_published_partners_are_kept_and_cut_likewise(tmp_path: Path, make_clip) -> None:
    # As train clip 385 of SAT-MTB-VSR, whose 631 rows are no multiple of 16.
    make_clip(tmp_path / "data/train/GT/a", 3, (42, 32))
    low = make_clip(tmp_path / "data/train/LR4x/a", 3, (11, 8))
    for split in ("val", "test"):
        make_clip(tmp_path / f"data/{split}/GT/b", 2, (32, 32))
        make_clip(tmp_path / f"data/{split}/LR4x/b", 2, (8, 8))
    store = converted(tmp_path, Convert(min_lr_px=4))
    (scene,) = store.scenes("train")
    assert scene.shape("hr") == (32, 32, 3)
    np.testing.assert_array_equal(scene.read("lr", 1), low[1, :8])
    assert scene.meta["lr"] == "given"


def test_the_golden_low_resolution_frames_are_made_again(golden, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/data").symlink_to(golden.full("rasvsr/demo_svsr/GT.lmdb"))
    (tmp_path / "given").mkdir()
    (tmp_path / "given/data").symlink_to(golden.full("rasvsr/demo_svsr"))
    made, given = (converted(tmp_path / name) for name in ("made", "given"))
    for ours, theirs in zip(made.scenes("train"), given.scenes("train"), strict=True):
        for index in range(10):
            np.testing.assert_array_equal(ours.read("hr", index), theirs.read("hr", index))
            np.testing.assert_array_equal(ours.read("lr", index), theirs.read("lr", index))


def test_the_bytes_do_not_depend_on_workers_or_place(tmp_path: Path, make_clip) -> None:
    hashes = set()
    for workers in (0, 1, 4, None):
        folder = tmp_path / f"place {workers}"
        for clip in range(6):
            make_clip(folder / "data" / f"clip {clip}", 4, seed=clip)
        converted(folder, Convert(min_lr_px=4, workers=workers))
        hashes.add((sha256(folder / "store/data.mdb"), sha256(folder / "store/manifest.json")))
    assert len(hashes) == 1


@pytest.mark.slow
def test_a_conversion_killed_anywhere_is_finished_by_the_next_one_to_the_same_bytes(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data", 20)
    expected = converted(tmp_path).manifest
    code = """
import os, signal, sys
from pathlib import Path
from typing import Any
from satsr.store import store
from satsr.config.data import Convert
from satsr.convert.convert import convert
folder, after = Path(sys.argv[1]), int(sys.argv[2])
put = store.StoreWriter.put
def put_and_die(self, *arguments):
    put(self, *arguments)
    self._commit()
    if len(self._owners) == after:
        os.kill(os.getpid(), signal.SIGKILL)
store.StoreWriter.put = put_and_die
convert(folder / "raw", folder / "new", Convert(min_lr_px=4), base=folder)
"""
    for after in sorted({1, 40, *(int(draw) for draw in np.random.default_rng(0).integers(2, 40, 18))}):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(after)], capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "new").exists()
        assert list(tmp_path.glob(".new.*.tmp"))
    assert convert(tmp_path / "raw", tmp_path / "new", SMALL, base=tmp_path).manifest == expected
    assert sha256(tmp_path / "new/data.mdb") == sha256(tmp_path / "store/data.mdb")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data", "new", "raw", "store"]


@pytest.mark.slow
def test_a_conversion_with_workers_that_is_killed_leaves_no_process_and_no_store(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data", 20)
    converted(tmp_path)
    code = """
import os, signal, sys
from pathlib import Path
from typing import Any
from satsr.store import store
from satsr.config.data import Convert
from satsr.convert.convert import convert
put = store.StoreWriter.put
def put_and_die(self, *arguments):
    put(self, *arguments)
    if len(self._owners) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
store.StoreWriter.put = put_and_die
folder = Path(sys.argv[1])
convert(folder / "raw", folder / "new", Convert(min_lr_px=4, workers=4), base=folder)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    assert process.wait() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    assert not (tmp_path / "new").exists()


def test_a_bad_frame_has_the_same_sentence_with_and_without_workers(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data", 6)
    converted(tmp_path)
    os.truncate(tmp_path / "data/00000001.png", 100)
    said = set()
    for workers in (0, 3):
        with pytest.raises(SatsrError, match=r"00000001\.png is cut off") as caught:
            converted(tmp_path, Convert(min_lr_px=4, workers=workers))
        said.add(str(caught.value))
    assert len(said) == 1


def test_every_bad_frame_is_listed_and_the_old_store_stays(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data/a", 7)
    make_clip(tmp_path / "data/b", 2)
    before = converted(tmp_path).manifest
    os.truncate(tmp_path / "data/a/00000001.png", 100)
    (tmp_path / "data/a/00000002.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "data/a/00000003.png"), np.zeros((64, 64), np.uint8))
    cv2.imwrite(str(tmp_path / "data/a/00000004.png"), np.zeros((64, 64, 3), np.uint16))
    cv2.imwrite(str(tmp_path / "data/a/00000005.png"), np.zeros((64, 48, 3), np.uint8))
    with pytest.raises(SatsrError, match=r"cannot be converted \(5 found\)") as caught:
        converted(tmp_path)
    for line in (
        "00000001.png is cut off",
        "00000002.png is empty",
        "00000003.png is 8-bit gray",
        "00000004.png is 16-bit RGB",
        "00000005.png is 64 x 48 x 3, but",
        "\nRepair or remove them. Photographs of many sizes need `layout: photos` in a card.yaml beside them.",
    ):
        assert line in str(caught.value)
    assert Store(tmp_path / "store").manifest == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data", "raw", "store"]


def test_partners_of_the_wrong_size_are_listed(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data/GT/a", 4, (64, 64))
    make_clip(tmp_path / "data/LR4x/a", 4, (16, 20))
    with pytest.raises(
        SatsrError, match=r"LR4x/a/00000000\.png is 16 x 20 x 3, but .* do not belong together"
    ) as caught:
        converted(tmp_path)
    assert "(4 found)" in str(caught.value)


def test_frames_below_the_networks_minimum_are_listed(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data", 4, (64, 60))
    with pytest.raises(
        SatsrError, match=r"64 x 60 x 3, which gives 16 x 12 at scale 4; the network needs at least 16 x 16"
    ):
        converted(tmp_path, Convert())


def test_files_that_changed_since_the_download_are_named(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data", 4)
    converted(tmp_path)
    (tmp_path / "data/00000003.png").unlink()
    with pytest.raises(SatsrError, match=r"1 files .* since the download stage, for instance 00000003\.png"):
        convert(tmp_path / "raw", tmp_path / "store", SMALL, base=tmp_path)


def test_a_file_that_was_saved_since_the_download_or_meanwhile_is_named_though_its_size_is_the_same(
    tmp_path: Path, make_clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "data", 4)

    def saved(frame: int, level: int) -> None:
        image, plain = np.full((64, 64, 3), level, np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 0]
        assert cv2.imwrite(str(tmp_path / f"data/{frame:08d}.png"), image, plain)

    def converted_again() -> Store:  # without workers, which would read a frame while it is saved
        settings = SMALL.model_copy(update={"workers": 0})
        return convert(tmp_path / "raw", tmp_path / "store", settings, base=tmp_path)

    for frame in range(4):
        saved(frame, frame)
    before = converted(tmp_path).manifest
    saved(3, 3)  # the same bytes
    assert converted_again().manifest == before
    saved(3, 9)
    with pytest.raises(SatsrError, match=r"1 files .* changed since the download stage, for instance 00000003\.png"):
        converted_again()
    saved(3, 3)
    put = StoreWriter.put

    def put_and_save(writer: StoreWriter, *arguments: Any) -> None:
        put(writer, *arguments)
        saved(0, 9)

    monkeypatch.setattr(StoreWriter, "put", put_and_save)
    with pytest.raises(SatsrError, match=r"1 files .* changed since the download stage, for instance 00000000\.png"):
        converted_again()
    assert Store(tmp_path / "store").manifest == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data", "raw", "store"]


def test_a_multiple_that_is_none_of_the_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="multiples of the scale 4: 6 is none"):
        convert(tmp_path, tmp_path / "store", Convert(multiple=6))


def test_the_manifest_says_what_decided_the_content(tmp_path: Path, make_clip) -> None:
    make_clip(tmp_path / "data", 4)
    manifest = converted(tmp_path).manifest
    assert manifest["card"]["source"] == {"files": {"path": "data"}}
    assert manifest["division"]["val"] == "1 scene: frames in the middle of each clip that trains."
    settings = manifest["settings"]
    assert (settings["scale"], settings["border"], settings["reader"], settings["multiple"]) == (
        4,
        "mirror",
        "frames",
        16,
    )
    assert len(settings["files_sha256"]) == 64
    assert str(tmp_path) not in (tmp_path / "store/manifest.json").read_text()


def test_real_video_tests_on_its_last_20_frames_and_validates_on_those_before(samples, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(samples("video"))
    store = converted(tmp_path, Convert())
    (train,), (val,), (test,) = (store.scenes(split) for split in ("train", "val", "test"))
    assert [scene.meta["frames"] for scene in (train, val, test)] == [[0, 69], [70, 79], [80, 99]]
    assert train.shape("lr") == (64, 64, 3)


def test_a_store_without_room_is_not_begun(tmp_path: Path, make_clip, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clip(tmp_path / "data", 4)
    monkeypatch.setattr("satsr.files.shutil.disk_usage", lambda path: _Usage())
    with pytest.raises(SatsrError, match=r"the frame store needs 0\.00 GB .* only 0\.00 GB are free"):
        converted(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data", "raw"]


@pytest.mark.slow
def test_the_room_that_a_series_needs_is_judged_role_by_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = {"kind": "series", "train": 40, "val": 1, "test": 1, "frames": 8, "size": [64, 64]}
    card = Card(name="test", layout="series", source=Source.model_validate({"embedded": embedded}))
    download(card, tmp_path / "raw")
    # A target of 64 x 64 x 3 bytes, eight images of 16 x 16 x 3 in 16 bits and their masks: 26 kB, where nothing but
    # targets would be 209 kB. A thirtieth and 1 MiB are held back for LMDB and the manifest.
    exact = 42 * (64 * 64 * 3 + 8 * 16 * 16 * (3 * 2 + 1))
    monkeypatch.setattr("satsr.files.shutil.disk_usage", lambda path: _Usage(int(1.03 * exact) + (1 << 20)))
    assert len(convert(tmp_path / "raw", tmp_path / "store").scenes("train")) == 40
    monkeypatch.setattr("satsr.files.shutil.disk_usage", lambda path: _Usage(exact))
    with pytest.raises(SatsrError, match="the frame store needs"):
        convert(tmp_path / "raw", tmp_path / "other")


@dataclass
class _Usage:
    free: int = 1000
