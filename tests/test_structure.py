"""What holds for the whole tree: safe loading, imports in one direction, papers named in their own places only."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from satsr.config.recipe import load
from satsr.config.resolve import read_yaml
from steps.configuration import config_of
from steps.job import recipe

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted(path for folder in ("satsr", "models", "steps", "pipelines") for path in (ROOT / folder).rglob("*.py"))
PAPERS = list(read_yaml(ROOT / "params.yaml")["papers"])
LAYERS = ["models", "satsr", "steps", "pipelines"]


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unpickles_code_or_runs_a_shell(path: Path) -> None:
    for name, call in calls(ast.parse(path.read_text())):
        keywords = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert name not in ("pickle.load", "pickle.loads", "yaml.load", "eval", "exec", "os.system"), name
        assert name != "torch.load" or keywords.get("weights_only") == "True"
        assert keywords.get("shell") != "True"


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_from_pipelines_to_steps_to_satsr_to_models(path: Path) -> None:
    own = LAYERS.index(path.relative_to(ROOT).parts[0])
    tree = ast.parse(path.read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    for name in imported:
        top = name.split(".")[0]
        allowed = top not in LAYERS or LAYERS.index(top) <= own
        assert allowed or path.name == "cli.py", f"{path} imports {name}"


@pytest.mark.parametrize("paper", PAPERS)
def test_stages_do_not_branch_on_the_name_of_a_paper(paper: str) -> None:
    for path in CODE:
        if path.parent.name in ("steps", "satsr"):
            assert not re.search(rf"""==\s*["']{paper}["']""", path.read_text()), path


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_every_profile_of_every_paper_is_a_valid_configuration(paper: str, profile: str, tmp_path: Path) -> None:
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "params.yaml").write_text(f"papers: {{{paper}: {{profile: {profile}}}}}")
    config = load(config_of(paper), paper, tmp_path)
    assert config.profile == profile
    assert recipe(paper)(config).network() is not None or profile == "paper"


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_has_its_door(paper: str) -> None:
    text = (ROOT / f"train_{paper}.py").read_text()
    assert f"from pipelines import train_{paper}" in text
    assert importlib.import_module(f"pipelines.{paper}").PAPER.name == paper
