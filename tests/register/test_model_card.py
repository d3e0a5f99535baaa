"""The model card is Markdown that others wrote names for."""

from types import SimpleNamespace

from satsr.register.facts import kept
from satsr.register.model_card import headline


def test_a_name_of_a_data_set_is_text_and_no_markup() -> None:
    paper = SimpleNamespace(decides=["psnr_u8"])
    metrics = {"dataset": "![x](http://example.org/x) <b>clips</b>\n# forged", "profile": "quick"}
    found = headline(paper, metrics, {})  # type: ignore[arg-type]
    assert r"\!\[x\](http://example.org/x) \<b\>clips\</b\> \# forged" in found
    assert "\n" not in found


def test_a_score_that_the_registry_keeps_is_shown_as_the_report_shows_it() -> None:
    score = 28.51496752707712  # 28.515 with six digits, and 28.52 when that is rounded again
    assert f"{float(kept(score)):.2f}" == f"{score:.2f}" == "28.51"
