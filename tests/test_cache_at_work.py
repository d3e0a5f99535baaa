"""Every paper's stages on a tiny configuration, and the cache at work: what they load, what an edit makes stale."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from satsr import doctor
from satsr.errors import SatsrError
from steps import STAGES, download
from steps.cache import address, collected, looked_at, reuse_or_run, up_to_date
from steps.inputs import READS, md5
from tests.papers import TINY, project_of
from tests.project import Project
from tests.test_cache import DATA_STAGES, EXEMPT, inside
from tests.warm import ALL, DATA, warm

pytestmark = pytest.mark.slow

EDITED = "msdtgp"
"""The paper whose project is edited: it has a deformable convolution and trains in seconds."""
TERMINAL = {*EXEMPT, "steps/__main__.py"}
LATER = set(STAGES) - set(DATA_STAGES)

METADATA = """
from satsr import quiet
quiet.apply()
from zenml.client import Client
(run,) = Client().list_pipeline_runs(hydrate=True).items
print("lineage", run.steps["train"].run_metadata["lineage"])
"""

WITNESS = """
import atexit
import json
import os
import sys
from pathlib import Path

root, told = Path(os.environ["SATSR_WITNESS_ROOT"]).resolve(), Path(os.environ["SATSR_WITNESS"])


def tell():
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    inside = {Path(file).resolve() for file in files if file}
    ours = [file for file in inside if file.is_relative_to(root) and file.is_file()]  # torch invents some names
    loaded = sorted(file.relative_to(root).as_posix() for file in ours)
    (told / f"{os.getpid()}.json").write_text(json.dumps({"files": loaded, "torch": "torch" in sys.modules}))


atexit.register(tell)
"""


def witnessed(project: Project, stage: str) -> tuple[set[str], bool]:
    """Runs a stage as ``dvc.yaml`` does; the project's files that its processes loaded, and whether one loaded torch.

    A process tells it when it ends, and so do those that it starts: Python's own hook, a module ``sitecustomize``.
    """
    hook, told = project.root.parent / "hook", project.root.parent / f"loaded by {stage}"
    hook.mkdir(exist_ok=True)
    told.mkdir()
    (hook / "sitecustomize.py").write_text(WITNESS)
    places = {"SATSR_WITNESS": str(told), "SATSR_WITNESS_ROOT": str(project.root)}
    environment = {**project.environment, **places, "PYTHONPATH": f"{hook}:{project.root}"}
    command = ["python", "-m", "steps", stage, project.paper]
    tools = warm(DATA if stage in DATA_STAGES else ALL)
    code, output = tools.run(command, project.root, environment, first=WITNESS)
    assert code == 0, output
    found = [json.loads(file.read_text()) for file in told.iterdir()]
    return {file for one in found for file in one["files"]}, any(one["torch"] for one in found)


def dependencies(project: Project, stage: str) -> set[str]:
    """The stage's dependencies as DVC itself resolves them."""
    with Repo(str(project.root)) as repo:
        (found,) = repo.stage.collect(address(stage, project.paper, project.root))
        paths = [Path(str(one.fs_path)) for one in found.deps if not isinstance(one, ParamsDependency)]
    return {path.relative_to(project.root).as_posix() for path in paths}


Ran = tuple[Project, dict[str, tuple[set[str], bool]]]


@contextmanager
def alone_with(project: Project, *stages: str) -> Iterator[None]:
    """Within, only what these stages made is there, and what has no stage."""
    away = project.root.parent / "away"
    others = [stage for stage in STAGES if stage not in stages]
    made = [Path(out.fs_path) for stage in others for out in collected(stage, project.paper, project.root).outs]
    moved = {path: away / path.relative_to(project.root) for path in made if path.exists()}
    for path, place in moved.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    yield
    for path, place in moved.items():
        place.rename(path)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """``ran(paper)``: its tiny project, whose stages were run once, and what each of them loaded."""
    made: dict[str, Ran] = {}

    def run(paper: str) -> Ran:
        if paper not in made:
            project = project_of(paper, tmp_path_factory.mktemp(paper) / "clone")
            made[paper] = project, {}
            for stage in STAGES:
                with alone_with(project, *READS[stage]):
                    made[paper][1][stage] = witnessed(project, stage)
        return made[paper]

    return run


