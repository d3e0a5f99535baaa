import pytest

from satsr.config.recipe import Gates
from satsr.register.gates import check, passed

NAMES = ("psnr_rgb_u8", "ssim_rgb_u8")
BASELINE = {"psnr_rgb_u8": 30.0, "ssim_rgb_u8": 0.9}
FACTS = {"parity_max_abs": 1e-6, "megabytes": 1.0, "milliseconds": 5.0, "validation": True}
GATES = Gates(min_gain_psnr_db=0.5, min_gain_ssim=0.0, max_megabytes=10.0, max_milliseconds=100.0)


def failed(ours: dict[str, float], **facts: object) -> list[str]:
    return [gate.name for gate in check(GATES, NAMES, BASELINE, ours, {**FACTS, **facts}) if not gate.passed]


def test_a_better_model_passes_every_gate() -> None:
    gates = check(GATES, NAMES, BASELINE, {"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}, FACTS)
    assert passed(gates)
    assert len(gates) == 6


@pytest.mark.parametrize(
    ("ours", "facts", "names"),
    [
        ({"psnr_rgb_u8": 30.4, "ssim_rgb_u8": 0.91}, {}, ["gain_psnr_rgb_u8"]),
        ({"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.89}, {}, ["gain_ssim_rgb_u8"]),
        ({"psnr_rgb_u8": float("nan"), "ssim_rgb_u8": 0.91}, {}, ["gain_psnr_rgb_u8"]),
        ({"ssim_rgb_u8": 0.91}, {}, ["gain_psnr_rgb_u8"]),
        ({"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}, {"parity_max_abs": 1e-3}, ["parity"]),
        ({"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}, {"megabytes": 11.0}, ["size"]),
        ({"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}, {"validation": False}, ["validation"]),
        ({"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}, {"milliseconds": 101.0}, ["latency"]),
    ],
)
def test_each_gate_fails_alone(ours: dict[str, float], facts: dict[str, object], names: list[str]) -> None:
    assert failed(ours, **facts) == names


def test_a_result_that_differs_from_its_input_by_far_more_than_the_baseline_fails() -> None:
    held = GATES.model_copy(update={"max_consistency_ratio": 1.5})
    better = {"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}

    def refused(found: dict[str, float]) -> list[str]:
        gates = check(held, NAMES, BASELINE | {"consistency_rmse": 4.0}, better | found, FACTS)
        assert "consistency" in [gate.name for gate in gates]
        return [gate.sentence for gate in gates if not gate.passed]

    assert refused({"consistency_rmse": 5.9}) == []
    (sentence,) = refused({"consistency_rmse": 6.1})
    assert "differs from its input by 6.10" in sentence and "bicubic by 4.00, at most 1.5 times" in sentence
    for found in ({"consistency_rmse": float("nan")}, {}):
        assert refused(found) == ["consistency_rmse is missing or not finite"]


def test_the_gain_over_the_champion_counts_where_a_limit_is_given_and_there_is_a_champion() -> None:
    ours, champion = {"psnr_rgb_u8": 31.0, "ssim_rgb_u8": 0.91}, {"psnr_rgb_u8": 31.1, "ssim_rgb_u8": 0.90}
    strict = GATES.model_copy(update={"min_champion_gain_psnr_db": 0.0, "min_champion_gain_ssim": 0.0})
    names = [gate.name for gate in check(strict, NAMES, BASELINE, ours, FACTS, champion) if not gate.passed]
    assert names == ["champion_gain_psnr_rgb_u8"]
    assert passed(check(strict, NAMES, BASELINE, ours, FACTS))
    assert passed(check(GATES, NAMES, BASELINE, ours, FACTS, champion))
