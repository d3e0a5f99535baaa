"""What is said about a published figure."""

from pathlib import Path

import pytest

from satsr.config.resolve import read_yaml
from satsr.errors import SatsrError
from satsr.evaluate.verdict import Claim, Verdict, load_claim, verdict

ROOT = Path(__file__).resolve().parents[2]
CLAIM = Claim(
    dataset="clips", metric="psnr_rgb_u8", method="ours", source="a table", rows={"ours": {"psnr_rgb_u8": 39.93}}
)


def judged(psnr: float, claim: Claim = CLAIM, profile: str = "paper", data: str = "clips", **others: float) -> Verdict:
    methods = {"bicubic": 35.0, "ema": psnr, **others}
    scores = {method: {"psnr_rgb_u8": value} for method, value in methods.items()}
    return verdict(claim, "ours", profile, data, scores, tolerance_db=0.1)


def test_a_figure_within_tolerance_is_reproduced_and_below_it_is_not() -> None:
    assert judged(39.84).word == judged(41.0).word == "reproduced"
    assert judged(39.82).word == "not reproduced"
    assert "39.820 dB, -0.110 dB from the published 39.930 dB" in judged(39.82).sentence


def test_the_weights_that_are_exported_are_judged() -> None:
    assert judged(38.0, network=39.93).word == "not reproduced"


@pytest.mark.parametrize(("profile", "data"), [("quick", "clips"), ("paper", "others")])
def test_other_data_or_another_recipe_are_not_comparable(profile: str, data: str) -> None:
    assert judged(39.93, profile=profile, data=data).word == "not comparable"


def test_data_that_nobody_has_and_figures_that_nobody_knows_are_said() -> None:
    private = CLAIM.model_copy(update={"repeatable": False})
    assert judged(39.93, private).word == "not comparable" and "not public" in judged(39.93, private).sentence
    assert judged(39.93, CLAIM.model_copy(update={"rows": {}})).word == "no published figure"


@pytest.mark.parametrize("paper", read_yaml(ROOT / "params.yaml")["papers"])
def test_every_papers_figures_are_read_and_the_deciding_metric_stands_in_each_row(paper: str) -> None:
    claim = load_claim(ROOT, paper)
    assert all(claim.metric in row for row in claim.rows.values())
    assert claim.source and (claim.method in claim.rows or not claim.rows)


def test_a_figure_that_is_no_number_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    text = (ROOT / "pipelines/rasvsr.published.yaml").read_text().replace("39.930", "high")
    (tmp_path / "pipelines/rasvsr.published.yaml").write_text(text)
    with pytest.raises(SatsrError, match=r"rows\.RASVSR\.psnr_rgb_u8"):
        load_claim(tmp_path, "rasvsr")