@pytest.mark.parametrize("paper", TINY)
def test_what_a_stage_loads_is_covered_by_its_dependencies(paper: str, ran: Callable[[str], Ran]) -> None:
    project, loads = ran(paper)
    for stage, (loaded, torch) in loads.items():
        places = dependencies(project, stage)
        assert f"steps/{stage}.py" in loaded
        missing = {file for file in loaded - TERMINAL if not any(inside(file, place) for place in places)}
        assert not missing, f"{stage} of {paper} loads what dvc.yaml does not list: {sorted(missing)}"
        assert not (torch and stage in DATA_STAGES), f"{stage} of {paper} loads torch"


@pytest.mark.parametrize("paper", TINY)
def test_the_stages_that_a_stage_reads_are_those_of_dvc(paper: str, ran: Callable[[str], Ran]) -> None:
    project, _ = ran(paper)
    made = {Path(out.fs_path): stage for stage in STAGES for out in collected(stage, paper, project.root).outs}
    for stage, reads in READS.items():
        depended = {Path(dep.fs_path) for dep in collected(stage, paper, project.root).deps if dep.fs_path}
        assert {made[path] for path in depended & set(made)} == set(reads)


@pytest.mark.parametrize("paper", TINY)
def test_the_literal_command_takes_over_what_dvc_ran_and_leaves_dvc_nothing_to_do(
    paper: str, ran: Callable[[str], Ran]
) -> None:
    project, _ = ran(paper)
    project.run("dvc", "commit", "-f", "-q")
    runs: tuple[str, ...] = ()
    if paper == EDITED:
        project.params(**{"evaluate.panels": 2})
        runs = ("evaluate", "register")
    output = project.run("zenml", "pipeline", "run", f"train_{paper}")
    assert "Traceback" not in output and "Warning" not in output
    reused = [stage for stage in STAGES if re.search(rf"^{stage} +up to date", output, re.MULTILINE)]
    assert reused == [stage for stage in STAGES if stage not in runs]
    assert f"results/{paper}/evaluation/report.html" in output
    (model,) = project.versions()
    assert model.startswith(paper) and f"{model} version" in output
    assert {"bicubic", "ema"} <= set(project.metrics()["methods"])
    lineage = json.loads((project.root / f"results/{paper}/train/train.json").read_text())["lineage"]
    assert f"lineage {lineage}" in project.run(sys.executable, "-c", METADATA)
    again = project.run("dvc", "repro")
    assert all(f"Stage '{stage}@{paper}' didn't change, skipping" in again for stage in STAGES)


@pytest.fixture(scope="module")
def recorded(ran: Callable[[str], Ran]) -> Project:
    """A project whose stages are all up to date."""
    project, _ = ran(EDITED)
    project.run("dvc", "commit", "-f", "-q")
    assert stale(project) == set()
    return project


def stale(project: Project) -> set[str]:
    """The stages that are not up to date: ``dvc status`` and the ZenML door say the same."""
    told = json.loads(project.run("dvc", "status", "--json"))
    assert all(name.endswith(f"@{project.paper}") for name in told)
    by_dvc = {name.partition("@")[0] for name in told}
    by_zenml = {stage for stage in STAGES if not up_to_date(collected(stage, project.paper, project.root))}
    assert by_dvc == by_zenml
    return by_dvc


@pytest.fixture
def comment(recorded: Project) -> Iterator[Callable[[str], None]]:
    """``comment(file)`` appends a comment to the file, until the end of the test."""
    kept: dict[Path, bytes] = {}

    def append(name: str) -> None:
        file = recorded.root / name
        kept[file] = file.read_bytes()
        file.write_bytes(kept[file] + (b"{# edited #}\n" if name.endswith(".j2") else b"# edited\n"))

    yield append
    for file, content in kept.items():
        file.write_bytes(content)


@pytest.mark.parametrize(
    ("edited", "stages"),
    [
        ("satsr/degrade.py", set(STAGES) - {"validate"}),
        ("satsr/convert/layouts/frames.py", {"convert"}),
        ("satsr/download/drawn/town.py", {"download"}),
        ("satsr/metrics/pixels.py", LATER),
        ("satsr/pages/templates/report.html.j2", {"evaluate"}),
        ("models/shared/deform.py", LATER),
        (f"models/{EDITED}/__init__.py", LATER),
        ("models/qanet/__init__.py", set()),
    ],
)
def test_an_edit_makes_exactly_the_stages_stale_that_load_it(
    edited: str, stages: set[str], recorded: Project, comment: Callable[[str], None]
) -> None:
    comment(edited)
    assert stale(recorded) == stages


