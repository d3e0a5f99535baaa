"""What DVC's tables show of a run."""

from pathlib import Path

import pytest

from satsr.evaluate.headline import headline, main
from satsr.files import read_json, write_json

METRICS = {
    "decides": ["cpsnr", "cssim"],
    "exported": "ema",
    "methods": {"bicubic": {"cpsnr": 43.0, "cssim": 0.9}, "ema": {"cpsnr": 46.0, "cssim": 0.95, "ergas": 1.0}},
    "gains": {"cpsnr": {"mean": 3.0, "low": 2.5, "high": 3.5}, "cssim": {"mean": 0.05, "low": 0.04, "high": 0.06}},
}


def test_the_gain_is_named_with_its_lower_end_and_what_it_is_between() -> None:
    assert headline(METRICS) == {
        "metric": "cpsnr",
        "baseline": 43.0,
        "ours": 46.0,
        "gain": 3.0,
        "gain_low": 2.5,
        "ssim_gain": 0.05,
    }


def test_a_gain_without_an_interval_has_no_lower_end() -> None:
    gains = {"cpsnr": {"mean": 3.0, "low": None, "high": None}}
    found = headline({**METRICS, "gains": gains})
    assert found["gain"] == 3.0 and not {"gain_low", "ssim_gain"} & set(found)


def test_it_is_written_beside_every_metrics_file_and_again_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    write_json(tmp_path / "results/qanet/metrics.json", METRICS)
    (tmp_path / "results/rasvsr").mkdir()
    monkeypatch.setenv("SATSR_ROOT", str(tmp_path))
    main()
    first = (tmp_path / "results/qanet/headline.json").read_bytes()
    main()
    assert (tmp_path / "results/qanet/headline.json").read_bytes() == first
    assert read_json(tmp_path / "results/qanet/headline.json") == headline(METRICS)
    assert not (tmp_path / "results/rasvsr/headline.json").exists()
