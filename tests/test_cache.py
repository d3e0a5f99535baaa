"""The cache cannot lie: a stage's dependencies in ``dvc.yaml`` are what it imports, no less and no room more."""

from functools import cache
from pathlib import Path

import pytest
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from models import NETWORKS
from satsr.config.resolve import read_yaml
from steps import STAGES
from steps.code import PLACES, code_sha256, sources
from tests.imports import ROOT, closure, files

PAPERS = list(read_yaml(ROOT / "params.yaml")["papers"])
DATA_STAGES = STAGES[:3]
EXEMPT = {
    "satsr/locks.py": "locks",
    "satsr/checkout/__init__.py": "a sentence",
    "satsr/checkout/first.py": "waits until ZenML's database is made",
    "satsr/progress.py": "speaks to the terminal",
    "satsr/checkout/moved.py": "follows a checkout to another place",
    "satsr/project.py": "finds paths",
    "satsr/quiet.py": "keeps the terminal calm",
    "satsr/zoo/__init__.py": "models that users name, of which no stage takes one",
}
CELLS = [(stage, paper) for stage in STAGES for paper in PAPERS]


@cache
def imports(stage: str, paper: str) -> set[str]:
    """The files that a stage of a paper imports, with those that are looked up by name."""
    roots = {f"steps.{stage}"}
    if stage == "download":
        roots.add(f"pipelines.configs.{paper}")
    if stage not in DATA_STAGES:
        networks = {where.split(":")[0] for where in NETWORKS.values()}
        roots |= {f"pipelines.{paper}", f"pipelines.configs.{paper}", *(networks & {f"models.{paper}"})}
    return files(closure(roots)) - set(EXEMPT)


@cache
def listed(stage: str, paper: str) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sources(stage, paper, ROOT)]


def inside(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


@pytest.mark.parametrize(("stage", "paper"), CELLS)
def test_every_file_that_a_stage_imports_is_covered_by_its_dependencies(stage: str, paper: str) -> None:
    places = listed(stage, paper)
    missing = sorted(file for file in imports(stage, paper) if not any(inside(file, place) for place in places))
    assert not missing, f"add to the deps of {stage} in dvc.yaml: {', '.join(missing)}"


@pytest.mark.parametrize(("stage", "paper"), CELLS)
def test_no_stage_depends_on_code_that_it_does_not_import(stage: str, paper: str) -> None:
    found = imports(stage, paper)
    code = [place for place in listed(stage, paper) if not place.endswith((".yaml", ".j2"))]
    idle = [place for place in code if not any(inside(file, place) for file in found)]
    assert not idle, f"take out of the deps of {stage} in dvc.yaml: {', '.join(idle)}"


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("stage", DATA_STAGES)
def test_the_stages_of_the_data_know_no_network_loss_loop_or_metric(stage: str, paper: str) -> None:
    rooms = ("models/", "satsr/train/", "satsr/metrics/", "satsr/kinds/", "satsr/evaluate/", "satsr/export")
    for file in (*imports(stage, paper), *listed(stage, paper)):
        assert not file.startswith((*rooms, f"pipelines/{paper}.py")), file
        assert not (ROOT / file).is_file() or "import torch" not in (ROOT / file).read_text(), file


@pytest.mark.parametrize("template", sorted((ROOT / "satsr/pages/templates").iterdir()), ids=lambda path: path.name)
def test_a_template_is_a_dependency_of_the_stages_whose_pages_it_makes(template: Path) -> None:
    pages = {"validate": "validation.html.j2", "evaluate": "report.html.j2"}
    shared = ("base.html.j2", "macros.html.j2", "script.html.j2", "style.html.j2")
    for stage in STAGES:
        depends = any(inside(template.relative_to(ROOT).as_posix(), place) for place in listed(stage, "rasvsr"))
        assert depends is (stage in pages and template.name in (pages.get(stage), *shared)), stage


@pytest.mark.slow
def test_the_list_of_checkpoints_is_dvcs_own() -> None:
    with Repo(str(ROOT)) as repo:
        all_stages = {found.name: found for found in repo.index.stages}
        for stage, paper in CELLS:
            found = all_stages[f"{stage}@{paper}"]
            theirs = {Path(str(dep)).as_posix() for dep in found.deps if not isinstance(dep, ParamsDependency)}
            code = {place for place in theirs if place.split("/")[0] in PLACES}
            assert code == set(listed(stage, paper)), (stage, paper)


@pytest.mark.parametrize(
    ("edited", "stages"),
    [
        ("satsr/degrade.py", set(STAGES) - {"validate"}),
        ("satsr/convert/layouts/probav.py", {"convert"}),
        ("satsr/imagery/images.py", {"download", "convert", "evaluate"}),
        ("satsr/download/drawn/town.py", {"download"}),
        ("satsr/metrics/pixels.py", {"train", "evaluate", "export", "register"}),
        ("satsr/pages/templates/report.html.j2", {"evaluate"}),
        ("satsr/train/loop.py", {"train", "evaluate", "export", "register"}),
        ("satsr/validate/suites.py", {"validate"}),
    ],
)
def test_an_edit_makes_the_stages_stale_that_depend_on_it(edited: str, stages: set[str]) -> None:
    for paper in PAPERS:
        assert {stage for stage in STAGES if any(inside(edited, place) for place in listed(stage, paper))} == stages


def test_the_deformable_convolution_concerns_the_networks_that_have_it() -> None:
    for stage, paper in CELLS:
        concerned = any(inside("models/shared/deform.py", place) for place in listed(stage, paper))
        assert concerned is (paper in ("rasvsr", "msdtgp") and stage not in DATA_STAGES), (stage, paper)


@pytest.mark.slow
def test_a_checkpoints_identity_follows_the_sources(tmp_path: Path) -> None:
    for name in ("models", "satsr", "steps", "pipelines", "dvc.yaml", "params.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    before = code_sha256("train", "rasvsr", tmp_path)
    assert before == code_sha256("train", "rasvsr", ROOT) != code_sha256("train", "msdtgp", ROOT)
    (tmp_path / "satsr").unlink()
    for file in (ROOT / "satsr").rglob("*.py"):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    assert code_sha256("train", "rasvsr", tmp_path) == before
    for edited, stale in (("satsr/store/store.py", True), ("satsr/convert/convert.py", False)):
        kept = (tmp_path / edited).read_bytes()
        (tmp_path / edited).write_bytes(kept + b"# edited\n")
        assert (code_sha256("train", "rasvsr", tmp_path) != before) is stale
        (tmp_path / edited).write_bytes(kept)
