"""The remote as part of the cache: clones that share nothing but references, a folder or S3 between them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error

from satsr.errors import SatsrError
from satsr.remote import REMOTE, described, untaken
from steps.cache import reuse_or_run
from steps.inputs import require_unaltered
from steps.outputs import Output
from steps.remote import opened
from tests.papers import project_of
from tests.project import ROOT
from tests.s3 import BUCKET, KEY, SECRET, Server, free_port, serving

pytestmark = pytest.mark.slow

PAPER = "tiny"
STAGES = """
stages:
  download:
    foreach: [tiny]
    do:
      cmd: download ${item}
      deps: [card.yaml]
      outs:
        - data/raw/${item}:
            persist: true
  convert:
    foreach: [tiny]
    do:
      cmd: convert ${item}
      deps: [data/raw/tiny, card.yaml]
      outs: [data/lmdb/tiny]
  evaluate:
    foreach: [tiny]
    do:
      cmd: evaluate ${item}
      deps: [data/lmdb/tiny]
      outs: [results/tiny/evaluation]
      metrics:
        - results/tiny/metrics.json:
            cache: false
  register:
    foreach: [tiny]
    do:
      cmd: register ${item}
      deps: [results/tiny/metrics.json]
      outs: [results/tiny/register]
"""
MADE = {
    "download": {"data/raw/tiny/a.txt": "raw a", "data/raw/tiny/b.txt": "raw b"},
    "convert": {"data/lmdb/tiny/data.mdb": "store"},
    "evaluate": {"results/tiny/evaluation/report.html": "page", "results/tiny/metrics.json": '{"psnr": 1}'},
    "register": {"results/tiny/register/registration.json": '{"version": 1}'},
}
READS = {"download": (), "convert": ("download",), "evaluate": ("convert",), "register": ("evaluate",)}


class Clone:
    """A folder with the code of the project and nothing else: what a pod gets."""

    def __init__(self, root: Path) -> None:
        self.root, self.ran = root, list[str]()
        (root / ".dvc").mkdir(parents=True)
        (root / "dvc.yaml").write_text(STAGES)
        (root / "params.yaml").write_text("papers: {}\n")
        (root / "card.yaml").write_text("name: tiny\n")
        (root / ".dvc/config").write_text("[core]\n    analytics = false\n")

    def step(self, stage: str, made: dict[str, Output], also: tuple[str, ...] = ()) -> Output:
        """One step of the pipeline, told what the steps before it made."""
        before = [made[name] for name in READS[stage]]
        with chdir(self.root):
            made[stage] = reuse_or_run(stage, PAPER, self.root, lambda: self.write(stage), before, also)
        return made[stage]

    def write(self, stage: str) -> None:
        """What the stage does."""
        self.ran.append(stage)
        for name, text in MADE[stage].items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def files(self) -> set[str]:
        """What of the stages' outputs is here."""
        found = (path for place in ("data", "results") for path in (self.root / place).rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix() for path in found}


