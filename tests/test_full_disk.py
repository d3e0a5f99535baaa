"""A file system of 8 MB that is full: what is to come is refused before it begins, what was there before is whole."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import NAMESPACE, ROOT

pytestmark = pytest.mark.slow
SMALL = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"'
TOLD = """
import sys
from pathlib import Path

import numpy as np
import torch

from satsr.errors import SatsrError
from satsr.files import disk_errors, write_json, write_text
from satsr.store.store import Store, StoreWriter
from satsr.train.checkpoint import Checkpoints
from satsr.config.data import Convert
from satsr.convert.convert import convert
from satsr.download.card import Card, Source
from satsr.download.download import download

disk, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])


def said(call):
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    try:
        with disk_errors("the command"):  # as the doors do
            call()
    except SatsrError as error:
        print(error)
    after = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    assert before == after, (sorted(before), sorted(after))


def store(frames):
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    with StoreWriter(disk / "store", {}) as writer:
        for index in range(frames):
            writer.put("train", "a", "hr", index, noise)


def saved(step, numbers):
    Checkpoints(disk / "checkpoints").save(step, {"weights": torch.full((numbers,), float(step))})


store(3)
saved(1, 1000)
write_text(disk / "report.html", "a report")
card = Card(name="t", layout="gt_lr", source=Source.model_validate({"embedded": {
    "kind": "video", "train": 8, "val": 1, "test": 1, "frames": 8, "size": [256, 256]}}))
download(card, elsewhere / "raw")
said(lambda: convert(elsewhere / "raw", disk / "converted", Convert(), base=elsewhere))
said(lambda: store(100))
said(lambda: saved(2, 10_000_000))
said(lambda: write_text(disk / "report.html", "x" * 10_000_000))
said(lambda: write_json(disk / "report.json", ["x" * 10_000_000]))
assert Checkpoints(disk / "checkpoints").newest(torch.device("cpu"))["weights"].sum() == 1000
assert len(Store(disk / "store").scenes("train")) == 1
"""

FETCHED = """
import os
import shutil
import sys
from pathlib import Path

from satsr.errors import SatsrError
from tests.test_remote import MADE, Clone

disk, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
os.environ |= {"DVC_SITE_CACHE_DIR": str(elsewhere / "site"), "SATSR_REMOTE": str(elsewhere / "remote")}
MADE["download"]["data/raw/tiny/a.txt"] = "x" * 20_000_000
made = {}
Clone(elsewhere / "first").step("download", made)
for stage in ("convert", "download"):  # one reads it, the other would take it from the run cache
    pod = Clone(disk / stage)
    try:
        pod.step(stage, dict(made))
    except SatsrError as error:
        print(error)
    assert not pod.files() and not pod.ran, (pod.files(), pod.ran)
    shutil.rmtree(pod.root)
"""

SENT = """
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from satsr.errors import SatsrError
from tests.test_remote import MADE, Clone

disk, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
os.environ |= {"DVC_SITE_CACHE_DIR": str(elsewhere / "site"), "SATSR_REMOTE": str(disk)}
MADE["download"]["data/raw/tiny/b.txt"] = "x" * 20_000_000


def sends(clone):
    try:
        clone.step("download", {})
    except SatsrError as error:
        print(error)


one = Clone(elsewhere / "one")
sends(one)
for path in [path for path in disk.rglob("*") if path.is_file()]:
    found = hashlib.md5(path.read_bytes()).hexdigest()
    assert found == path.parent.name + path.name and path.stat().st_size < 1000, path
sends(two := Clone(elsewhere / "two"))
assert two.ran == ["download"]  # nothing of what is there was taken for a whole stage
subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
sends(one)
sends(three := Clone(elsewhere / "three"))
assert one.ran == ["download"] and three.ran == [] and three.files() == set(MADE["download"])
"""


def within(code: str, tmp_path: Path) -> str:
    """What a program says that is told of a small file system and of a folder elsewhere."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace of its own is allowed here")
    (disk := tmp_path / "disk").mkdir()
    apart = [*NAMESPACE, "sh", "-c", SMALL, str(disk)]
    command = [*apart, sys.executable, "-c", code, str(disk), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_cannot_fit_is_not_begun_and_what_fills_up_leaves_what_was_there(tmp_path: Path) -> None:
    room, *others = within(TOLD, tmp_path).splitlines()
    assert "the frame store needs 0.0" in room and "GB are free: free some space" in room
    assert len(others) == 4 and all("what existed before is unchanged" in line for line in others), others


def test_a_pod_whose_disk_is_too_small_for_what_it_fetches_does_not_say_that_the_remote_lacks_it(
    tmp_path: Path,
) -> None:
    said = within(FETCHED, tmp_path).splitlines()
    assert len(said) == 2, said
    for line in said:
        assert line.startswith("data/raw/tiny (md5 ") and "it takes 0.02 GB, and 0.0" in line
        assert "which has it ([Errno 28] No space left on device" in line and "lacks" not in line


def test_a_folder_that_fills_up_as_a_remote_is_a_sentence_and_keeps_nothing_by_half(tmp_path: Path) -> None:
    said = within(SENT, tmp_path).splitlines()
    assert len(said) == 2, said
    for line in said:
        assert "has no room for what is sent (" in line and "free some space there" in line
