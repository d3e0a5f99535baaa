"""What the papers' files say was published."""

from pathlib import Path

import pytest

from satsr.config.recipe import Config, resolved
from satsr.config.resolve import merged, read_yaml
from satsr.errors import SatsrError
from satsr.evaluate.claim import Claim, load_claim
from satsr.evaluate.conditions import AFTERWARDS, EXECUTION, as_trained, differences
from steps import STAGES
from steps.code import sources
from steps.configuration import config_of

ROOT = Path(__file__).resolve().parents[2]
PAPERS = list(read_yaml(ROOT / "params.yaml")["papers"])


def configured(paper: str, profile: str, **changes: dict[str, object]) -> Config:
    return resolved(config_of(paper), paper, merged(paper, ROOT, {"profile": profile, **changes}))


@pytest.mark.parametrize("paper", PAPERS)
def test_every_papers_figures_are_read_and_belong_to_a_card_a_profile_and_settings(paper: str) -> None:
    claim = load_claim(ROOT, paper)
    assert read_yaml(ROOT / f"data/catalog/{claim.data.card}.yaml")["name"] == claim.data.card
    assert claim.source and (claim.figures(claim.method) or not claim.rows)
    for _, rows in claim.tables:
        for name in rows.keys() & {claim.method, *claim.profiles}:
            own = configured(paper, claim.profile(name))
            for key in claim.supplied:
                section, setting = key.split(".")
                assert hasattr(getattr(own, section), setting)


@pytest.mark.parametrize("paper", PAPERS)
def test_an_edit_of_what_was_published_makes_the_evaluation_stale_and_no_training(paper: str) -> None:
    figures = ROOT / f"pipelines/{paper}.published.yaml"
    assert figures.is_file()
    readers = [
        stage
        for stage in STAGES
        if any(figures == place or place in figures.parents for place in sources(stage, paper, ROOT))
    ]
    assert readers == ["evaluate"]


def test_qanets_figure_is_of_one_image_set_of_the_published_split() -> None:
    claim = load_claim(ROOT, "qanet")
    assert claim.figures("QA-Net") == [("imgset0658", {"cpsnr": 47.25})]
    assert ("imgset0658", {"cpsnr": 42.15}) in claim.figures("bicubic")
    assert claim.shown()[-1] == {"method": "QA-Net, imgset0658", "cpsnr": 47.25}


def test_qanets_stated_deviations_keep_its_verdict_from_reproduced() -> None:
    loss, steps = load_claim(ROOT, "qanet").departures
    assert "where their code scores columns" in loss and "520 epochs of nine tiles" in steps


def written(folder: Path, old: str, new: str) -> Path:
    (folder / "pipelines").mkdir()
    text = (ROOT / "pipelines/rasvsr.published.yaml").read_text()
    assert old in text
    (folder / "pipelines/rasvsr.published.yaml").write_text(text.replace(old, new))
    return folder


def test_a_figure_that_is_no_number_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=r"rows\.RASVSR\.psnr_rgb_u8"):
        load_claim(written(tmp_path, "39.930", "high"), "rasvsr")


def test_a_published_metric_without_a_tolerance_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="tolerances lacks niqe_y_u8"):
        load_claim(written(tmp_path, "  niqe_y_u8: {baseline", "  other: {baseline"), "rasvsr")


@pytest.mark.parametrize("paper", PAPERS)
def test_the_profile_paper_is_its_own_and_quick_is_not(paper: str) -> None:
    own = configured(paper, "paper").model_dump(mode="json")
    assert differences(configured(paper, "paper", train={"seed": 9}).model_dump(mode="json"), own) == []
    short = configured(paper, "paper", train={"iterations": 1}).model_dump(mode="json")
    assert [line.split(" = ")[0] for line in differences(short, own)] == ["train.iterations"]
    assert len(differences(configured(paper, "quick").model_dump(mode="json"), own)) > 3


def test_what_was_trained_counts_and_not_what_was_configured_afterwards() -> None:
    own = configured("rasvsr", "paper")
    values = own.model_dump(mode="json")
    short = {"network": values["network"], "train": {**values["train"], "iterations": 1}, "convert": {"scale": 4}}
    assert differences(as_trained(own, short), values) == ["train.iterations = 1 instead of 90000"]


def test_every_setting_that_is_free_exists() -> None:
    values = configured("rasvsr", "paper").model_dump(mode="json")
    for key in EXECUTION:
        section, _, setting = key.partition(".")
        assert section in values and (not setting or setting in values[section]), key
    assert set(AFTERWARDS) <= values.keys()


def test_a_claim_may_have_no_rows() -> None:
    claim = Claim.model_validate({"data": {"card": "x"}, "metric": "psnr", "method": "ours", "source": "none"})
    assert claim.figures("ours") == [] and claim.profile("ours") == "paper"
