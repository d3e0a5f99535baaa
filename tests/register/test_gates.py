import pytest

from satsr.config.recipe import Gates
from satsr.register.gates import Gate, check, passed
from satsr.scores import Interval

NAMES = ("psnr_rgb_u8", "ssim_rgb_u8")
FACTS = {"parity_max_abs": 1e-6, "megabytes": 1.0, "milliseconds": 5.0, "validation": True}
GATES = Gates(min_gain_psnr_db=0.5, min_gain_ssim=0.0, max_megabytes=10.0, max_milliseconds=100.0)


def gains(psnr: float | None, ssim: float | None, half: float = 0.2) -> dict[str, Interval]:
    """Gains whose intervals have these lower ends."""
    return {
        name: Interval(low + half, low, low + 2 * half, 20, "scenes", "BCa bootstrap")
        for name, low in zip(NAMES, (psnr, ssim), strict=True)
        if low is not None
    }


def failed(found: dict[str, Interval], **facts: object) -> list[Gate]:
    return [gate for gate in check(GATES, NAMES, found, {**FACTS, **facts}) if not gate.passed]


def test_a_better_model_passes_every_gate() -> None:
    gates = check(GATES, NAMES, gains(1.0, 0.01), FACTS)
    assert passed(gates)
    assert len(gates) == 6


@pytest.mark.parametrize(
    ("found", "facts", "name"),
    [
        (gains(0.4, 0.01), {}, "gain_psnr_rgb_u8"),
        (gains(1.0, -0.01), {}, "gain_ssim_rgb_u8"),
        (gains(None, 0.01), {}, "gain_psnr_rgb_u8"),
        (gains(1.0, 0.01), {"parity_max_abs": 1e-3}, "parity"),
        (gains(1.0, 0.01), {"megabytes": 11.0}, "size"),
        (gains(1.0, 0.01), {"validation": False}, "validation"),
        (gains(1.0, 0.01), {"milliseconds": 101.0}, "latency"),
    ],
)
def test_each_gate_fails_alone(found: dict[str, Interval], facts: dict[str, object], name: str) -> None:
    assert [gate.name for gate in failed(found, **facts)] == [name]


def test_the_lower_end_of_the_interval_is_judged_and_not_the_mean() -> None:
    (gate,) = failed(gains(0.4, 0.01, half=5.0))
    assert gate.sentence == (
        "psnr_rgb_u8 gains +5.4000 over bicubic, +0.4000 at the lower end (95 %, 20 scenes), at least +0.5000 is needed"
    )
    assert not failed(gains(0.5, 0.0))


def test_a_gain_without_an_interval_does_not_pass_and_says_what_to_add() -> None:
    lone = Interval(9.0, None, None, 1, "scenes", "none", "1 scene gives no interval: add scenes.")
    (gate,) = failed(gains(1.0, 0.01) | {"psnr_rgb_u8": lone})
    assert gate.name == "gain_psnr_rgb_u8" and gate.sentence.endswith("add scenes.") and "+9.0000" in gate.sentence
    nothing = Interval(None, None, None, 0, "scenes", "none", "Left out: a.")
    (gate,) = failed(gains(1.0, 0.01) | {"psnr_rgb_u8": nothing})
    assert "missing or not finite" in gate.sentence and gate.sentence.endswith("Left out: a.")


def test_a_limit_that_is_null_is_no_gate() -> None:
    free = GATES.model_copy(update={"min_gain_psnr_db": None, "min_gain_ssim": None})
    assert passed(check(free, NAMES, {}, FACTS))


def test_a_result_that_differs_from_its_input_by_far_more_than_the_baseline_fails() -> None:
    held = GATES.model_copy(update={"max_consistency_ratio": 1.5})

    def refused(found: float | None) -> list[str]:
        gates = check(held, NAMES, gains(1.0, 0.01), FACTS | {"consistency": (4.0, found)})
        assert "consistency" in [gate.name for gate in gates]
        return [gate.sentence for gate in gates if not gate.passed]

    assert refused(5.9) == []
    (sentence,) = refused(6.1)
    assert "differs from its input by 6.10" in sentence and "bicubic by 4.00, at most 1.5 times" in sentence
    for found in (float("nan"), None):
        assert refused(found) == ["consistency_rmse is missing or not finite"]


def test_the_gain_over_the_champion_counts_where_a_limit_is_given_and_there_is_a_champion() -> None:
    ours, champion = gains(1.0, 0.01), gains(-0.1, 0.001)
    strict = GATES.model_copy(update={"min_champion_gain_psnr_db": 0.0, "min_champion_gain_ssim": 0.0})
    names = [gate.name for gate in check(strict, NAMES, ours, FACTS, champion) if not gate.passed]
    assert names == ["champion_gain_psnr_rgb_u8"]
    assert passed(check(strict, NAMES, ours, FACTS))
    assert passed(check(GATES, NAMES, ours, FACTS, champion))
