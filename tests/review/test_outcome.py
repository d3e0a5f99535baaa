from pathlib import Path

import pytest

from satsr.files import write_json, write_text
from satsr.project import Places
from satsr.review.outcome import WORDS, counted, line, outcome, size
from steps import STAGES


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """The files of finished stages, as far as they are read."""
    made = Places(tmp_path, "tiny")
    write_json(made.raw / "raw.json", {"files": [{"bytes": 1_500_000}, {"bytes": 500_000}]})
    scenes = [{"key": key} for key in ("train/a", "train/b", "test/c")]
    write_json(made.store / "manifest.json", {"scenes": scenes, "data": {"bytes": 12_000}})
    write_json(made.validation / "validation.json", {"checks": [{"name": "sizes", "passed": True}] * 3})
    write_json(made.training / "train.json", {"steps": 1800})
    write_text(made.results / "loss.csv", "step,loss,lr\n10,0.5,0.1\n20,0.25,0.1\n")
    write_text(made.results / "validation.csv", "step,val_psnr,val_ema_psnr\n20,27.1,27.25\n")
    gain = {"mean": 1.57, "low": 1.33, "high": 1.81, "count": 20, "unit": "scenes", "method": "t"}
    scores = {
        "decides": ["psnr_rgb_u8", "ssim_rgb_u8"],
        "exported": "ours",
        "methods": {"ours": {"psnr_rgb_u8": 28.21}},
    }
    write_json(made.metrics, {**scores, "gains": {"psnr_rgb_u8": gain}})
    write_json(made.export / "parity.json", {"cases": [{"max_abs": 2e-7}, {"max_abs": 3.6e-7}]})
    write_text(made.export / "model.onnx", "x" * 2000)
    gates = [{"name": "parity", "passed": True}, {"name": "size", "passed": False}]
    write_json(
        made.registration / "registration.json",
        {"name": "tiny", "version": 3, "aliases": ["challenger"], "gates": gates},
    )
    return made


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("download", "2 files, 2.0 MB"),
        ("convert", "3 scenes (2 train, 1 test), 12 kB"),
        ("validate", "3 checks passed"),
        ("train", "1,800 steps, loss 0.25, val PSNR 27.25 dB"),
        ("evaluate", "PSNR 28.21 dB, +1.57 dB [1.33, 1.81] over the baseline"),
        ("export", "model.onnx, 2 kB, parity 4e-07"),
        ("register", "tiny version 3 (challenger), 1 gate failed"),
    ],
)
def test_every_stage_says_what_came_out(stage: str, words: str, places: Places) -> None:
    assert outcome(stage, places) == words
    assert len(line(stage, places, 83)) < 80


def test_every_stage_is_known() -> None:
    assert tuple(WORDS) == STAGES


def test_a_line_has_the_time_or_that_there_was_nothing_to_do(places: Places) -> None:
    assert line("export", places, 125.0).startswith("export         2 min  model.onnx")
    assert line("export", places, None).startswith("export    up to date  model.onnx")


@pytest.mark.parametrize("stage", STAGES)
def test_files_of_another_version_cost_the_words_alone(stage: str, tmp_path: Path) -> None:
    assert outcome(stage, Places(tmp_path, "tiny")) == ""


def test_sizes_and_numbers_are_told_as_people_do() -> None:
    assert [size(2_000), size(3_440_000), size(2.5e9)] == ["2 kB", "3.4 MB", "2.5 GB"]
    assert [counted(1, "frame"), counted(2, "frame")] == ["1 frame", "2 frames"]