def test_an_edit_that_dvc_commit_accepts_retrains_nothing_at_either_door(
    recorded: Project, comment: Callable[[str], None]
) -> None:
    comment("steps/train.py")
    assert stale(recorded) == {"train"}
    for stage in STAGES[3:]:
        recorded.run("dvc", "commit", "-f", "-q", f"{stage}@{EDITED}")
    assert stale(recorded) == set()
    again = recorded.run("dvc", "repro")
    assert all(f"Stage '{stage}@{EDITED}' didn't change, skipping" in again for stage in STAGES)
    with chdir(recorded.root / "docs"):  # ZenML finds the project from its folders, too
        for stage in STAGES:
            found = reuse_or_run(stage, EDITED, recorded.root, lambda: pytest.fail("it ran again"))
            assert found.reused and (recorded.root / found.path).exists() and ".." not in found.path


def alter(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(("door", "harm"), [("zenml", Path.unlink), ("zenml", alter), ("dvc", alter)])
def test_an_output_that_was_altered_or_deleted_by_hand_gives_way_to_what_the_stage_wrote(
    door: str, harm: Callable[[Path], None], recorded: Project
) -> None:
    manifest = recorded.root / f"data/lmdb/{EDITED}/manifest.json"
    written = manifest.read_bytes()
    harm(manifest)
    if door == "zenml":
        with chdir(recorded.root):
            found = reuse_or_run("convert", EDITED, recorded.root, lambda: pytest.fail("it ran again"))
        assert found.reused
    else:
        said = recorded.run("dvc", "repro", "--single-item", f"convert@{EDITED}")
        assert "Running stage" not in said
    assert manifest.read_bytes() == written


def test_a_file_that_was_damaged_in_dvcs_cache_is_used_at_neither_door(recorded: Project) -> None:
    exported = recorded.root / f"results/{EDITED}/export"
    whole = (exported / "model.onnx").read_bytes()
    digest = md5(exported / "model.onnx")
    copy = recorded.root / f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
    copy.chmod(0o644)
    copy.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    copy.chmod(0o444)  # DVC looks only at files of its cache that may be written
    shutil.rmtree(exported)
    said = rf"model.onnx is not what export@{EDITED} wrote .*{copy.name}"
    with chdir(recorded.root), pytest.raises(SatsrError, match=said):
        reuse_or_run("export", EDITED, recorded.root, lambda: pytest.fail("it ran again"))
    again = recorded.run("dvc", "repro", "--force", "--single-item", f"register@{EDITED}", code=255)
    assert f"model.onnx is not what export@{EDITED} wrote" in again
    (fix,) = re.findall(r"`(rm -rf [^`]*)`", again)
    recorded.run("sh", "-c", fix)
    recorded.run("dvc", "repro", "--force", "--single-item", f"export@{EDITED}")
    assert (exported / "model.onnx").read_bytes() == whole
    recorded.run("dvc", "repro", "--single-item", f"register@{EDITED}")
    assert stale(recorded).isdisjoint({"export", "register"})  # an earlier test may have taken back a commit of train


def test_a_lock_file_with_both_sides_of_a_merge_is_a_sentence(recorded: Project) -> None:
    lock = recorded.root / "dvc.lock"
    written = lock.read_text()
    lock.write_text(written.replace("stages:\n", "<<<<<<< ours\nstages:\n=======\n>>>>>>> theirs\n"))
    with pytest.raises(SatsrError, match=r"both sides of a merge .*git checkout --ours"):
        reuse_or_run("convert", EDITED, recorded.root, lambda: pytest.fail("it ran again"))
    lock.write_text(written)


@pytest.mark.parametrize("place", ["its begin", "a word", "a hash"])
def test_a_lock_file_that_was_cut_off_is_a_sentence_with_the_fix_at_both_doors(place: str, recorded: Project) -> None:
    lock = recorded.root / "dvc.lock"
    written = lock.read_text()
    train = written.index(f"train@{EDITED}:")
    lock.write_text(
        written[: {"its begin": 0, "a word": train + 3, "a hash": written.index("md5: ", train) + 9}[place]]
    )
    with pytest.raises(SatsrError, match=r"dvc\.lock is cut off or damaged .*satsr doctor --mend"):
        reuse_or_run("convert", EDITED, recorded.root, lambda: pytest.fail("it ran again"))
    step = ("env", f"DVC_STAGE=evaluate@{EDITED}", sys.executable, "-m", "steps", "evaluate", EDITED)
    said = recorded.run(*step, code=1)
    assert "satsr doctor --mend" in said and "git checkout dvc.lock" in said and "Traceback" not in said
    (found,) = doctor.doctor(recorded.root, True, doctor.lock)
    assert found.fine and {"train", "evaluate"} <= stale(recorded)  # both doors read it again
    lock.write_text(written)


def test_a_lock_file_that_was_cut_off_between_two_lines_takes_no_stage_for_finished(recorded: Project) -> None:
    lock = recorded.root / "dvc.lock"
    written = lock.read_text()
    train = written.index(f"train@{EDITED}:")
    lock.write_text(written[: written.index("    outs:\n", train)])
    assert {"train", "evaluate", "export", "register"} <= stale(recorded)
    lock.write_text(written)


def test_pipelines_at_once_in_one_clone_and_in_two_with_one_home_end_alike(recorded: Project, tmp_path: Path) -> None:
    """Twice the same new training in one clone, and in a copy another gate, which makes no new version."""
    other = copy(recorded, tmp_path / "other")
    known = recorded.versions()
    recorded.params(**{"train.iterations": 2})
    other.params(**{"gates.max_consistency_ratio": 999.0})
    home = {"HOME": str(tmp_path / "home"), "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    (tmp_path / "home").mkdir()
    commands = [
        (["zenml", "pipeline", "run", f"train_{EDITED}"], one.root, {**one.environment, **home})
        for one in (recorded, recorded, other)
    ]
    ran = []
    for code, said in warm().together(commands):
        assert code == 0 and "Traceback" not in said, said
        ran.append([stage for stage in STAGES if re.search(rf"^{stage} +[0-9]", said, re.MULTILINE)])
    assert sorted(ran[0] + ran[1]) == sorted(STAGES[3:]) and ran[2] == ["register"]  # each stage ran in one of the two
    ((model, count),) = known.items()
    assert recorded.versions() == {model: count + 1} and other.versions() == known
    for one in (recorded, other):
        assert stale(one) == set() and doctor.lock(one.root).fine
        kept = [*(one.root / "data").rglob("*"), *(one.root / "scratch").rglob("*")]
        assert not [file for file in kept if file.name.endswith((".tmp", ".lock"))]


def test_a_folder_that_a_card_names_is_looked_at_though_dvc_hashes_the_card_alone(
    recorded: Project, tmp_path: Path, make_clip: Callable[..., object]
) -> None:
    project = copy(recorded, tmp_path / "clone")
    paper, root = project.paper, project.root
    make_clip(root / "frames/a", 8)
    (root / "mine.yaml").write_text("{name: mine, source: {files: {path: frames}}, layout: frames, scale: 4}")
    project.run("satsr", "set", paper, "data=mine.yaml")

    def twice() -> list[bool]:
        return [reuse_or_run("download", paper, root, lambda: download.run(paper, root)).reused for _ in range(2)]

    with chdir(root):
        assert twice() == [False, True]
        (root / "frames/a/00000007.png").unlink()
        assert twice() == [False, True]
        frame = root / "frames/a/00000003.png"
        frame.write_bytes(frame.read_bytes()[::-1])  # of the same size
        assert twice() == [False, True]
        shutil.rmtree(root / "frames")  # which nobody needs who has the store
        assert twice() == [True, True]


def test_a_folder_with_its_card_inside_is_hashed_whole_by_dvc(
    recorded: Project, tmp_path: Path, make_clip: Callable[..., object]
) -> None:
    project = copy(recorded, tmp_path / "clone")
    paper, root = project.paper, project.root
    make_clip(root / "frames/a", 8)
    (root / "frames/card.yaml").write_text("{layout: frames, scale: 4}")
    project.run("satsr", "set", paper, "data=frames")
    with chdir(root):
        for change in (
            lambda: None,
            (root / "frames/a/00000007.png").unlink,
            lambda: (root / "frames/card.yaml").write_text("{layout: frames, scale: 2}"),
        ):
            change()
            assert not looked_at("download", paper, root)[1]
            assert not reuse_or_run("download", paper, root, lambda: download.run(paper, root)).reused
            assert looked_at("download", paper, root)[1]


def copy(project: Project, root: Path) -> Project:
    """A clone beside it, with all that it made."""
    shutil.copytree(project.root, root, symlinks=True)
    made = Project.__new__(Project)
    made.root, made.paper, made.warm = root, project.paper, project.warm
    places = {"PYTHONPATH": str(root), "ZENML_CONFIG_PATH": str(root / ".zenml")}
    made.environment = {**project.environment, **places}
    return made
