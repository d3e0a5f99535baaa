import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.files import sha256
from satsr.store.store import COMMIT_BYTES, SPARE_BYTES, Store, StoreWriter

CARD = {"name": "test"}


def fill(path: Path, frames: int = 4, seed: int = 0, side: int = 40) -> Store:
    rng = np.random.default_rng(seed)
    with StoreWriter(path, CARD, {"scale": 4}) as writer:
        for split in ("train", "val"):
            for index in range(frames):
                writer.put(split, "000", "hr", index, rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
                writer.put(split, "000", "lr", index, rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8))
            writer.describe(split, "000", {"dates": ["2020-01-01"]})
    return Store(path)


def crop(store: Store) -> np.ndarray:
    return store.scenes("train")[0].read("hr", 1, (3, 5, 7, 9))


def test_what_is_put_is_read_with_shape_type_and_metadata(tmp_path: Path) -> None:
    arrays = {
        "lr": np.arange(60, dtype=np.uint16).reshape(3, 5, 4) * 1000,
        "qm": np.array([[0, 255]], np.uint8),
        "flow": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
        "big": np.arange(4, dtype=">u2").reshape(2, 2),
    }
    with StoreWriter(tmp_path / "a.lmdb", CARD) as writer:
        for role, array in arrays.items():
            writer.put("train", "a b", role, 0, array)
        writer.describe("train", "a b", {"norm": 42.5})
    (scene,) = Store(tmp_path / "a.lmdb").scenes("train")
    assert (scene.split, scene.id, scene.meta) == ("train", "a b", {"norm": 42.5})
    assert scene.roles == sorted(arrays)
    for role, array in arrays.items():
        np.testing.assert_array_equal(scene.read(role, 0), array)
        assert scene.shape(role) == array.shape
        assert scene.dtype(role) == array.dtype.newbyteorder("<")
    assert scene.count("lr") == 1
    assert scene.count("hr") == 0


def test_a_window_equals_the_crop_of_the_whole_frame_and_is_a_copy(tmp_path: Path) -> None:
    scene = fill(tmp_path / "a.lmdb").scenes("train")[0]
    whole = scene.read("hr", 2)
    part = scene.read("hr", 2, (3, 5, 7, 9))
    np.testing.assert_array_equal(part, whole[3:10, 5:14])
    part[:] = 0
    np.testing.assert_array_equal(scene.read("hr", 2), whole)
    with pytest.raises(ValueError, match="does not lie inside"):
        scene.read("hr", 2, (30, 0, 20, 4))


