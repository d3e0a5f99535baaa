"""What is said about a published figure."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan
from typing import Any, get_args

import pytest

from satsr.evaluate.claim import Claim
from satsr.evaluate.conditions import Conditions, Run, conditions
from satsr.evaluate.verdict import Interval, Verdict, Word, verdict

SHA = "a" * 64
CLAIM = Claim.model_validate(
    {
        "data": {"card": "clips", "test_scenes": 2, "references_sha256": SHA},
        "metric": "psnr",
        "method": "ours",
        "source": "a table",
        "rows": {"bicubic": {"psnr": 35.58, "ssim": 0.928}, "ours": {"psnr": 39.93, "ssim": 0.967}},
        "tolerances": {"psnr": {"baseline": 0.02, "method": 0.1}, "ssim": {"baseline": 5e-4, "method": 2e-3}},
    }
)
CONFIG = {"profile": "paper", "network": {"channels": 64}, "train": {"iterations": 100000, "batch": 4, "workers": 8}}
RUN = Run(config=CONFIG, own=CONFIG, card="clips", scenes=2, references_sha256=SHA)
BICUBIC = {"psnr": 35.58, "ssim": 0.928}
PUBLISHED = {"psnr": 39.93, "ssim": 0.967}


def judged(
    ours: dict[str, float],
    run: Run = RUN,
    claim: Claim = CLAIM,
    bicubic: dict[str, float] = BICUBIC,
    raw: dict[str, float] | None = None,
    intervals: dict[str, Interval] | None = None,
) -> Verdict:
    methods = {"bicubic": bicubic, "network": raw or ours, "ema": ours}
    scenes = {"a": methods, "b": methods}
    return verdict(claim, "ours", conditions(claim, run), methods, scenes, intervals)


def changed(**sections: dict[str, Any]) -> Run:
    return replace(RUN, config={**CONFIG, **{name: {**CONFIG[name], **values} for name, values in sections.items()}})


def test_the_papers_run_with_the_papers_numbers_is_reproduced() -> None:
    found = judged(PUBLISHED)
    assert found.word == "reproduced"
    assert "psnr is 39.9300, +0.0000 from the published 39.9300" in found.sentence and "ssim is" in found.sentence


@pytest.mark.parametrize(
    ("psnr", "word"), [(39.83, "reproduced"), (39.82, "not reproduced"), (40.04, "not reproduced")]
)
def test_the_tolerance_has_two_sides(psnr: float, word: str) -> None:
    assert judged({**PUBLISHED, "psnr": psnr}).word == word


@pytest.mark.parametrize(
    ("deviation", "psnr", "word"),
    [
        (0.09, 39.93, "reproduced"),
        (0.09, 40.04, "not reproduced"),  # the tolerance is wider than seeds differ
        (0.1, 39.93, "undecided"),
        (0.2, 40.32, "undecided"),
        (0.2, 40.34, "not reproduced"),
    ],
)
def test_where_seeds_differ_by_the_tolerance_one_training_decides_nothing(
    deviation: float, psnr: float, word: str
) -> None:
    found = judged({**PUBLISHED, "psnr": psnr}, claim=CLAIM.model_copy(update={"seeds": {"psnr": deviation}}))
    assert found.word == word and f"(tolerance 0.1, deviation over seeds {deviation:g})" in found.sentence
    assert found.sentence.endswith("train with several.") == (word == "undecided")
    worse = judged({"psnr": psnr, "ssim": 0.9}, claim=CLAIM.model_copy(update={"seeds": {"psnr": deviation}}))
    assert worse.word == "not reproduced"


def test_every_published_metric_counts() -> None:
    found = judged({**PUBLISHED, "ssim": 0.90})
    assert found.word == "not reproduced" and "ssim is 0.9000, -0.0670" in found.sentence


def test_the_weights_that_are_exported_are_judged() -> None:
    assert judged({"psnr": 39.0, "ssim": 0.967}, raw=PUBLISHED).word == "not reproduced"
    assert judged(PUBLISHED, raw={"psnr": 39.0, "ssim": 0.9}).word == "reproduced"


@pytest.mark.parametrize("value", [inf, nan, -inf])
def test_a_value_that_is_no_number_is_not_comparable(value: float) -> None:
    found = judged({**PUBLISHED, "psnr": value})
    assert found.word == "not comparable" and "psnr was not measured or is not finite" in found.sentence


def test_a_published_metric_that_was_not_measured_is_not_passed_over() -> None:
    found = judged({"psnr": 39.93})
    assert found.word == "not comparable" and "ssim was not measured" in found.sentence


@pytest.mark.parametrize("bicubic", [{**BICUBIC, "psnr": 33.58}, {**BICUBIC, "psnr": 35.61}, {**BICUBIC, "ssim": 0.92}])
def test_a_bicubic_off_the_published_one_means_that_the_measurement_differs(bicubic: dict[str, float]) -> None:
    for ours in (PUBLISHED, {"psnr": 30.0, "ssim": 0.5}):
        found = judged(ours, bicubic=bicubic)
        assert found.word == "not comparable" and "the measurement differs: of bicubic" in found.sentence


def test_without_a_published_bicubic_the_measurement_cannot_be_checked() -> None:
    found = judged(PUBLISHED, claim=CLAIM.model_copy(update={"rows": {"ours": PUBLISHED}}))
    assert found.word == "not comparable" and "no bicubic was published" in found.sentence


def test_one_step_of_a_small_network_named_paper_is_not_comparable_however_good_it_is() -> None:
    run = changed(train={"iterations": 1}, network={"channels": 16})
    for ours in ({"psnr": 45.0, "ssim": 0.99}, PUBLISHED, {"psnr": 26.4, "ssim": 0.7}):
        found = judged(ours, run)
        assert found.word == "not comparable"
        assert "train.iterations = 1 instead of 100000" in found.sentence
        assert "network.channels = 16 instead of 64" in found.sentence


def test_a_key_that_the_profile_does_not_have_differs_too() -> None:
    assert "train.clip_norm = 1.0 instead of None" in judged(PUBLISHED, changed(train={"clip_norm": 1.0})).sentence


def test_how_and_where_a_run_is_executed_is_free() -> None:
    assert (
        judged(PUBLISHED, changed(train={"workers": 0, "threads": 1, "seed": 7, "checkpoint_every": 5})).word
        == "reproduced"
    )
    assert judged(PUBLISHED, replace(RUN, config={**CONFIG, "gates": {"min_gain_psnr_db": 9.0}})).word == "reproduced"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"card": "others"}, "this run measured others"),
        ({"scenes": 1}, "clips has 2 test scenes, and 1 were measured"),
        ({"references_sha256": "b" * 64}, "have the hash aaaaaaaaaaaa, and those that were measured bbbbbbbbbbbb"),
        ({"trained_on_it": False}, "another store than the one that was measured"),
        ({"departures": ["the flow starts at zero."]}, "departs from the published one: the flow starts at zero"),
    ],
)
@pytest.mark.parametrize("psnr", [39.93, 26.4])
def test_other_data_or_another_recipe_are_not_comparable(changes: dict[str, Any], reason: str, psnr: float) -> None:
    found = judged({**PUBLISHED, "psnr": psnr}, replace(RUN, **changes))
    assert found.word == "not comparable" and reason in found.sentence


def test_a_departure_that_stands_beside_the_figures_counts_for_every_run() -> None:
    found = judged(PUBLISHED, claim=CLAIM.model_copy(update={"departures": ["the loss is another"]}))
    assert found.word == "not comparable" and "departs from the published one: the loss is another" in found.sentence


def test_data_of_unknown_content_agree_or_differ_and_no_more() -> None:
    claim = CLAIM.model_copy(update={"data": CLAIM.data.model_copy(update={"references_sha256": None})})
    assert judged(PUBLISHED, claim=claim).word == "agrees, data not verified"
    assert SHA in judged(PUBLISHED, claim=claim).sentence
    assert judged({**PUBLISHED, "psnr": 38.0}, claim=claim).word == "differs, data not verified"


def test_weights_that_the_published_training_starts_from_must_be_there() -> None:
    claim = CLAIM.model_copy(update={"supplied": ["network.flow"]})
    for missing in (None, "scratch"):
        found = judged(PUBLISHED, changed(network={"flow": missing}), claim)
        assert found.word == "not comparable" and "network.flow is not given" in found.sentence
    assert judged(PUBLISHED, changed(network={"flow": "spynet.pth"}), claim).word == "reproduced"


def test_an_interval_that_holds_the_published_value_neither_confirms_nor_denies() -> None:
    low = {**PUBLISHED, "psnr": 39.0}
    assert judged(low, intervals={"psnr": (38.0, 40.0)}).word == "undecided"
    assert "interval 38 to 40" in judged(low, intervals={"psnr": (38.0, 40.0)}).sentence
    assert judged(low, intervals={"psnr": (38.8, 39.2)}).word == "not reproduced"
    assert judged(PUBLISHED, intervals={"psnr": (38.0, 40.0)}).word == "reproduced"
    assert judged({"psnr": 39.0, "ssim": 0.9}, intervals={"psnr": (38.0, 40.0)}).word == "not reproduced"


def test_a_figure_of_one_scene_is_compared_with_that_scenes_own_score() -> None:
    tables = {"rows": {}, "scenes": {"b": {"bicubic": {"psnr": 42.15}, "ours": {"psnr": 47.25}}}}
    claim = CLAIM.model_copy(update=tables)

    def found(scenes: dict[str, dict[str, dict[str, float]]]) -> Verdict:
        means = {"bicubic": {"psnr": 1.0}, "ema": {"psnr": 2.0}}
        return verdict(claim, "ours", conditions(claim, RUN), means, scenes)

    other = {"bicubic": {"psnr": 45.0}, "ema": {"psnr": 46.0}}
    ours = {"bicubic": {"psnr": 42.1505}, "ema": {"psnr": 47.2}}
    assert found({"a": other, "b": ours}).word == "reproduced"
    assert "psnr on b is 47.2000, -0.0500" in found({"a": other, "b": ours}).sentence
    assert found({"a": ours, "b": other}).word == "not comparable"
    assert "psnr on b was not measured" in found({"a": ours}).sentence


def test_data_that_nobody_has_and_figures_that_nobody_knows_are_said() -> None:
    private = judged(PUBLISHED, claim=CLAIM.model_copy(update={"repeatable": False}))
    assert private.word == "not comparable" and "not public" in private.sentence
    assert judged(PUBLISHED, claim=CLAIM.model_copy(update={"rows": {}})).word == "no published figure"


def test_the_words_are_few_and_the_documentation_has_them_all() -> None:
    from tests.conftest import ROOT

    words: Sequence[str] = get_args(Word)
    text = (ROOT / "docs/training.md").read_text()
    assert all(f"| **{word}** |" in text for word in words)
    assert Conditions() == Conditions((), ())