Clones = Callable[[str], Clone]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clones:
    """``clone(name)``: an empty clone; the remote is a folder."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv(REMOTE, str(tmp_path / "remote"))
    return lambda name: Clone(tmp_path / name)


def pods(clone: Clones, prefix: str) -> dict[str, Clone]:
    """A clone for each step, in which it was run; the references between them went through JSON."""
    made: dict[str, Output] = {}
    found = {}
    for stage in MADE:
        found[stage] = clone(f"{prefix}-{stage}")
        output = found[stage].step(stage, made)
        made[stage] = Output.model_validate_json(output.model_dump_json())
    return found


def test_each_step_runs_in_an_empty_clone_which_holds_exactly_its_declared_files(clone: Clones) -> None:
    found = pods(clone, "first")
    assert [one.ran for one in found.values()] == [[stage] for stage in MADE]
    for stage, one in found.items():
        reads = {name for earlier in READS[stage] for name in MADE[earlier]}
        declared = {name for name in reads if stage != "register" or name.endswith("metrics.json")}
        assert one.files() == declared | set(MADE[stage])


def test_a_second_run_in_fresh_clones_reuses_every_stage_and_fetches_what_it_made_alone(clone: Clones) -> None:
    pods(clone, "first")
    again = pods(clone, "second")
    assert [one.ran for one in again.values()] == [[]] * len(MADE)
    for stage, one in again.items():
        assert {name: (one.root / name).read_text() for name in one.files()} == MADE[stage]


def test_what_git_keeps_of_a_former_run_gives_way_in_a_clone_to_what_this_run_made(clone: Clones) -> None:
    for ran, prefix in ([["register"], "first"], [[], "second"]):
        made: dict[str, Output] = {}
        for stage in MADE:
            last = clone(f"{prefix}-{stage}")
            kept = last.root / "results/tiny/evaluation/report.html"  # of evaluate, and register does not read it
            if stage == "register":
                kept.parent.mkdir(parents=True)
                kept.write_text("page of a former run")
            last.step(stage, made)
        assert last.ran == ran and kept.read_text() == "page"
        require_unaltered("register", PAPER, last.root)


def test_what_is_read_of_a_stage_that_need_not_run_is_fetched_when_it_is_asked_for(clone: Clones) -> None:
    pods(clone, "first")
    made: dict[str, Output] = {}
    for stage in MADE:
        last = clone(f"second-{stage}")
        last.step(stage, made, ("results/tiny/metrics.json",) if stage == "register" else ())
    assert last.files() == {"results/tiny/metrics.json", *MADE["register"]}


def test_a_stage_whose_outputs_no_longer_hold_elsewhere_runs_again_on_what_it_reads(clone: Clones) -> None:
    pods(clone, "first")
    made: dict[str, Output] = {}
    for stage in ("download", "convert", "evaluate"):
        clone(f"second-{stage}").step(stage, made)
    last = clone("register")
    with chdir(last.root):
        again = reuse_or_run(
            "register", PAPER, last.root, lambda: last.write("register"), [made["evaluate"]], holds=lambda: False
        )
    assert not again.reused and last.ran == ["register"] and "results/tiny/metrics.json" in last.files()


def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(clone: Clones) -> None:
    pods(clone, "first")
    made: dict[str, Output] = {}
    ran = []
    for stage in MADE:
        one = clone(f"second-{stage}")
        if stage == "evaluate":
            (one.root / "dvc.yaml").write_text(STAGES.replace("cmd: evaluate", "cmd: evaluate --better"))
        one.step(stage, made)
        ran += one.ran
    assert ran == ["evaluate"]  # it wrote the same metrics, so that there is nothing new to register


def test_files_that_git_brought_of_an_older_run_give_way_to_those_of_the_step_before(clone: Clones) -> None:
    made: dict[str, Output] = {}
    for stage in ("download", "convert", "evaluate"):
        clone(f"first-{stage}").step(stage, made)
    last = clone("register")
    (last.root / "results/tiny").mkdir(parents=True)
    (last.root / "results/tiny/metrics.json").write_text('{"psnr": 0}')
    last.step("register", made)
    assert (last.root / "results/tiny/metrics.json").read_text() == '{"psnr": 1}'


def test_a_clone_of_git_takes_from_the_remote_what_its_lock_file_names(clone: Clones, tmp_path: Path) -> None:
    one, made = clone("one"), dict[str, Output]()
    for stage in MADE:
        one.step(stage, made)
    shutil.rmtree(tmp_path / "remote/runs")  # `dvc push` sends no run cache
    two, made = clone("two"), {}
    shutil.copy(one.root / "dvc.lock", two.root)
    for stage in MADE:
        assert two.step(stage, made).reused
    assert two.ran == [] and two.files() == {name for files in MADE.values() for name in files}


def test_dvcs_own_commands_find_what_steps_sent(clone: Clones) -> None:
    one, made = clone("one"), dict[str, Output]()
    for stage in MADE:
        one.step(stage, made)
    two = clone("two")
    shutil.copy(one.root / "dvc.lock", two.root)
    with opened(two.root) as repo:
        repo.pull(run_cache=True)
        runs = {path.name for path in Path(repo.stage_cache.cache_dir).rglob("*") if path.is_file()}
    with opened(one.root) as repo:
        own = {path.name for path in Path(repo.stage_cache.cache_dir).rglob("*") if path.is_file()}
    assert two.files() == {name for files in MADE.values() for name in files} - {"results/tiny/metrics.json"}
    assert own < runs and len(runs) == len(MADE)  # DVC itself keeps no entry of a download, whose files persist


def test_a_stage_that_is_up_to_date_is_sent_where_the_remote_was_set_later(
    clone: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, made = clone("one"), dict[str, Output]()
    address = os.environ[REMOTE]
    monkeypatch.delenv(REMOTE)
    for stage in MADE:
        one.step(stage, made)
    monkeypatch.setenv(REMOTE, address)
    for stage in MADE:
        assert one.step(stage, made).reused
    assert [clone.ran for clone in pods(clone, "second").values()] == [[]] * len(MADE)


def test_data_that_dvc_add_keeps_is_fetched_by_the_stage_that_reads_it(clone: Clones) -> None:
    one = clone("one")
    (one.root / "frames").mkdir()
    (one.root / "frames/0.png").write_text("pixels")
    with chdir(one.root), opened(one.root) as repo:
        repo.add("frames")
        repo.push()
    for name, runs in (("two", ["download"]), ("three", [])):
        other = clone(name)
        (other.root / "dvc.yaml").write_text(STAGES.replace("[card.yaml]", "[card.yaml, frames]"))
        shutil.copy(one.root / "frames.dvc", other.root)
        other.step("download", {})
        assert other.ran == runs
        assert (other.root / "frames").exists() == bool(runs)


@pytest.mark.parametrize("listing", [False, True])
def test_an_object_that_the_remote_lacks_is_named_and_nothing_half_written(
    clone: Clones, tmp_path: Path, listing: bool
) -> None:
    made: dict[str, Output] = {}
    clone("download").step("download", made)
    listed = made["download"].md5.removesuffix(".dir")
    folder = tmp_path / f"remote/files/md5/{listed[:2]}/{listed[2:]}.dir"
    first = json.loads(folder.read_text())[0]["md5"]
    (folder if listing else tmp_path / f"remote/files/md5/{first[:2]}/{first[2:]}").unlink()
    last = clone("convert")
    with pytest.raises(SatsrError, match=r"lacks data/raw/tiny \(md5 .*`download tiny` wrote: `dvc push`"):
        last.step("convert", made)
    assert last.files() == set() and last.ran == []


def test_a_folder_that_cannot_be_written_is_a_sentence(clone: Clones, tmp_path: Path) -> None:
    (tmp_path / "remote").write_text("a file")
    with pytest.raises(SatsrError, match=r"the remote .*remote does not serve \(.*\): look at its address"):
        clone("download").step("download", {})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("507", "Insufficient Storage"),
        ("XMinioStorageFull", "Storage backend has reached its minimum free drive threshold."),
        ("XMinioAdminBucketQuotaExceeded", "Bucket quota exceeded"),
        ("QuotaExceeded", "None"),
    ],
)
def test_a_bucket_that_is_full_is_told_apart_from_one_that_does_not_serve(code: str, message: str) -> None:
    refused = ClientError({"Error": {"Code": code, "Message": message}}, "PutObject")
    said = str(untaken("s3://bucket/x", translate_boto_error(refused)))
    assert said.startswith("the remote s3://bucket/x has no room for what is sent (")
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied."}}, "PutObject")
    assert "does not serve (Access Denied." in str(untaken("s3://bucket/x", translate_boto_error(denied)))


def test_a_port_that_nobody_listens_on_is_a_sentence_without_the_secret(
    clone: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    given = {"AWS_ENDPOINT_URL_S3": nobody, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    for name, value in {**given, REMOTE: "s3://bucket/group"}.items():
        monkeypatch.setenv(name, value)
    one = clone("one")
    with pytest.raises(
        SatsrError, match=f"s3://bucket/group does not serve .*connect to the endpoint URL.*{nobody}"
    ) as raised:
        one.step("download", {})
    assert SECRET not in str(raised.value) and KEY not in str(raised.value) and one.ran == []


def test_an_address_with_a_password_is_refused_without_showing_it(
    clone: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REMOTE, "s3://me:hunter22@bucket/x")
    with pytest.raises(SatsrError, match="holds a user: leave it out") as raised:
        clone("one").step("download", {})
    assert "hunter22" not in str(raised.value)


def test_a_relative_folder_is_beside_the_checkout_in_which_a_step_runs(
    clone: Clones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REMOTE, "../near")
    clone("one").step("download", {})
    assert (tmp_path / "near/files").is_dir()


def test_no_connection_to_s3_waits_for_ever() -> None:
    assert described("s3://bucket/x")["read_timeout"] == 30 and described("s3://bucket/x")["connect_timeout"] == 10


def test_setup_takes_a_remote_that_it_could_write_and_no_other(tmp_path: Path) -> None:
    project = project_of("msdtgp", tmp_path / "project")
    config = project.root / ".dvc/config"
    before = config.read_text()
    assert "holds a user" in project.run("satsr", "setup", "--remote", "s3://me:hunter22@bucket/x", code=1)
    assert "Unsupported URL type s4://" in project.run("satsr", "setup", "--remote", "s4://bucket/x", code=1)
    (tmp_path / "file").write_text("")
    assert "does not serve" in project.run("satsr", "setup", "--remote", str(tmp_path / "file"), code=1)
    assert config.read_text() == before
    assert "written and read; commit .dvc/config" in project.run("satsr", "setup", "--remote", str(tmp_path / "remote"))
    project.run("python", "-m", "steps", "download", "msdtgp")
    project.run("dvc", "commit", "-f", "-q", "download@msdtgp")
    project.run("dvc", "push", "-q", "download@msdtgp")
    assert list((tmp_path / "remote/files/md5").rglob("*.dir")) and not list((tmp_path / "remote").glob("s*"))
    fresh = project_of("msdtgp", tmp_path / "fresh")
    for name in (".dvc/config", "dvc.lock"):
        shutil.copy(project.root / name, fresh.root / name)
    told = fresh.run("dvc", "repro", "--pull", "download@msdtgp")
    assert "Running stage" not in told and any((fresh.root / "data/raw/msdtgp").iterdir())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3") / "buckets", BUCKET) as found:
        yield found


@pytest.fixture
def bucket(clone: Clones, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The remote is S3, in a place of the bucket where nothing is yet."""
    for name, value in {**server.environment, REMOTE: f"s3://{BUCKET}/{tmp_path.name}"}.items():
        monkeypatch.setenv(name, value)
    return server


