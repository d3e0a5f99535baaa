from pathlib import Path

import pytest

from satsr.config.change import change
from satsr.config.data import Section
from satsr.config.recipe import Config, Train, load, resolved
from satsr.config.resolve import merged, read_value
from satsr.errors import SatsrError
from steps.configuration import config_of
from tests.stages import ROOT


class Network(Section):
    width: int = 8


class ToyConfig(Config):
    network: Network


PARAMS = """# a comment that stays
papers:
  toy:
    profile: quick
    data: quick.yaml
    train: {iterations: null}  # and so does this one
"""
RECIPE = """
quick: {data: quick.yaml, checks: &data {suite: video}, network: {width: 4}, train: &short
    {iterations: 10, validate_every: 5, checkpoint_every: 5}}
paper: {data: paper.yaml, checks: *data, train: {<<: *short, iterations: 1000}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "toy.yaml").write_text(RECIPE)
    (tmp_path / "params.yaml").write_text(PARAMS)
    for name in ("quick.yaml", "paper.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def test_null_in_params_means_as_the_profile_says(project: Path) -> None:
    config = load(ToyConfig, "toy", project)
    assert (config.train.iterations, config.network.width, config.data) == (10, 4, "quick.yaml")


def test_a_change_is_written_with_comments_kept(project: Path) -> None:
    lines = change("toy", {"train.iterations": 3}, project, ToyConfig)
    text = (project / "params.yaml").read_text()
    assert lines == ["params.yaml: toy.train.iterations = 3 (was null)"]
    assert "# a comment that stays" in text and "# and so does this one" in text
    assert load(ToyConfig, "toy", project).train.iterations == 3


def test_a_training_that_ends_before_its_adversarial_phase_is_told_so(tmp_path: Path) -> None:
    for name in ("pipelines", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").write_text("papers: {srgan: {profile: quick}}\n")
    model = config_of("srgan")
    alone, short = change("srgan", {"train.seed": 3}, tmp_path, model), {"train.iterations": 300}
    assert alone == ["params.yaml: srgan.train.seed = 3 (was null)"]
    _, note = change("srgan", short, tmp_path, model)
    assert note.startswith("note: the adversarial phase begins after step 2000, and train.iterations = 300 ends before")
    assert change("srgan", short, tmp_path, model) == []
    assert len(change("srgan", {"train.g_pretrain_steps": 200}, tmp_path, model)) == 1


def test_choosing_a_profile_takes_its_data_along(project: Path) -> None:
    change("toy", {"profile": "paper"}, project, ToyConfig)
    config = load(ToyConfig, "toy", project)
    assert (config.data, config.train.iterations, config.network.width) == ("paper.yaml", 1000, 8)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train.iteration": 3}, r"unknown key train.iteration \(did you mean train.iterations\?\)"),
        ({"train.iterations": "many"}, r"train.iterations: .*\(found 'many'\)"),
        ({"train.iterations": 0}, "greater than or equal to 1"),
        ({"trian.iterations": 3}, r"unknown key 'trian.iterations' for toy \(did you mean train.iterations\?\)"),
        ({"iterations": 3}, r"'iterations' for toy \(did you mean train.iterations\?\): a setting is profile, data or"),
        ({"colour": 3}, "unknown key 'colour' for toy: a setting is profile, data or section.key"),
        ({"train.colour": 3}, r"unknown key train\.colour\. Look into"),
        ({"profile": "quik"}, r"no profile 'quik' \(did you mean quick\?\)"),
        ({"profile": "fast"}, "no profile 'fast'"),
        ({"data.path": "x"}, "not a section"),
        ({"rooms.kind": "video"}, "is no setting"),
        ({"train": 3}, r"toy.train in params.yaml must be a section of settings, found 3: .* toy.train.<key>"),
        ({"convert": [1, 2]}, r"toy.convert in params.yaml must be a section"),
        ({"data": "my/frames"}, "'my/frames', which does not exist"),
    ],
)
def test_a_bad_setting_is_a_sentence_and_changes_nothing(project: Path, settings: dict, words: str) -> None:
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(SatsrError, match=words):
        change("toy", settings, project, ToyConfig)
    assert (project / "params.yaml").read_bytes() == before
    assert sorted(path.name for path in project.iterdir()) == [
        "paper.yaml",
        "params.yaml",
        "pipelines",
        "quick.yaml",
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("trian: {iterations: 3}", r"unknown key 'trian' for toy .* \(did you mean train\?\)"),
        ("train: {iteration: 3}", r"unknown key train.iteration \(did you mean train.iterations\?\)"),
    ],
)
def test_a_key_that_is_mistyped_in_the_file_is_told_with_the_one_that_was_meant(
    project: Path, wrong: str, words: str
) -> None:
    (project / "params.yaml").write_text(f"papers: {{toy: {{profile: quick, {wrong}}}}}")
    with pytest.raises(SatsrError, match=words):
        load(ToyConfig, "toy", project)


def test_an_unknown_paper_is_told_which_exist(project: Path) -> None:
    with pytest.raises(SatsrError, match="it lists toy"):
        load(ToyConfig, "tow", project)


def test_broken_yaml_is_a_sentence(project: Path) -> None:
    (project / "params.yaml").write_text("papers: [unclosed")
    with pytest.raises(SatsrError, match="not valid YAML"):
        load(ToyConfig, "toy", project)


@pytest.mark.parametrize(
    "value",
    ["{a", "!!python/object:os.system x", "!!bool x", '!!int ""', "!foo", "a: b: c", "&x *y", "&x [*x]", "\x00"],
)
def test_a_value_that_is_no_plain_yaml_is_a_sentence(value: str) -> None:
    with pytest.raises(SatsrError, match="is no plain YAML value") as raised:
        read_value(value)
    assert "<unicode string>" not in str(raised.value)


@pytest.mark.parametrize("paper", ["../x", "rasvsr/../msdtgp", "", "a b", "x.y", "chain", "__init__"])
def test_what_is_no_papers_name_is_a_sentence(paper: str) -> None:
    with pytest.raises(SatsrError, match="no paper is called"):
        config_of(paper)


def test_train_has_no_unchecked_defaults() -> None:
    with pytest.raises(ValueError, match="validate_every"):
        Train(iterations=1, checkpoint_every=1)


def test_an_unknown_group_of_metrics_is_refused_with_the_list(project: Path) -> None:
    change("toy", {"evaluate.metrics": ["default", "opensr"]}, project, ToyConfig)
    assert load(ToyConfig, "toy", project).evaluate.metrics == ["default", "opensr"]
    said = "unknown metrics psnr: choose among spectral, opensr, frc, flicker, lpips, default"
    with pytest.raises(SatsrError, match=said):
        change("toy", {"evaluate.metrics": ["psnr"]}, project, ToyConfig)


@pytest.mark.parametrize(
    ("paper", "scale", "choices"),
    [
        ("rasvsr", 2, "4"),
        ("qanet", 4, "3"),
        ("breizhsr", 2, "4"),
        ("msdtgp", 3, "2 or 4 or 8"),
        ("srgan", 3, "2 or 4 or 8"),
    ],
)
def test_a_scale_that_no_network_of_the_paper_has_is_refused_before_anything_runs(
    paper: str, scale: int, choices: str
) -> None:
    with pytest.raises(
        SatsrError, match=rf"convert\.scale = {scale}, but the networks of {paper} enlarge by {choices}"
    ):
        resolved(config_of(paper), paper, merged(paper, Path(__file__).parents[1], {"convert": {"scale": scale}}))
