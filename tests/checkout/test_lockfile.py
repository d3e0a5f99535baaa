import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from satsr import doctor
from satsr.checkout import lockfile
from satsr.errors import SatsrError
from steps.inputs import recorded

BEGIN = "schema: '2.0'\nstages:\n"
CONVERT = """\
  convert@tiny:
    cmd: python -m steps convert tiny
    deps:
    - path: data/raw/tiny
      hash: md5
      md5: aa11.dir
      size: 7
      nfiles: 2
    outs:
    - path: data/lmdb/tiny
      hash: md5
      md5: bb22.dir
      size: 31
      nfiles: 3
"""
TRAIN = CONVERT.replace("convert", "train").replace("data/lmdb", "results").replace("bb22", "cc33")
WHOLE = BEGIN + CONVERT + TRAIN


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dvc.lock").write_text(WHOLE)
    return tmp_path


def commit(root: Path) -> None:
    author = ("-c", "user.name=t", "-c", "user.email=t@t")
    for command in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", "t")):
        subprocess.run(["git", *command], cwd=root, check=True)


def test_a_whole_lock_file_is_read_stage_by_stage(root: Path) -> None:
    assert lockfile.damage(root) == "" and doctor.lock(root).fine
    assert recorded(root / "dvc.lock", "train", "tiny")["outs"][0]["md5"] == "cc33.dir"
    assert recorded(root / "dvc.lock", "export", "tiny") == {}
    assert lockfile.damage(root / "fresh") == "" and recorded(root / "fresh" / "dvc.lock", "train", "tiny") == {}


def test_wherever_it_was_cut_off_nothing_is_read_that_was_not_written(root: Path) -> None:
    """Around the end of every line: a sentence with the fix, or no hash that was not written."""
    known = YAML(typ="safe").load(WHOLE)["stages"]
    ends = {place + more for place, letter in enumerate(WHOLE) if letter == "\n" for more in (-3, 0, 1)}
    for end in sorted(ends):
        (root / "dvc.lock").write_text(WHOLE[:end])
        for stage in ("convert", "train"):
            try:
                found = recorded(root / "dvc.lock", stage, "tiny")
            except SatsrError as error:
                assert "satsr doctor --mend" in str(error) and "git checkout dvc.lock" in str(error)
            else:
                for one in found.get("outs") or ():
                    assert one.get("md5") in (None, known[f"{stage}@tiny"]["outs"][0]["md5"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0" * 500,
        "schema: '2.0'\nstages:\n",
        WHOLE[:-30],
        BEGIN + CONVERT.replace("aa11", "\x01aa"),
        BEGIN + CONVERT.replace("    outs:\n", "    outs: 3\n    - [\n"),
        BEGIN + "  convert@tiny:\n    cmd: x\n",
    ],
)
def test_the_doctor_finds_a_damaged_lock_file_and_makes_it_whole(text: str, root: Path) -> None:
    commit(root)
    (root / "dvc.lock").write_text(text)
    found = doctor.lock(root)
    assert not found.fine and "dvc.lock is cut off or damaged" in found.words
    (found,) = doctor.doctor(root, True, doctor.lock)
    assert found.fine and "of the last commit" in found.words
    assert (root / "dvc.lock").read_text() == WHOLE


def test_what_is_whole_is_kept_although_the_last_commit_has_an_older_one(root: Path) -> None:
    commit(root)
    newer = CONVERT.replace("bb22", "dd44")
    (root / "dvc.lock").write_text(BEGIN + newer + TRAIN[:-40])
    assert lockfile.mend(root) == "1 entries were kept, 1 are of the last commit"
    assert YAML(typ="safe").load((root / "dvc.lock").read_text()) == YAML(typ="safe").load(BEGIN + newer + TRAIN)


def test_without_a_commit_what_is_whole_is_kept(root: Path) -> None:
    (root / "dvc.lock").write_text(BEGIN + CONVERT + TRAIN[:-40])
    (found,) = doctor.doctor(root, True, doctor.lock)
    assert found.fine and (root / "dvc.lock").read_text() == BEGIN + CONVERT
    (root / "dvc.lock").write_text("sch")
    assert next(doctor.doctor(root, True, doctor.lock)).fine


def test_both_sides_of_a_merge_are_left_to_a_person(root: Path) -> None:
    merge = WHOLE.replace("stages:\n", "<<<<<<< ours\nstages:\n=======\n>>>>>>> theirs\n")
    (root / "dvc.lock").write_text(merge)
    (found,) = doctor.doctor(root, True, doctor.lock)
    assert not found.fine and "git checkout --ours" in found.words
    assert (root / "dvc.lock").read_text() == merge


WRITER = """
import sys
from pathlib import Path
from dvc.lock import make_lock

root = Path(sys.argv[1])
with make_lock(str(root / ".dvc/tmp/lock")):
    whole = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(whole[:100])
    print("half", flush=True)
    sys.stdin.readline()
    (root / "dvc.lock").write_text(whole)
"""


@pytest.mark.slow
def test_a_file_that_dvc_is_writing_is_waited_for(root: Path) -> None:
    (root / ".dvc/tmp").mkdir(parents=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    reading = "from pathlib import Path; from satsr.checkout import lockfile; lockfile.SHORT_SECONDS = 0.0; "
    reading += f"print(lockfile.text(Path({str(root)!r})), end='')"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(root)], **pipes) as writer:
        assert writer.stdout.readline() == "half\n"
        with subprocess.Popen([sys.executable, "-c", reading], stderr=subprocess.PIPE, **pipes) as reader:
            assert "a DVC command is at work in this clone: waiting for it" in reader.stderr.readline()
            writer.stdin.write("\n")
            writer.stdin.close()
            assert reader.stdout.read() == WHOLE
    with (root / lockfile.HELD).open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it
