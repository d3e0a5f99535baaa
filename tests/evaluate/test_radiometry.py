"""An evaluation measures consistency for every method, and ours with and without the constraint from one output."""

import numpy as np
import pytest

from satsr.evaluate.measure import measure
from satsr.evaluate.radiometry import consistencies, held_to_input, variants
from satsr.scores import unheld
from tests.evaluate.conftest import Case

KINDS = ("image", "series", "video", "imageset")
SECOND = {"image": "ema_unconstrained", "series": "ema_unconstrained", "video": "ema_constrained"}
"""The method beside ``ema``: what a user gets by default is called ``ema``."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_has_its_consistency_and_ours_has_both_ways(cases: Case, kind: str) -> None:
    paper, store = cases(kind)
    evaluation = measure(paper, store, {"ema": paper.network().eval()})
    methods = evaluation.methods()
    assert [*methods] == ["bicubic", "ema", *([SECOND[kind]] if kind in SECOND else [])]
    bands = paper.describe()["bands"] or ["1"]
    wanted = {f"consistency_{what}_{band}" for what in ("bias", "rmse") for band in bands} | {"consistency_rmse"}
    assert all(wanted <= set(scores) for scores in methods.values())
    assert all(("consistency_sam_deg" in scores) is (len(bands) > 1) for scores in methods.values())
    assert set(paper.decides) <= set(methods["ema"])
    if kind in SECOND:
        free, held = methods["ema"], methods[SECOND[kind]]
        free, held = (held, free) if paper.constraint != "none" else (free, held)
        assert held["consistency_rmse"] < 0.5 * free["consistency_rmse"]
        assert unheld(methods)["ema"] == free  # a published figure is compared with the network's own output
    sample = evaluation.samples[0]
    assert set(methods) <= set(sample.pictures) and set(methods) == set(sample.scores)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_way_needs_no_second_run_and_other_roles_have_one(cases: Case, kind: str) -> None:
    paper, store = cases(kind)
    (scene,) = store.scenes("test")
    output = paper.baseline(scene).astype(np.float32)
    assert [name for name, *_ in variants(paper, scene, "network", output)] == ["network"]
    found = list(variants(paper, scene, "ema", output))
    plain = [shown is output for _, shown, _ in found]
    assert sorted(plain) == ([True] if kind == "imageset" else [False, True])
    assert plain[0] is (paper.constraint == "none")
    for _, shown, native in found:
        assert shown.shape == output.shape and native.shape == paper.written(scene, output).shape


@pytest.mark.parametrize("kind", ["image", "series", "video"])
def test_backprojection_makes_any_output_consistent_but_for_the_rounding(cases: Case, kind: str) -> None:
    paper, store = cases(kind)
    (scene,) = store.scenes("test")
    output = paper.baseline(scene).astype(np.float32) * np.float32(0.7)
    _, native = held_to_input(paper, scene, output, paper.hold("backprojection"))
    assert all(row["consistency_rmse"] < 0.1 for row in consistencies(paper, scene, native))


def test_a_reference_that_the_input_was_made_of_is_consistent_up_to_rounding(cases: Case) -> None:
    paper, store = cases("video")
    (scene,) = store.scenes("test")
    rows = consistencies(paper, scene, paper.reference(scene))
    assert all(row["consistency_rmse"] < 0.35 and abs(row["consistency_bias_red"]) < 0.05 for row in rows)


def test_only_clear_pixels_of_an_image_set_count(cases: Case) -> None:
    paper, store = cases("imageset")
    (scene,) = store.scenes("test")
    written = np.repeat(np.repeat(paper.given(scene), 3, axis=1), 3, axis=2)
    clear = paper.clear(scene)
    assert clear is not None and 0 < clear.mean() < 1
    written[:, : 3 * 8] = 60000  # under the cloud of every view
    assert consistencies(paper, scene, written)[0]["consistency_rmse"] == pytest.approx(0, abs=1e-3)