@pytest.mark.slow
def test_equal_content_gives_equal_bytes_also_when_the_map_has_to_grow(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fill(tmp_path / name, frames=6, side=1024)
    assert sha256(tmp_path / "a/data.mdb") == sha256(tmp_path / "b/data.mdb")
    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["data.mdb", "manifest.json"]
    assert (tmp_path / "a/data.mdb").stat().st_size > 1 << 25


def test_a_block_that_raises_leaves_the_old_store_and_nothing_else(tmp_path: Path) -> None:
    before = fill(tmp_path / "a.lmdb").manifest
    with pytest.raises(KeyError), StoreWriter(tmp_path / "a.lmdb", CARD) as writer:
        writer.put("train", "x", "hr", 0, np.ones((4, 4), np.uint8))
        raise KeyError
    assert Store(tmp_path / "a.lmdb").manifest == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.lmdb"]


def test_a_killed_writer_leaves_no_store(tmp_path: Path) -> None:
    code = """
import os, signal, sys, numpy as np
from pathlib import Path
from satsr.store.store import StoreWriter
with StoreWriter(Path(sys.argv[1]), {}) as writer:
    writer.put("train", "a", "hr", 0, np.ones((4, 4), np.uint8))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.lmdb")])
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(SatsrError, match="does not exist"):
        Store(tmp_path / "a.lmdb")


def test_a_folder_without_manifest_is_called_incomplete(tmp_path: Path) -> None:
    fill(tmp_path / "a.lmdb")
    (tmp_path / "a.lmdb/manifest.json").unlink()
    with pytest.raises(SatsrError, match=r"incomplete .* run the convert stage"):
        Store(tmp_path / "a.lmdb")


def test_a_truncated_file_is_refused_before_lmdb_maps_it(tmp_path: Path) -> None:
    store = fill(tmp_path / "a.lmdb")
    data = tmp_path / "a.lmdb/data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    with pytest.raises(SatsrError, match=r"expected \d+ bytes, found \d+"):
        Store(tmp_path / "a.lmdb")
    with pytest.raises(SatsrError, match="damaged"):
        crop(store)  # made before, but opened now


@pytest.mark.parametrize("replacement", [bytes(4096), b"\x01" * 16], ids=["zero page", "other value"])
def test_an_altered_file_of_the_same_size_is_found_by_verify(tmp_path: Path, replacement: bytes) -> None:
    store = fill(tmp_path / "a.lmdb", side=200)
    store.verify()
    with (tmp_path / "a.lmdb/data.mdb").open("r+b") as handle:
        handle.seek(5 * 4096)
        handle.write(replacement)
    with pytest.raises(SatsrError, match=r"altered: expected sha256 \w{64}, found \w{64}"):
        store.verify()


@pytest.mark.parametrize("name", ["x" * 600, "Köln/Nord", "日本", "a/b c"])
def test_any_scene_name_is_stored_under_a_key_that_the_manifest_records(tmp_path: Path, name: str) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with StoreWriter(tmp_path / "a.lmdb", CARD) as writer:
        writer.put("train", name, "hr", 0, array)
        writer.put("train", name + "2", "hr", 0, array + 1)
    first, second = Store(tmp_path / "a.lmdb").scenes("train")
    assert first.id == name
    np.testing.assert_array_equal(first.read("hr", 0), array)
    np.testing.assert_array_equal(second.read("hr", 0), array + 1)
    assert all(entry["key"].isascii() for entry in Store(tmp_path / "a.lmdb").manifest["scenes"])


def test_a_place_is_taken_only_once(tmp_path: Path) -> None:
    array = np.ones((2, 2), np.uint8)
    with pytest.raises(SatsrError, match="train/a/hr/0 and train/a/hr/0"), StoreWriter(tmp_path / "a", CARD) as writer:
        writer.put("train", "a", "hr", 0, array)
        writer.put("train", "a", "hr", 0, array)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "a", "hr", 0, np.ones((0, 2))), "found float64"),
        (("train", "a", "hr", 0, np.array(["x"])), "arrays of numbers"),
        (("tr/ain", "a", "hr", 0, np.ones(2)), "letters, digits"),
        (("train", "a", "hr", 1, np.ones(2)), r"without \[0\]"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path: Path, arguments: tuple, says: str) -> None:
    with pytest.raises(SatsrError, match=says), StoreWriter(tmp_path / "a", CARD) as writer:
        writer.put(*arguments)
    assert not list(tmp_path.iterdir())


def test_missing_roles_and_numbers_are_named(tmp_path: Path) -> None:
    scene = fill(tmp_path / "a.lmdb").scenes("train")[0]
    with pytest.raises(SatsrError, match="has no role 'qm': it has hr, lr"):
        scene.read("qm", 0)
    with pytest.raises(SatsrError, match="has 4 arrays of hr, not number 4"):
        scene.read("hr", 4)


def test_splits_and_scenes_are_sorted(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "a", CARD) as writer:
        for split, name in (("val", "b"), ("train", "b"), ("train", "a")):
            writer.put(split, name, "hr", 0, np.ones((2, 2), np.uint8))
    store = Store(tmp_path / "a")
    assert store.splits == ["train", "val"]
    assert [scene.id for scene in store.scenes("train")] == ["a", "b"]
    assert store.scenes("test") == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_an_open_store_can_be_read_by_other_processes(tmp_path: Path, method: str) -> None:
    store = fill(tmp_path / "a.lmdb")
    expected = crop(store)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.map(crop, [store] * 4):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(crop(store), expected)


def test_a_store_may_be_open_twice_and_replaced_while_open(tmp_path: Path) -> None:
    first = fill(tmp_path / "a.lmdb")
    second = pickle.loads(pickle.dumps(first))
    before = crop(first)
    np.testing.assert_array_equal(crop(second), before)
    third = fill(tmp_path / "a.lmdb", seed=1)
    assert (crop(third) != before).any()
    np.testing.assert_array_equal(crop(first), before)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, signal, sys, numpy as np
from pathlib import Path
from satsr.store.store import StoreWriter
from satsr.errors import SatsrError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    with StoreWriter(Path(sys.argv[1]), {}) as writer:
        for index in range(100):
            writer.put("train", "a", "hr", index, np.full((512, 512, 3), index, np.uint8))
except SatsrError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.lmdb")], capture_output=True, text=True, check=True
    )
    assert "writing the store" in done.stdout
    assert "free some space" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_values_of_any_size_are_as_they_were_put_although_their_memory_is_used_again(tmp_path: Path) -> None:
    sizes = (COMMIT_BYTES // 3, 10, COMMIT_BYTES + SPARE_BYTES, 7, COMMIT_BYTES // 2, COMMIT_BYTES // 2, 100)
    arrays = [np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8) for size in sizes]
    with StoreWriter(tmp_path / "a.lmdb", CARD) as writer:
        for index, array in enumerate(arrays):
            given = array.copy()
            writer.put("train", "a", "hr", index, given)
            given[:] = 0  # what was put is the store's from then on
    (scene,) = Store(tmp_path / "a.lmdb").scenes("train")
    for index, array in enumerate(arrays):
        np.testing.assert_array_equal(scene.read("hr", index), array)


def test_a_closed_store_is_opened_again_by_the_next_reading(tmp_path: Path) -> None:
    store = fill(tmp_path / "a.lmdb")
    before = crop(store)
    store.close()
    np.testing.assert_array_equal(crop(store), before)


def test_a_view_cannot_be_written_to(tmp_path: Path) -> None:
    view = (store := fill(tmp_path / "a.lmdb")).scenes("train")[0].view("hr", 0, (1, 2, 3, 4))
    with pytest.raises(ValueError, match="read-only"):
        view[:] = 0
    store.close()
