"""What people get wrong about their input, each with a sentence, and a way to insist."""

import json

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.exported.facts import parse
from satsr.upscale.appraisal import checks

RNG = np.random.default_rng(0)
REFLECTANCE = RNG.integers(200, 2500, (3, 500)).astype(float)
BYTES = RNG.integers(0, 256, (3, 500)).astype(float)


def facts(normalisation="s2_norm", **more):
    return parse({"paper": "p", "kind": "image", "normalisation": normalisation, "scale": 4, **more}, "test")


def some(values, share, replacement):
    """``values`` with a share of its columns replaced."""
    changed = values.copy()
    changed[:, : int(share * values.shape[1])] = replacement
    return changed


@pytest.mark.parametrize(
    ("described", "values", "native", "words"),
    [
        (facts(), BYTES, np.uint8, "8-bit values"),
        (facts(), BYTES, np.uint16, "looks like 8 bits"),
        (facts(), REFLECTANCE / 10000, np.float32, "--gain 10000"),
        (facts("normalise_10k"), REFLECTANCE * 20, np.uint16, "found up to"),
        (facts(), REFLECTANCE - 5000, np.int16, "check --gain and --offset"),
        (facts(), REFLECTANCE + 2000, np.uint16, "come out flat"),
        (facts(), some(REFLECTANCE, 0.95, np.nan), np.uint16, "are missing"),
        (facts("unit_u8"), BYTES * 8, np.uint16, "multiply"),
        (facts("unit_u8"), BYTES / 255, np.float32, "--gain 255"),
        (facts(), np.vstack([REFLECTANCE[:2], np.full((1, 500), 700.0)]), np.uint16, "band 3 (700 everywhere)"),
        (facts(statistics={"p2": [3000], "p98": [6000]}), REFLECTANCE, np.uint16, "another sensor"),
    ],
)
def test_every_mistake_has_its_sentence(described, values, native, words):
    found = checks.problems(described, values, native=np.dtype(native))
    assert len(found) == 1 and words in found[0]
    with pytest.raises(SatsrError, match="Add --force"):
        checks.settle(found, False, print)
    lines = []
    checks.settle(found, True, lines.append)
    assert lines == [f"warning: {found[0]}"]


@pytest.mark.parametrize(
    ("described", "values", "native"),
    [
        (facts(), REFLECTANCE, np.uint16),
        (facts(), some(REFLECTANCE, 0.5, np.nan), np.uint16),
        (facts("normalise_10k"), some(REFLECTANCE, 0.1, 15000), np.uint16),
        (facts("unit_u8"), BYTES, np.uint8),
        (facts("probav"), REFLECTANCE, np.uint16),
    ],
)
def test_good_input_passes_without_a_word(described, values, native):
    assert checks.problems(described, values, native=np.dtype(native)) == []


def test_a_result_is_not_enlarged_again_by_mistake():
    found = checks.problems(facts(), REFLECTANCE, native=np.dtype(np.uint16), tags={"SATSR_MODEL": "srgan/3"})
    assert "srgan/3 made it" in found[0]


def test_what_may_be_right_is_only_mentioned():
    assert "--nodata 0" in checks.notes(facts(), REFLECTANCE, 0.2)[0]
    assert "--offset -1000" in checks.notes(facts(), REFLECTANCE + 1000, None)[0]
    assert checks.notes(facts(), REFLECTANCE, 0.0) == []
    assert json.dumps(checks.notes(facts("unit_u8"), BYTES + 2000, None)) == "[]"
