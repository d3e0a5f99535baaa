import hashlib
import os
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest

from satsr.convert.guess import guess
from satsr.convert.layouts.basicsr_lmdb import PngLmdb
from satsr.convert.layouts.frames import read_scenes
from satsr.errors import SatsrError
from satsr.imagery.images import encode_png

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def write(folder: Path, keys: list[str], meta: str | None = None, value: bytes | None = None) -> Path:
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 22) as env, env.begin(write=True) as transaction:
        for key in keys:
            transaction.put(key.encode(), encode_png(IMAGE) if value is None else value)
    lines = "".join(f"{key}.png (4,4,3) 1\n" for key in keys)
    (folder / "meta_info.txt").write_text(lines if meta is None else meta)
    return folder


def test_the_golden_lmdb_decodes_to_the_golden_hashes(golden) -> None:
    expected = np.load(golden("rasvsr/lmdb.npz"))
    found = PngLmdb(golden("rasvsr/demo_GT.lmdb"))
    assert found.keys == expected["keys"].tolist()
    hashes = [
        hashlib.sha256(np.ascontiguousarray(found.read(key)[..., ::-1]).tobytes()).hexdigest() for key in found.keys
    ]
    assert hashes == expected["sha256_decoded"].tolist()


def test_a_pair_of_golden_lmdbs_is_two_clips_with_partners(golden) -> None:
    root = golden("rasvsr/demo_svsr")
    assert guess(root) == "basicsr_lmdb"
    scenes = read_scenes("basicsr_lmdb", root)
    assert [scene.id for scene in scenes] == ["000", "001"]
    for scene in scenes:
        assert {role: len(frames) for role, frames in scene.roles.items()} == {"hr": 12, "lr": 12}
        assert scene.roles["hr"][11].load().shape == (64, 64, 3)
        assert scene.roles["lr"][11].load().shape == (16, 16, 3)


def test_blank_lines_and_dots_in_names_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "GT.lmdb", ["a.b/0", "a.b/1"], "\na.b/0.png (4,4,3) 1\n\na.b/1.png (4,4,3) 1\n\n")
    (scene,) = read_scenes("basicsr_lmdb", path)
    assert scene.id == "a.b"
    np.testing.assert_array_equal(scene.roles["hr"][1].load(), IMAGE)


def test_it_may_be_open_twice_and_has_no_lock_file_afterwards(tmp_path: Path) -> None:
    path = write(tmp_path / "GT.lmdb", ["0"])
    (path / "lock.mdb").unlink()
    first, second = PngLmdb(path), PngLmdb(path)
    np.testing.assert_array_equal(first.read("0"), second.read("0"))
    assert not (path / "lock.mdb").exists()


def test_keys_that_are_listed_but_not_there_are_all_named(tmp_path: Path) -> None:
    path = write(tmp_path / "GT.lmdb", ["0"], "0.png (4,4,3) 1\n1.png (4,4,3) 1\n2.png (4,4,3) 1\n")
    with pytest.raises(SatsrError, match=r"\(2 found\):\n  1\n  2"):
        PngLmdb(path)


def test_keys_without_a_partner_are_all_named(tmp_path: Path) -> None:
    write(tmp_path / "GT.lmdb", ["a/0", "a/1"])
    write(tmp_path / "LR4xBicubic.lmdb", ["a/1", "a/2"])
    with pytest.raises(SatsrError, match=r"a/0 is only in .*GT\.lmdb\n  a/2 is only in .*LR4xBicubic\.lmdb"):
        read_scenes("basicsr_lmdb", tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_a_cut_off_file_is_a_sentence_not_a_crash(tmp_path: Path, golden, share: float) -> None:
    path = tmp_path / "GT.lmdb"
    shutil.copytree(golden("rasvsr/demo_svsr/GT.lmdb"), path)
    os.truncate(path / "data.mdb", int((path / "data.mdb").stat().st_size * share))
    with pytest.raises(SatsrError, match=r"data\.mdb (is cut off|cannot be opened)"):
        PngLmdb(path)


def test_a_corrupt_value_is_named_by_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "GT.lmdb", ["a/0"], value=encode_png(IMAGE)[:-20])
    with pytest.raises(SatsrError, match=r"GT\.lmdb:a/0 is cut off"):
        PngLmdb(path).read("a/0")


@pytest.mark.parametrize(
    ("meta", "says"),
    [("", "lists no images"), ("\n", "lists no images"), ("0.png (4,4,3) 1\n0.png (4,4,3) 1\n", "lists '0' twice")],
)
def test_a_list_that_makes_no_sense_is_a_sentence(tmp_path: Path, meta: str, says: str) -> None:
    with pytest.raises(SatsrError, match=says):
        PngLmdb(write(tmp_path / "GT.lmdb", ["0"], meta))


def test_lmdbs_that_cannot_be_told_apart_are_an_error(tmp_path: Path) -> None:
    for name in ("a.lmdb", "b.lmdb"):
        write(tmp_path / name, ["0"])
    with pytest.raises(SatsrError, match=r"holds the LMDBs a\.lmdb, b\.lmdb: expected one GT"):
        read_scenes("basicsr_lmdb", tmp_path)
