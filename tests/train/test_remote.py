"""Checkpoints at an address: whole or passed over, the newest two, of one training alone; troubles are sentences."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from satsr.errors import SatsrError
from satsr.train.remote import ADDRESS, INTERVAL, Remote, remote
from tests.s3 import SECRET, serving


def place(folder: Path, training: str = "paper/0123456789abcdef") -> Remote:
    """An address in a folder, as another machine opens it too."""
    folder.mkdir(exist_ok=True)
    made = Remote(str(folder), training)
    made.begin({"train": {"lr": 0.1}})
    return made


def checkpoint(folder: Path, step: int) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:08d}.ckpt"
    path.write_bytes(step.to_bytes(4, "big") * 1000)
    return path


def steps(found: Remote) -> list[int]:
    return [sent.step for sent in found.found()]


def test_another_machine_finds_what_was_sent_and_the_newest_two_stay(tmp_path: Path) -> None:
    here = place(tmp_path / "shared")
    for step in (10, 20, 30):
        here.send(checkpoint(tmp_path / "here", step))
    there = place(tmp_path / "shared")
    assert steps(there) == [20, 30]
    fetched = there.fetch(tmp_path / "there", above=0)
    assert fetched == tmp_path / "there" / "step-00000030.ckpt"
    assert fetched.read_bytes() == (tmp_path / "here" / "step-00000030.ckpt").read_bytes()
    assert [path.name for path in fetched.parent.iterdir()] == [fetched.name]


def test_the_address_says_what_its_checkpoints_belong_to(tmp_path: Path) -> None:
    place(tmp_path / "shared")
    files = [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path / "shared").as_posix() for path in files] == [
        "paper/0123456789abcdef/identity.json"
    ]
    assert json.loads(files[0].read_text()) == {"train": {"lr": 0.1}}


def test_only_what_is_further_than_this_machine_is_fetched(tmp_path: Path) -> None:
    here = place(tmp_path / "shared")
    here.send(checkpoint(tmp_path / "here", 20))
    assert here.fetch(tmp_path / "there", above=20) is None
    assert here.fetch(tmp_path / "there", above=19) is not None


@pytest.mark.parametrize("damage", [lambda data: data[:1000], lambda data: b"\1" + data[1:], lambda data: b""])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_fetched(
    damage: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = place(tmp_path / "shared")
    for step in (10, 20):
        here.send(checkpoint(tmp_path / "here", step))
    newest = Path(here.found()[-1].path)
    newest.write_bytes(damage(newest.read_bytes()))
    fetched = here.fetch(tmp_path / "there", above=0)
    assert fetched is not None and fetched.name == "step-00000010.ckpt"
    said = capsys.readouterr().err
    assert f"{newest.name} is damaged; taking the one before" in said
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["step-00000010.ckpt"]


def test_damaged_ones_never_push_out_whole_ones(tmp_path: Path) -> None:
    here = place(tmp_path / "shared")
    for step in (80, 90):
        here.send(checkpoint(tmp_path / "here", step))
    for sent in here.found():
        Path(sent.path).write_bytes(b"damaged")
    assert here.fetch(tmp_path / "there", above=0) is None
    here.send(checkpoint(tmp_path / "here", 10))
    assert steps(here) == [10]


def test_what_was_half_sent_is_no_checkpoint_and_goes_with_the_next(tmp_path: Path) -> None:
    here = place(tmp_path / "shared")
    here.send(checkpoint(tmp_path / "here", 10))
    half = Path(here.found()[0].path).parent / "step-00000020-0123456789abcdef.ckpt.part"
    half.write_bytes(b"half")
    assert steps(here) == [10]
    here.send(checkpoint(tmp_path / "here", 30))
    assert steps(here) == [10, 30] and not half.exists()


def test_trainings_of_one_address_do_not_see_each_other(tmp_path: Path) -> None:
    one, other = place(tmp_path / "shared"), place(tmp_path / "shared", "paper/fedcba9876543210")
    one.send(checkpoint(tmp_path / "here", 10))
    assert steps(other) == [] and other.fetch(tmp_path / "there", above=0) is None
    other.send(checkpoint(tmp_path / "here", 20))
    one.forget()
    assert steps(one) == [] and steps(other) == [20]
    assert [path.name for path in (tmp_path / "shared/paper").iterdir()] == ["fedcba9876543210"]
    one.forget()  # of what is gone nothing is said


def test_a_note_that_is_missing_here_is_brought_and_one_that_is_here_stays(tmp_path: Path) -> None:
    here = place(tmp_path / "shared")
    note = tmp_path / "a.run"
    here.bring(note)
    assert not note.exists()
    note.write_text("mine")
    here.leave(note)
    (tmp_path / "b").mkdir()
    here.bring(tmp_path / "b" / "a.run")
    assert (tmp_path / "b" / "a.run").read_text() == "mine"
    note.write_text("another")
    here.bring(note)
    assert note.read_text() == "another"


def test_without_an_address_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    assert remote("rasvsr", "0" * 64) is None


def test_an_address_and_its_interval_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, tmp_path.as_uri())
    found = remote("rasvsr", "0123456789abcdef0000")
    assert found is not None and found.seconds == 600 and found.shown.endswith("/rasvsr/0123456789abcdef")
    monkeypatch.setenv(INTERVAL, "7.5")
    assert remote("rasvsr", "0" * 64).seconds == 7.5


@pytest.mark.parametrize("text", ["0", "-3", "inf", "nan", "ten"])
def test_an_interval_that_makes_no_sense_is_a_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "/tmp")
    monkeypatch.setenv(INTERVAL, text)
    with pytest.raises(SatsrError, match=f"{INTERVAL} is '{text}', which is no number of seconds above 0"):
        remote("rasvsr", "0" * 64)


def test_addresses_that_cannot_be_used_are_sentences_without_secrets(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=r"names .*/absent, which is no folder: make it, or look"):
        Remote(str(tmp_path / "absent"), "p/k").begin({})
    with pytest.raises(SatsrError, match=r"cannot be used .*Protocol not known") as unknown:
        Remote("nowhere://me:hunter22@bucket/prefix", "p/k")
    assert "hunter22" not in str(unknown.value)
    (tmp_path / "shared" / "p").mkdir(parents=True)
    (tmp_path / "shared" / "p" / "k").touch()
    with pytest.raises(SatsrError, match=r"writing to .*/p/k failed"):
        Remote(str(tmp_path / "shared"), "p/k").begin({})


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from satsr.errors import SatsrError
from satsr.train.remote import Remote
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
found = Remote(sys.argv[1], "paper/0123456789abcdef")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    found.fetch(Path(sys.argv[2]), above=0)
except SatsrError as error:
    print(error)
"""