def test_steps_share_nothing_but_s3(clone: Clones, bucket: Server) -> None:
    assert [one.ran for one in pods(clone, "first").values()] == [[stage] for stage in MADE]
    assert [one.ran for one in pods(clone, "second").values()] == [[]] * len(MADE)


AT_ONCE = """
import os
import sys
from pathlib import Path

from tests.test_remote import MADE, Clone

folder = Path(sys.argv[1])
os.environ["DVC_SITE_CACHE_DIR"] = str(folder / "site")
print("ready", flush=True)
sys.stdin.readline()
made = {}
for stage in MADE:
    Clone(folder / stage).step(stage, made)
"""


def test_two_pipelines_that_send_the_same_at_once_both_end_and_leave_whole_objects(
    clone: Clones, bucket: Server, tmp_path: Path
) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "-c", AT_ONCE]
    runs = [subprocess.Popen([*command, str(tmp_path / name)], cwd=ROOT, **pipes) for name in ("left", "right")]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    said = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    objects = [path for path in (bucket.folder / BUCKET / tmp_path.name / "files/md5").rglob("*") if path.is_file()]
    assert objects
    for path in objects:
        assert hashlib.md5(path.read_bytes()).hexdigest() == (path.parent.name + path.name).removesuffix(".dir")
    assert [one.ran for one in pods(clone, "third").values()] == [[]] * len(MADE)


def test_a_wrong_key_and_an_absent_bucket_are_sentences_without_the_secret(
    clone: Clones, bucket: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(SatsrError, match=r"does not serve \(.*signature") as raised:
        clone("two").step("download", {})
    assert SECRET not in str(raised.value) and "another-secret" not in str(raised.value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv(REMOTE, "s3://nowhere/group")
    with pytest.raises(SatsrError, match="the remote s3://nowhere/group does not serve"):
        clone("one").step("download", {})


def test_a_thousand_entries_of_others_in_the_run_cache_cost_no_more_requests(
    clone: Clones, bucket: Server, tmp_path: Path
) -> None:
    def requests() -> int:
        before = len(bucket.log.read_text().splitlines())
        one = clone(f"after-{before}")
        one.step("download", {})
        assert one.ran == []
        return len([line for line in bucket.log.read_text().splitlines()[before:] if "serve s3" in line])

    clone("first").step("download", {})
    few = requests()
    for number in range(1000):
        folder = bucket.folder / BUCKET / tmp_path.name / f"runs/{number % 256:02x}/{number:064x}"
        folder.mkdir(parents=True)
        (folder / "entry").write_text("cmd: x\n")
    assert requests() == few > 0