def test_a_disk_that_is_full_when_a_checkpoint_is_fetched_is_a_sentence(tmp_path: Path) -> None:
    place(tmp_path / "shared").send(checkpoint(tmp_path / "here", 10))
    (tmp_path / "there").mkdir()
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "shared"), str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "fetching a checkpoint from" in done.stdout and "takes no larger file" in done.stdout
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.slow
def test_a_bucket_keeps_checkpoints_and_what_is_wrong_with_it_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "s3", "bucket") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        here = Remote("s3://bucket/prefix", "paper/0123456789abcdef")
        here.begin({})
        for step in (10, 20, 30):
            here.send(checkpoint(tmp_path / "here", step))
        assert steps(here) == [20, 30]
        there = Remote("s3://bucket/prefix/", "paper/0123456789abcdef")
        fetched = there.fetch(tmp_path / "there", above=20)
        assert fetched.read_bytes() == checkpoint(tmp_path / "here", 30).read_bytes()
        there.forget()
        assert steps(here) == [] and [path for path in (tmp_path / "s3").rglob("*") if path.is_file()] == []
        refused = [_refusal("s3://absent/prefix")]
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-wrong")
        refused.append(_refusal("s3://bucket/prefix"))
    refused.append(_refusal("s3://bucket/prefix"))
    assert "(The specified bucket does not exist)" in refused[0]
    assert "signature" in refused[1] and "Could not connect" in refused[2]
    assert not [sentence for sentence in refused if SECRET in sentence]
    assert all("look at SATSR_CHECKPOINTS" in sentence for sentence in refused)


def _refusal(address: str) -> str:
    with pytest.raises(SatsrError) as refused:
        Remote(address, "paper/0123456789abcdef").begin({})
    return str(refused.value)


ABSENT = """
import sys
sys.modules["s3fs"] = None
from satsr.train.remote import Remote
Remote("s3://bucket/prefix", "p/k")
"""


def test_without_the_package_that_reads_buckets_a_sentence_says_how_to_install_it() -> None:
    done = subprocess.run([sys.executable, "-c", ABSENT], capture_output=True, text=True)
    assert 'which needs s3fs: pip install "satsr[cluster]"' in done.stderr
